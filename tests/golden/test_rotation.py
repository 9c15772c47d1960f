"""The sample world gets another key: everybody keeps the golden id, who is suppressed stays out, no old hash is left."""

import json
import shutil

import pandas as pd
import pytest
from rich.console import Console

from identity import rotation
from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure.scan import Sought, scan
from identity.errors import PlatformError
from identity.keys import fingerprint, key_in_force
from identity.rotation import rotate_key
from identity.run import Run
from identity.standardise.identifiers import hash_key, hash_of
from tests.golden.conftest import ROOT, SECOND, World

pytestmark = pytest.mark.long

CONF = ROOT / "conf/local.yaml"
NEW = "a-new-key-of-the-company-2026"
GONE = "somebody.erased@posti.example"
REMADE = [
    "touchpoint_id",
    "contact_points",
    "contact_point",
    "winning_event_key",
    "refusal_event_key",
    "value_hmac",
]


def gold(world: World) -> dict[str, pd.DataFrame]:
    """Gold tables without the columns that are keyed hashes, rows in a fixed order."""
    frames = {}
    for name in [n for n in world.names() if n.startswith("gold.") or n == "consent.effective"]:
        rows = world.tables.read(name).toPandas()
        if "permitted_parts" in rows:  # a part's name holds within one run
            rows["permitted_parts"] = rows["permitted_parts"].map(len)
        rows = rows[[c for c in rows.columns if c not in REMADE]].astype(str)
        frames[name] = rows.sort_values(list(rows.columns), ignore_index=True)
    return frames


def rotated(world: World, config: Config) -> dict[str, object]:
    key, *retired = config.secrets()
    run = Run(config, world.tables, SECOND, key, Console(file=world.said), retired=tuple(retired))
    return rotate_key(run)


def test_everybody_keeps_the_golden_id_and_no_old_hash_is_left(
    copied: World, monkeypatch: pytest.MonkeyPatch
):
    config = load_config(CONF, landing=copied.landing, warehouse=copied.warehouse)
    old = config.secret()
    gone = hash_of("email", GONE, key=hash_key(old))
    listed = {
        "namespace": "email",
        "value_hmac": gone,
        "key_fingerprint": fingerprint(old),
        "is_owner_only": False,
        "reason": "erasure",
        "since_on": SECOND,
    }
    copied.tables.append_rows([listed], contract_of("consent.suppression"))
    shown, members = gold(copied), copied.frame("id.golden_member")
    known = copied.frame("silver.identifier")[["namespace", "value", "value_hmac"]].drop_duplicates()
    views = copied.frame("silver.web_view")[["device_namespace", "device"]].dropna().drop_duplicates()
    devices = {
        hash_of(n, d, key=hash_key(old)): hash_of(n, d, key=hash_key(NEW.encode()))
        for n, d in views.itertuples(index=False)
    }
    # Also of devices whose views may not be kept: what they refused is all that silver has of them.
    heard = set(copied.frame("consent.carried_refusal")["value_hmac"])
    assert heard - {*known["value_hmac"], *devices}
    assert len(shown["consent.effective"]) > 100
    assert len(devices) > 50

    monkeypatch.setenv("IDENTITY_KEY", NEW)
    with pytest.raises(PlatformError, match="give that key"):
        copied.run(SECOND)
    monkeypatch.setenv("IDENTITY_KEY", f"{NEW} {old.decode()}")
    with pytest.raises(PlatformError, match="rotate-key"):
        copied.run(SECOND)

    # It dies after the hashes are changed and before it published: no other command may work on that.
    with monkeypatch.context() as dying:
        dying.setattr(rotation, "do_stages", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotated(copied, config)
    with pytest.raises(PlatformError, match="half way"):
        key_in_force(config)
    assert not copied.run(SECOND).get("is_repeat")  # the next run does the rest
    hashes = [*known["value_hmac"], *devices, *heard]
    sought = Sought(values=hashes, suppressed=[gone], strong=hashes, taken=[])
    assert scan(copied.warehouse, copied.landing, sought, lambda _: None).hits == {}
    told = rotated(copied, config)
    assert told == {"was": fingerprint(NEW.encode()), "now": fingerprint(NEW.encode())}
    row = copied.frame("ops.key_rotation").iloc[0]
    assert (row["was_fingerprint"], row["left_behind"]) == (fingerprint(old), 1)
    assert row["rehashed"] >= len(known)
    assert key_in_force(config) == NEW.encode()

    after = gold(copied)
    for name, rows in shown.items():
        pd.testing.assert_frame_equal(after[name], rows, obj=name)
    translated = members.assign(source_key=members["source_key"].replace(devices))
    by = ["source", "source_key", "valid_from_on"]
    now = copied.frame("id.golden_member").sort_values(by, ignore_index=True)
    same = ["golden_id", "source", "source_key", "link_permission", "valid_from_on", "valid_to_on"]
    pd.testing.assert_frame_equal(now[same], translated.sort_values(by, ignore_index=True)[same])

    assert copied.run(SECOND)["is_repeat"]

    # Who was erased under the old key is delivered again.
    contacts = copied.landing / "2026-02-01/crm/contacts.jsonl"
    line = (ROOT / "data_samples/world/landing/2026-01-31/crm/contacts.jsonl").read_text().splitlines()[0]
    again = shutil.copy(contacts, contacts.with_name("contacts_again.jsonl"))
    again.write_text(_with_email(line, GONE), encoding="utf-8")
    copied.run(SECOND)
    files = copied.frame("ops.file")
    assert list(files[files["file"].str.contains("_again") & (files["status"] == "taken")]["suppressed"]) == [
        1
    ]
    listed = copied.frame("consent.suppression").iloc[0]
    assert listed["value_hmac"] == hash_of("email", GONE, key=hash_key(NEW.encode()))
    assert listed["key_fingerprint"] == fingerprint(NEW.encode())
    # Nothing is known by the old key alone any more: it may be thrown away.
    monkeypatch.setenv("IDENTITY_KEY", NEW)
    assert key_in_force(config) == NEW.encode()


def _with_email(line: str, email: str) -> str:
    record = json.loads(line)
    return json.dumps({**record, "contact_id": "C99999999", "emails": [email]}) + "\n"

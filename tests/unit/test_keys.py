"""A warehouse is worked on with its own key alone; hashes are made anew where the value is known."""

import datetime as dt
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.errors import PlatformError
from identity.keys import fingerprint, key_in_force, require_keys
from identity.rehash import left_behind, new_hashes, rehash_returned, rehashed
from identity.rights.statements import event_key
from identity.standardise.identifiers import hash_key, hash_of, normalised, under_every_key
from identity.tables import Tables, append_at, by_table

OLD, NEW = b"0123456789abcdef-old", b"0123456789abcdef-new"
ON = dt.date(2026, 2, 1)
AT = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
HERE, GONE = "aino@example.org", "veikko@example.org"


def old(value: str, namespace: str = "email") -> str:
    return hash_of(namespace, value, key=hash_key(OLD))


def new(value: str, namespace: str = "email") -> str:
    return hash_of(namespace, value, key=hash_key(NEW))


@pytest.fixture
def config(warehouse: Path) -> Config:
    return load_config(Path(__file__).parents[2] / "conf/local.yaml", warehouse=warehouse, need_model=False)


def put(warehouse: Path, name: str, *rows: dict[str, Any]) -> None:
    columns = contract_of(name).columns
    append_at(warehouse, [{**dict.fromkeys(columns), **row} for row in rows], contract_of(name))


def published(warehouse: Path, secret: bytes, at: dt.datetime = AT) -> None:
    row = {
        "run_id": "r", "run_on": ON, "config_hash": "c", "key_fingerprint": fingerprint(secret),
        "outcome": "published", "exit_code": 0, "started_at": at, "seconds": 1.0,
    }  # fmt: skip
    put(warehouse, "ops.run", row)


def rotated(warehouse: Path, number: int, was: bytes, now: bytes) -> None:
    row = {
        "rotation_no": number, "rotated_on": ON, "was_fingerprint": fingerprint(was),
        "key_fingerprint": fingerprint(now), "rehashed": 1, "left_behind": 0,
    }  # fmt: skip
    put(warehouse, "ops.key_rotation", row)


def suppressed(secret: bytes, value: str) -> dict[str, Any]:
    return {
        "namespace": "email", "value_hmac": hash_of("email", value, key=hash_key(secret)),
        "key_fingerprint": fingerprint(secret), "is_owner_only": False, "reason": "erasure", "since_on": ON,
    }  # fmt: skip


def test_a_new_warehouse_takes_any_key(warehouse: Path):
    require_keys(warehouse, [OLD])


def test_a_published_warehouse_takes_its_own_key_alone(warehouse: Path):
    published(warehouse, OLD)
    require_keys(warehouse, [OLD])
    require_keys(warehouse, [OLD, NEW])
    with pytest.raises(PlatformError, match=f"hashed with \\({fingerprint(OLD)}\\): give that key") as error:
        require_keys(warehouse, [NEW])
    assert "0123456789" not in str(error.value)
    with pytest.raises(PlatformError, match="give that key first, or change keys with `identity rotate-key`"):
        require_keys(warehouse, [NEW, OLD])


def test_the_last_rotation_says_which_key_is_in_force(warehouse: Path):
    published(warehouse, OLD)
    rotated(warehouse, 1, OLD, NEW)
    require_keys(warehouse, [NEW])
    rotated(warehouse, 2, NEW, OLD)
    with pytest.raises(PlatformError):
        require_keys(warehouse, [NEW])


def test_a_retired_key_that_the_suppression_list_needs_must_be_given(warehouse: Path):
    published(warehouse, NEW)
    put(warehouse, "consent.suppression", suppressed(OLD, GONE))
    require_keys(warehouse, [NEW, OLD])
    with pytest.raises(PlatformError, match=f"retired key \\({fingerprint(OLD)}\\) that is not given"):
        require_keys(warehouse, [NEW])


def test_between_rotation_and_publication_only_a_run_may_go_on(
    warehouse: Path, config: Config, monkeypatch: pytest.MonkeyPatch
):
    published(warehouse, OLD)
    rotated(warehouse, 1, OLD, NEW)
    monkeypatch.setenv("IDENTITY_KEY", f"{NEW.decode()}\n{OLD.decode()}\n")
    with pytest.raises(PlatformError, match="half way to another key"):
        key_in_force(config)
    require_keys(warehouse, config.secrets())
    published(warehouse, NEW, AT + dt.timedelta(hours=1))
    assert key_in_force(config) == NEW


def statement(value: str) -> dict[str, Any]:
    said = ("email", old(value), "marketing.email", "objection", AT)
    return {
        "event_key": event_key(*said), "subject_namespace": "email", "subject_hmac": old(value),
        "purpose": "marketing.email", "value": "n", "basis": "objection", "asserted_at": AT, "said_on": ON,
        "request_id": "R",
    }  # fmt: skip


def kept_from_run_to_run(warehouse: Path) -> None:
    """A person whose e-mail and cookie will be known, and one of whom only hashes are left."""
    member = {
        "golden_id": "g1",
        "part": "p",
        "level": "cookie",
        "link_permission": "permitted",
        "valid_from_on": ON,
    }
    put(
        warehouse, "id.golden_member",
        {**member, "source": "cookie", "source_key": old("ck-1", "cookie")},
        {**member, "source": "cookie", "source_key": old("ck-9", "cookie"), "valid_to_on": ON},
        {**member, "source": "crm", "source_key": "C1"},
    )  # fmt: skip
    put(warehouse, "consent.suppression", suppressed(OLD, GONE))
    put(warehouse, "consent.statement", statement(HERE), statement(GONE))
    heard = {
        "source": "cookie",
        "source_key": old("ck-1", "cookie"),
        "namespace": "email",
        "since_on": ON,
        "reached_on": ON,
    }
    put(
        warehouse, "consent.carried_refusal",
        {**heard, "value_hmac": old(HERE)}, {**heard, "source": "crm", "source_key": "C1", "value_hmac": old(GONE)},
    )  # fmt: skip
    decision = {
        "golden_id": "g1", "purpose": "marketing.email", "channel": "email", "decision": "deny", "is_conflict": False,
        "winning_subject_namespace": "cookie",
    }  # fmt: skip
    put(
        warehouse, "consent.history",
        {**decision, "contact_point": old(HERE), "decided_on": ON, "winning_subject_hmac": old("ck-1", "cookie")},
        {**decision, "contact_point": old(GONE), "decided_on": ON},
        {**decision, "contact_point": "person", "decided_on": ON, "winning_subject_hmac": old("ck-9", "cookie")},
    )  # fmt: skip
    put(warehouse, "ops.data_use_log", {
        "use_id": "u", "purpose": "marketing.email", "golden_id": "g1", "contact_point_hmac": old(HERE),
        "used_on": ON, "run_id": "r", "recipient": "x", "file_sha256": "f",
    })  # fmt: skip


def test_hashes_of_known_values_are_made_anew_and_others_kept_for_when_they_come_back(
    spark: SparkSession, warehouse: Path, config: Config
):
    kept_from_run_to_run(warehouse)
    tables = Tables(spark, warehouse)
    # An e-mail and the SHA-256 of it, as a tag collector sends it, are one value.
    values = [("email", HERE), ("email", hashlib.sha256(HERE.encode()).hexdigest()), ("cookie", "ck-1")]
    known = spark.createDataFrame(values, "namespace string, value string")
    hashes = new_hashes(known, was=OLD, now=NEW)
    assert sorted((r["was"], r["now"]) for r in hashes.collect()) == sorted([
        (old(HERE), new(HERE)), (old("ck-1", "cookie"), new("ck-1", "cookie")),
    ])  # fmt: skip
    assert left_behind(tables, hashes) == 3
    staged = by_table(rehashed(tables, hashes, now=NEW, fingerprint=fingerprint(NEW)))
    tables.commit_as_one(dict.fromkeys(staged, "overwrite"))
    cookie = new("ck-1", "cookie")

    def hash_of_hash(value: str, namespace: str) -> str:
        return hmac.new(hash_key(NEW), old(value, namespace).encode(), "sha256").hexdigest()

    of_hash = hash_of_hash("ck-9", "cookie")
    assert {r["source_key"] for r in tables.rows("id.golden_member")} == {cookie, of_hash, "C1"}
    assert {r["contact_point_hmac"] for r in tables.rows("ops.data_use_log")} == {new(HERE)}
    decided = {(r["contact_point"], r["winning_subject_hmac"]) for r in tables.rows("consent.history")}
    assert decided == {(new(HERE), cookie), (hash_of_hash(GONE, "email"), None), ("person", of_hash)}
    anew = ("email", new(HERE), "marketing.email", "objection", AT)
    assert {(r["subject_hmac"], r["event_key"]) for r in tables.rows("consent.statement")} == {
        (new(HERE), event_key(*anew)), (old(GONE), statement(GONE)["event_key"]),
    }  # fmt: skip
    heard = {(r["source_key"], r["value_hmac"]) for r in tables.rows("consent.carried_refusal")}
    assert heard == {(cookie, new(HERE)), ("C1", old(GONE))}
    assert tables.rows("consent.suppression") == [suppressed(OLD, GONE)]

    # The value that was gone is delivered again: it is known by the old hash, and from now on by the new one.
    raw = spark.createDataFrame(
        [(7, f" {GONE.upper()}", "email")], "row_no int, raw string, namespace string"
    )
    known = normalised(raw, namespaces=config.namespaces, key=hash_key(NEW))
    known = under_every_key(known, [b"some-other-retired-key", OLD])
    assert {(r["row_no"], r["hmac_in_force"]) for r in known.collect()} == {(7, new(GONE))}
    assert old(GONE) in {r["value_hmac"] for r in known.collect()}
    rehash_returned(tables, known, fingerprint=fingerprint(NEW))
    assert tables.rows("consent.suppression") == [suppressed(NEW, GONE)]
    assert {r["subject_hmac"] for r in tables.rows("consent.statement")} == {new(HERE), new(GONE)}
    heard = {(r["source_key"], r["value_hmac"]) for r in tables.rows("consent.carried_refusal")}
    assert heard == {(cookie, new(HERE)), ("C1", new(GONE))}
    version = tables.version("consent.suppression")
    rehash_returned(tables, known, fingerprint=fingerprint(NEW))
    assert tables.version("consent.suppression") == version

"""An erasure is carried out in its own landing folder and with the warehouse's own key, or not at all; no Spark."""

import datetime as dt
import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from identity.cli import main
from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure.certificate import ANSWER, write_certificate
from identity.erasure.erase import _asked, _suppress, erase, finish_begun
from identity.erasure.kept import kept_landing
from identity.erasure.lines import Found, _cards_of_others
from identity.erasure.plan import Plan, load_plan, plan_file, remove_plan, save_plan
from identity.erasure.rewrite import rewrite_landing
from identity.erasure.scan import Residue
from identity.errors import ErasureError, PlatformError, SourceError
from identity.keys import fingerprint
from identity.retention.maintain import maintain
from identity.rights.requests import close, receive
from identity.run import Run
from identity.tables import Tables, append_at, rows_at, version_at
from tests.unit.by_hand import write

CONF = Path(__file__).parents[3] / "conf/local.yaml"
ON = dt.date(2026, 2, 1)
HERS = "hers.alone@posti.example"
OLD, NEW = b"0123456789abcdef-old", b"0123456789abcdef-new"


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    (tmp_path / "landing").mkdir()
    return load_config(CONF, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


def run_of(config: Config, *, secret: bytes | None = None, retired: tuple[bytes, ...] = ()) -> Run:
    none: Any = None  # no session: whoever comes as far as Spark fails
    tables = Tables(none, config.warehouse)
    return Run(config, tables, ON, secret or config.secret(), Console(file=io.StringIO()), retired=retired)


def begun(config: Config, state: Any) -> Plan:
    plan = Plan(
        id="e1", run_date=ON.isoformat(), landing=str(config.landing), asked="a", requests=[], persons=1,
        records=[["crm", "C1"]], suppress=[["email", "a" * 64]], owner_only=[], delete={}, unlink={}, retired=[], touched=[],
        needles=[HERS], strong=[HERS], recipients=[], unsearchable=0, state=state,
    )  # fmt: skip
    save_plan(plan, config.warehouse)
    return plan


def half_committed(config: Config) -> Path:
    """What a process leaves that dies in a commit of several tables."""
    note = config.warehouse / "staging" / "commit.json"
    note.parent.mkdir()
    note.write_text("[]", encoding="utf-8")
    return note


def put(warehouse: Path, name: str, **row: Any) -> None:
    contract = contract_of(name)
    append_at(warehouse, [{**dict.fromkeys(contract.columns), **row}], contract)


def certificates(config: Config) -> list[Path]:
    return list((config.warehouse / "rights").glob("certificates/*"))


def test_without_its_landing_folder_nobody_is_erased_and_nothing_is_certified(config: Config):
    config.landing.rmdir()
    with pytest.raises(SourceError, match="does not exist"):
        erase(run_of(config), ["record=crm:C1"], requests=["R-1"])
    assert not plan_file(config.warehouse).exists()
    assert rows_at(config.warehouse, "ops.subject_request") == []
    plan = begun(config, "purged")
    with pytest.raises(SourceError, match=r"does not exist.*--resume"):
        erase(run_of(config), [])
    assert load_plan(config.warehouse) == plan
    assert certificates(config) == []


def test_an_erasure_is_finished_in_the_landing_folder_it_began_in(config: Config, tmp_path: Path):
    begun(config, "purged")
    (config.landing / "left.txt").write_text(HERS, encoding="utf-8")
    (tmp_path / "other").mkdir()
    other = config.model_copy(update={"landing": tmp_path / "other"})
    with pytest.raises(ErasureError, match="left values in 1 files"):
        erase(run_of(other), [])
    assert plan_file(config.warehouse).exists()


def test_maintenance_does_not_forget_files_of_a_landing_folder_that_is_not_there(config: Config):
    put(
        config.warehouse, "ops.file",
        file_id=hashlib.sha256(b"x").hexdigest(), status="taken", source="crm", feed="contacts",
        file="2016-01-31/crm/contacts.jsonl", delivered_on=dt.date(2016, 1, 31), bytes=1, batch_id="b",
        taken_for=dt.date(2016, 1, 31),
        delivered=0, accepted=0, quarantined=0, suppressed=0, unlinked=0,
    )  # fmt: skip
    config.landing.rmdir()
    with pytest.raises(SourceError, match="does not exist"):
        maintain(run_of(config))
    assert len(rows_at(config.warehouse, "ops.file")) == 1


def test_a_file_beside_the_deliveries_loses_the_lines_that_name_her(config: Config):
    plan = begun(config, "suppressed")
    notes = [config.landing / "README.txt", config.landing / "notes/of today.txt"]
    notes[1].parent.mkdir()
    for note in notes:
        note.write_text(f"who delivers what\nask {HERS}\n", encoding="utf-8")
    rewrite_landing(run_of(config), plan)
    assert [note.read_text(encoding="utf-8") for note in notes] == ["who delivers what\n\n"] * 2
    assert sorted(plan.files) == ["README.txt", "notes/of today.txt"]


def test_what_others_carried_is_suppressed_on_every_line_when_they_are_erased_too(config: Config):
    def listed() -> dict[str, tuple[bool, dt.date]]:
        rows = rows_at(config.warehouse, "consent.suppression")
        assert len(rows) == len({r["value_hmac"] for r in rows})
        return {r["value_hmac"]: (r["is_owner_only"], r["since_on"]) for r in rows}

    first, second = run_of(config), replace(run_of(config), on=ON + dt.timedelta(days=9))
    number, other, mail = (["loyalty_member", "b" * 64], ["loyalty_member", "c" * 64], ["email", "a" * 64])
    _suppress(first, replace(begun(config, "planned"), suppress=[mail], owner_only=[number, other]))
    assert listed() == {"a" * 64: (False, ON), "b" * 64: (True, ON), "c" * 64: (True, ON)}
    plan = replace(begun(config, "planned"), suppress=[number], owner_only=[mail])
    for _ in range(2):  # every step may be repeated
        _suppress(second, plan)
        assert listed() == {"a" * 64: (False, ON), "b" * 64: (False, ON), "c" * 64: (True, ON)}
    assert version_at(config.warehouse, "consent.suppression") == 1


def test_a_request_that_was_answered_is_not_asked_anew(config: Config):
    """What named the erased may be somebody else's by now; no session: whoever looks for them fails."""
    run, who = run_of(config), [f"email={HERS}"]
    told = write_certificate(
        config.warehouse,
        replace(begun(config, "purged"), asked=_asked(config.secret(), who)),
        Residue(1, 1, {}),
        run.key,
    )
    remove_plan(config.warehouse)
    receive(config.warehouse, "R-1", "erasure", (), ON)
    close(config.warehouse, "R-1", outcome=ANSWER + "e1", on=ON)
    for each in (
        run,
        run_of(config, secret=NEW, retired=(config.secret(),)),
    ):  # also after the key was changed
        assert erase(each, who, requests=["R-1"]) == [told]
    for identifiers, requests in ((who, ["R-2"]), (who, []), (["record=crm:C1"], ["R-1"])):
        with pytest.raises((AttributeError, TypeError)):
            erase(run, identifiers, requests=requests)


def test_a_line_that_no_run_could_read_is_hers_by_her_number_in_a_file_of_her_source(config: Config):
    lines = {"loyalty/members.csv": "member_no,first_name\nM7000001,Aino,too much\nM7000002,Ben,too much\n",
             "crm/contacts.jsonl": '{"contact_id": "C5", "loyalty_member_no": "M7000001"\n'}  # fmt: skip
    for name, text in lines.items():
        path = config.landing / "2026-01-31" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        source = name.split("/")[0]
        put(
            config.warehouse, "ops.file", file_id=hashlib.sha256(text.encode()).hexdigest(), status="taken",
            batch_id="b", source=source, feed=path.stem, file=f"2026-01-31/{name}", bytes=len(text),
            delivered_on=ON, taken_for=ON, delivered=1, accepted=0, quarantined=1, suppressed=0, unlinked=0,
        )  # fmt: skip
    found = Found(
        delete=set(), unlink={}, suppress=set(), owner_only=set(), names={"loyalty": {"M7000001"}}, shared=0,
        values=set(), strong=set(),
    )  # fmt: skip
    kept, extra = kept_landing(run_of(config), found)
    members = hashlib.sha256(lines["loyalty/members.csv"].encode()).hexdigest()
    assert extra == {(members, 2)}
    assert sorted("Aino" in text for text in kept) == [False, False]
    assert any("Ben" in text for text in kept)


def test_a_loyalty_card_is_whose_it_is_today(config: Config):
    held = {" silver card": "M1 ", "her old one": "M2", "gone": "M3"}
    rows = [{"card_no": card, "member_no": member} for card, member in held.items()]
    write(config.warehouse, contract_of("silver.loyalty_card"), *rows)
    assert _cards_of_others(config.warehouse, {("loyalty", "M1"), ("crm", "M3")}) == {"her old one", "gone"}


@pytest.mark.parametrize("given", [(NEW,), (NEW, OLD)])
def test_an_erasure_is_finished_with_the_key_of_the_warehouse_alone(config: Config, given: tuple[bytes, ...]):
    put(
        config.warehouse, "ops.run",
        run_id="r", run_on=ON, config_hash="c", key_fingerprint=fingerprint(OLD), outcome="published",
        exit_code=0, started_at=dt.datetime(2026, 2, 1, tzinfo=dt.UTC), seconds=1.0,
    )  # fmt: skip
    plan = begun(config, "planned")
    key, *retired = given
    with pytest.raises(PlatformError, match="give that key"):
        finish_begun(run_of(config, secret=key, retired=tuple(retired)))
    assert load_plan(config.warehouse) == plan
    assert rows_at(config.warehouse, "consent.suppression") == []
    save_plan(replace(plan, state="purged"), config.warehouse)
    with pytest.raises(PlatformError, match="give that key"):
        finish_begun(run_of(config, secret=key, retired=tuple(retired)))
    assert certificates(config) == []
    finish_begun(run_of(config, secret=OLD, retired=(NEW,)))
    assert not plan_file(config.warehouse).exists()
    assert len(certificates(config)) == 2  # as JSON and as a page


@pytest.mark.parametrize(
    "asked",
    [
        ["export", "loyalty_member=M1", "--out", "her.json", "--html", "her.html", "--request", "R-2"],
        ["receive", "R-2", "access"],
        ["receive", "R-2", "access", "--identifier", "loyalty_member=M1"],
        ["extend", "R-1", "--reason", "many sources"],
        ["close", "R-1", "--outcome", "exported"],
        ["correct", "loyalty_member=M1", "--set", "birth_date=1980-05-17"],
        ["restrict", "loyalty_member=M1", "--reason", "contested"],
        ["object", "loyalty_member=M1"],
        ["withdraw", "loyalty_member=M1", "--purpose", "identity.link"],
    ],
    ids=lambda asked: " ".join(asked[:3]),
)
@pytest.mark.parametrize(
    ("unfinished", "code", "says"),
    [
        (lambda config: begun(config, "tables"), 16, "identity erase --resume"),
        (half_committed, 8, "half written"),
    ],
    ids=["erasure", "commit"],
)
def test_while_something_is_unfinished_no_right_is_answered(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[str],
    unfinished: Any, code: int, says: str,
):  # fmt: skip
    """Half erased, she may be found no more: that it is unfinished is told first."""
    put(
        config.warehouse, "id.golden_member",
        golden_id="g1", part="p", source="crm", source_key="C2", level="identified", link_permission="permitted",
        valid_from_on=ON,
    )  # fmt: skip
    receive(config.warehouse, "R-1", "access", (), ON)
    before = rows_at(config.warehouse, "ops.subject_request")
    unfinished(config)
    plan = load_plan(config.warehouse)
    asked = [str(tmp_path / text) if text.startswith("her.") else text for text in asked]
    conf = ["--conf", str(CONF), "--warehouse", str(config.warehouse), "--run-date", ON.isoformat()]
    with pytest.raises(SystemExit) as ended:
        main(["rights", *asked, *conf])
    assert ended.value.code == code
    assert says in capsys.readouterr().err
    assert rows_at(config.warehouse, "ops.subject_request") == before
    assert load_plan(config.warehouse) == plan
    assert list(tmp_path.glob("her.*")) == []


def test_a_begun_erasure_finishes_what_is_half_committed_before_it_clears_what_is_staged(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    begun(config, "tables")
    note = half_committed(config)
    seen = []

    def publish(run: Run, plan: Plan) -> None:
        seen.append(note.exists())
        raise KeyboardInterrupt

    monkeypatch.setattr("identity.erasure.erase._publish", publish)
    with pytest.raises(KeyboardInterrupt):
        finish_begun(run_of(config))
    assert seen == [False]

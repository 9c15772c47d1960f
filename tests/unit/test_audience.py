"""`identity audience`: who goes out and who does not, on a warehouse written by hand; the file, and the log of use."""

import datetime as dt
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from identity.audience import stage_of
from identity.cli import main
from identity.config import Config, Journey
from identity.config_reading import load_config
from identity.contracts import TableContract, contract_of, purpose_contract
from identity.erasure.plan import plan_file
from identity.erasure.rewrite import without_contact_points
from identity.keys import fingerprint
from identity.tables import append_at, replace_at, rewrite_at, rows_at
from tests.unit.by_hand import filled, write

CONF = Path(__file__).parents[2] / "conf" / "local.yaml"
DAY = dt.date(2026, 2, 1)
LATER = dt.date(2026, 3, 1)
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EMAIL = "marketing.email"

# golden id: its records, each with part and e-mails (hash: value)
PEOPLE: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "anna": [("crm", "a", {"h1": "anna@x.example", "h0": "an@x.example"}), ("loyalty", "a", {"h1": "anna@x.example"})],
    "bo": [("crm", "b1", {"h2": "bo@x.example"}), ("loyalty", "b2", {"h3": "other@x.example"})],
    "hashed": [("web_events", "c", {"h4": "f" * 64})],
    "angry": [("crm", "d", {"h5": "angry@x.example"})],
    "old": [("crm", "e", {"h6": "old@x.example"})],
    "refuses": [("crm", "f", {"h7": "refuses@x.example"})],
    "unpublished": [("crm", "g", {"h8": "unpublished@x.example"})],
}  # fmt: skip
PARTS = {"bo": ["b1"]}


@pytest.fixture
def config(warehouse: Path) -> Config:
    return load_config(CONF, warehouse=warehouse)


def write_effective(
    warehouse: Path, parts: dict[str, list[str]], *, on: dt.date = DAY, **ends: dt.date
) -> None:
    points = [(g, point) for g, records in PEOPLE.items() for point in {p: 0 for r in records for p in r[2]}]
    write(
        warehouse,
        contract_of("consent.effective"),
        *(
            {
                "golden_id": g, "purpose": EMAIL, "contact_point": point,
                "decision": "deny" if g == "refuses" else "permit", "decided_on": on,
                "valid_to_on": ends.get(g), "permitted_parts": parts.get(g, sorted({r[1] for r in PEOPLE[g]})),
            }
            for g, point in points
        ),
    )  # fmt: skip


@pytest.fixture
def world(config: Config) -> Path:
    """A warehouse published for DAY."""
    root = config.warehouse
    records = [(g, *record) for g, people in PEOPLE.items() for record in people]
    write(
        root,
        contract_of("id.golden_member"),
        *({"golden_id": g, "part": p, "source": s, "source_key": g} for g, s, p, _ in records),
        # Who left long ago brings no address along.
        {"golden_id": "anna", "part": "a", "source": "crm", "source_key": "gone", "valid_to_on": DAY},
    )
    write(
        root,
        contract_of("silver.identifier"),
        *(
            {"namespace": "email", "value_hmac": h, "source": s, "source_key": g, "value": v}
            for g, s, _, emails in records
            for h, v in emails.items()
        ),
        {"namespace": "phone", "value_hmac": "h1", "source": "crm", "source_key": "anna", "value": "+358401"},
    )
    complaint = {"source": "crm", "interaction_id": "1", "interaction_type": "complaint", "opened_at": AT}
    write(
        root,
        contract_of("silver.interaction"),
        {**complaint, "source_key": "angry", "status": "open"},
        {**complaint, "source_key": "anna", "status": "closed"},
    )
    write_effective(root, PARTS, old=dt.date(2026, 2, 10), bo=dt.date(2026, 12, 1))
    profile = purpose_contract(EMAIL, categories=frozenset({"contact"}))
    write(
        root, profile, *({"golden_id": g} for g in PEOPLE if g not in ("refuses", "unpublished"))
    )  # fmt: skip
    published(root)
    return root


def published(root: Path, *, version: int = 0, on: dt.date = DAY) -> None:
    row = {"publication_no": 1, "run_id": "run", "published_for": on}
    versions = {"gold.profile_marketing_email": version}
    replace_at(root, [row | {"versions": versions}], contract_of("ops.publication"))


def changed_conf(folder: Path, old: str, new: str) -> Path:
    """A copy of the configuration with other purposes, and of the key that it names."""
    shutil.copytree(CONF.parent, folder / "conf")
    (folder / "data_samples").mkdir()
    shutil.copy(CONF.parents[1] / "data_samples" / "sample.key", folder / "data_samples")
    path = folder / "conf" / "purposes.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder / "conf" / CONF.name


def audience(
    world: Path,
    out: Path,
    *,
    on: dt.date = DAY,
    recipient: str = "ESP",
    purpose: str = EMAIL,
    conf: Path = CONF,
) -> int:
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "audience", "--conf", str(conf), "--warehouse", str(world), "--purpose", purpose, "--out", str(out),
                "--recipient", recipient, "--run-date", on.isoformat(), "--json",
            ]
        )  # fmt: skip
    return int(str(ended.value.code))


def test_who_goes_out(spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert audience(world, tmp_path / "out.csv") == 0
    told = json.loads(capsys.readouterr().out)
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines() == [
        "golden_id,contact_point",
        "anna,an@x.example",
        "anna,anna@x.example",
        "bo,bo@x.example",  # and not the address of a part that does not permit
        "old,old@x.example",
    ]
    assert (told["customers"], told["contact_points"]) == (3, 4)
    assert told["left_out"] == {"open complaint": 1, "no address in clear": 1}
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("recency", "later", "stage"),
    [
        (None, 0, "exploring"),
        (None, 900, "exploring"),
        (0, 0, "post_purchase"),
        (14, 0, "post_purchase"),
        (14, 1, "active"),
        (300, 65, "active"),
        (300, 66, "lapsed"),
    ],
)
def test_the_stage_is_told_by_days_since_the_last_purchase(recency: int | None, later: int, stage: str):
    assert stage_of({"recency_days": recency}, Journey(), days_since=later) == stage


def test_who_is_at_an_excluded_stage_on_the_day_stays_out(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    conf = changed_conf(
        tmp_path, "contact: email, ", "contact: email, excluded_stages: [exploring, post_purchase], "
    )
    bought = {"anna": 13, "bo": 14, "angry": 0}  # "old" bought nothing
    write(
        world,
        purpose_contract(EMAIL, categories=frozenset({"contact", "purchase"})),
        *({"golden_id": g, "recency_days": bought.get(g)} for g in ("anna", "bo", "angry", "old")),
    )
    published(world, version=1)
    told = []
    for name, on in (
        ("now.csv", DAY),
        ("next.csv", DAY + dt.timedelta(days=1)),
        ("then.csv", DAY + dt.timedelta(days=2)),
    ):
        assert audience(world, tmp_path / name, on=on, conf=conf) == 0
        rows = (tmp_path / name).read_text(encoding="utf-8").splitlines()[1:]
        told.append(
            (
                {row.split(",")[0] for row in rows},
                json.loads(capsys.readouterr().out)["left_out"],
            )
        )
    assert audience(world, tmp_path / "before.csv", conf=conf) == 0
    write(world, purpose_contract(EMAIL, categories=frozenset({"contact"})), {"golden_id": "anna"})
    published(world, version=2)
    assert audience(world, tmp_path / "unknown.csv", conf=conf) == 9
    assert "tells no stage of the journey" in capsys.readouterr().err
    assert told == [
        (set(), {"open complaint": 1, "stage of the journey": 3}),
        ({"bo"}, {"open complaint": 1, "stage of the journey": 2}),
        ({"anna", "bo"}, {"open complaint": 1, "stage of the journey": 1}),
    ]


def test_a_yes_that_expired_since_the_publication_is_left_out(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert audience(world, tmp_path / "out.parquet", on=dt.date(2026, 2, 9)) == 0
    assert audience(world, tmp_path / "later.parquet", on=dt.date(2026, 2, 10)) == 0
    before, after = (
        set(pq.read_table(tmp_path / name)["golden_id"].to_pylist())
        for name in ("out.parquet", "later.parquet")
    )
    assert before - after == {"old"}
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["left_out"]["expired"] == 1


def test_of_several_parts_that_expire_nobody_goes_out_later(spark: Any, world: Path, tmp_path: Path):
    """Of two parts one may have expired before; only the day's own decisions tell."""
    write_effective(world, {"bo": ["b1", "b2"]}, bo=dt.date(2026, 12, 1))
    assert audience(world, tmp_path / "now.csv") == 0
    assert audience(world, tmp_path / "later.csv", on=LATER) == 0
    assert "bo," in (tmp_path / "now.csv").read_text(encoding="utf-8")
    assert "bo," not in (tmp_path / "later.csv").read_text(encoding="utf-8")


def test_while_an_erasure_is_unfinished_nobody_goes_out(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plan_file(world).parent.mkdir()
    plan_file(world).write_text("{}", encoding="utf-8")
    assert audience(world, tmp_path / "out.csv") == 16
    assert "identity erase --resume" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert rows_at(world, "ops.data_use_log") == []


def test_every_use_is_logged_once(spark: Any, world: Path, tmp_path: Path):
    def log() -> list[dict[str, Any]]:
        return sorted(rows_at(world, "ops.data_use_log"), key=lambda row: row["use_id"])

    assert audience(world, tmp_path / "out.csv") == 0
    first = log()
    assert [(r["golden_id"], r["contact_point_hmac"]) for r in sorted(first, key=lambda r: r["contact_point_hmac"])] == [
        ("anna", "h0"), ("anna", "h1"), ("bo", "h2"), ("old", "h6"),
    ]  # fmt: skip
    assert {(r["purpose"], r["recipient"], r["used_on"], r["run_id"]) for r in first} == {
        (EMAIL, "ESP", DAY, "run")
    }
    assert not any("@" in str(value) for row in first for value in row.values())
    # The same again, to the same file and to another: no second row.
    assert audience(world, tmp_path / "out.csv") == 0
    assert audience(world, tmp_path / "copy.csv") == 0
    assert log() == first
    # Somebody else, or another day, is another use.
    assert audience(world, tmp_path / "else.csv", recipient="printer") == 0
    assert audience(world, tmp_path / "next.csv", on=DAY + dt.timedelta(days=1)) == 0
    assert len(log()) == 3 * len(first)
    assert len({row["use_id"] for row in log()}) == 3 * len(first)


def test_an_erasure_leaves_of_the_log_that_something_went_out(spark: Any, world: Path, tmp_path: Path):
    assert audience(world, tmp_path / "out.csv") == 0
    rewrite_at(world, "ops.data_use_log", lambda batch: without_contact_points(batch, {"h1", "h6"}))
    left = [
        (r["golden_id"], r["contact_point_hmac"], r["recipient"]) for r in rows_at(world, "ops.data_use_log")
    ]
    assert sorted(left, key=str) == [
        ("anna", "h0", "ESP"),
        ("anna", None, "ESP"),
        ("bo", "h2", "ESP"),
        ("old", None, "ESP"),
    ]


def test_restricted_persons_stay_out_at_once(spark: Any, world: Path, tmp_path: Path):
    types = {"source": "string", "source_key": "string", "from_on": "date", "to_on": "date"}
    contract = TableContract.model_validate(
        {
            "name": "consent.restriction", "meaning": "m.", "key": ["source"],
            "columns": {
                n: {"type": t, "meaning": "m.", "category": "reference", "purposes": ["p"], "retention_days": 1}
                for n, t in types.items()
            },
        }
    )  # fmt: skip
    rows = [
        {"source": "loyalty", "source_key": "anna", "from_on": DAY, "to_on": None},
        {"source": "crm", "source_key": "bo", "from_on": dt.date(2025, 1, 1), "to_on": DAY},  # lifted
        {"source": "crm", "source_key": "old", "from_on": LATER, "to_on": None},
    ]
    append_at(world, rows, contract)
    assert audience(world, tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "bo,bo@x.example",
        "old,old@x.example",
    ]


def hold(world: Path, golden_id: str, part: str, record: tuple[str, str], **carried: str) -> None:
    """A further record of a golden id, with what it carries: hash by namespace."""
    source, source_key = record
    key = {"source": source, "source_key": source_key}
    members, identifiers = contract_of("id.golden_member"), contract_of("silver.identifier")
    append_at(world, [filled(members, golden_id=golden_id, part=part, **key)], members)
    rows = [
        filled(identifiers, namespace=namespace, value_hmac=value, value="never@x.example", **key)
        for namespace, value in carried.items()
    ]
    append_at(world, rows, identifiers)


def went_out(world: Path, out: Path, **how: Any) -> set[str]:
    """Contact points of the file."""
    assert audience(world, out, **how) == 0
    return {row.split(",")[1] for row in out.read_text(encoding="utf-8").splitlines()[1:]}


def test_what_was_said_to_the_company_and_not_heard_yet_is_heeded(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    before, after = DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=1)
    hold(world, "anna", "a", ("loyalty", "m"), loyalty_member="m1")
    hold(world, "bo", "b2", ("crm", "c"), crm_contact="c1")
    hold(world, "old", "e", ("cookie", "d1"))  # a device: its key is its identifier

    def say(*said: tuple[str, str, str, dt.date], heard: int) -> None:
        """Statements, of which a run heard the first ones."""
        rows = [
            {
                "event_key": f"k{number}",
                "subject_namespace": n,
                "subject_hmac": v,
                "purpose": p,
                "said_on": on,
            }
            for number, (n, v, p, on) in enumerate(said)
        ]
        write(world, contract_of("consent.statement"), *rows)
        events = [{"event_key": row["event_key"], "source": "identity"} for row in rows[:heard]]
        write(world, contract_of("silver.consent_event"), *events)

    everybody = {"an@x.example", "anna@x.example", "bo@x.example", "old@x.example"}
    of_anna, of_bo, of_old = (
        everybody - {"bo@x.example", "old@x.example"},
        {"bo@x.example"},
        {"old@x.example"},
    )
    # Heard, and said yes again since; of another purpose; of a namespace in which nobody carries the hash.
    elsewhere = [("loyalty_member", "m1", "marketing.sms", DAY), ("login", "h6", EMAIL, DAY)]
    say(("crm_contact", "c1", EMAIL, before), *elsewhere, heard=1)
    assert went_out(world, tmp_path / "heard.csv") == everybody
    # Silver that has it may be of a run that came to no decision.
    on_the_day = ("loyalty_member", "m1", EMAIL, DAY)
    say(on_the_day, heard=1)
    assert went_out(world, tmp_path / "day.csv") == everybody - of_anna
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["left_out"]
    assert told == {"objected or withdrew since": 1, "open complaint": 1, "no address in clear": 1}
    say(("crm_contact", "c1", EMAIL, after), ("cookie", "d1", EMAIL, DAY), heard=0)
    assert went_out(world, tmp_path / "later.csv") == of_anna
    # Said between two stages of the run.
    say(("crm_contact", "c1", EMAIL, before), heard=0)
    assert went_out(world, tmp_path / "between.csv") == everybody - of_bo
    # The next publication heard them, and permits: there is a newer yes.
    say(on_the_day, ("cookie", "d1", EMAIL, DAY), ("crm_contact", "c1", EMAIL, after), heard=2)
    write_effective(world, PARTS, on=after)
    published(world, on=after)
    assert went_out(world, tmp_path / "next.csv", on=after) == of_anna | of_old


def complain(world: Path, record: tuple[str, str]) -> None:
    contract = contract_of("silver.interaction")
    row = {"interaction_id": "2", "interaction_type": "complaint", "status": "open"}
    append_at(world, [filled(contract, source=record[0], source_key=record[1], **row)], contract)


def restrict(world: Path, record: tuple[str, str]) -> None:
    contract = contract_of("consent.restriction")
    append_at(world, [filled(contract, source=record[0], source_key=record[1], from_on=DAY)], contract)


def object_to(world: Path, record: tuple[str, str]) -> None:
    contract = contract_of("consent.statement")
    append_at(world, [filled(contract, subject_hmac=record[1], purpose=EMAIL, said_on=DAY)], contract)


@pytest.mark.parametrize(
    ("do", "why", "others"),
    [
        (complain, "open complaint", 1),
        (restrict, "restricted", 0),
        (object_to, "objected or withdrew since", 0),
    ],
)
def test_who_is_left_alone_is_not_reached_by_another_golden_id_either(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    do: Any, why: str, others: int,
):  # fmt: skip
    """Barred from joining, she is a golden id of her own; what resembles her only is somebody else's."""
    hold(world, "twin", "t", ("crm", "t1"), x="t1")
    hold(world, "twin", "t", ("loyalty", "t2"), email="h6")  # the one address of "old"
    hold(world, "twin", "t", ("loyalty", "t3"), email="h0")  # one of two of "anna"
    hold(world, "twin", "u", ("loyalty", "t4"), email="h2")
    do(world, ("crm", "t1"))
    assert went_out(world, tmp_path / "out.csv") == {"anna@x.example", "bo@x.example"}
    assert json.loads(capsys.readouterr().out)["left_out"][why] == 1 + others


def test_where_complaints_do_not_pause_they_keep_nobody_out(spark: Any, world: Path, tmp_path: Path):
    conf = changed_conf(
        tmp_path, "contact: email, expires_days: 1095, paused_by_complaint: true", "contact: email"
    )
    hold(world, "twin", "t", ("crm", "t1"), email="h6")
    complain(world, ("crm", "t1"))
    assert {"angry@x.example", "old@x.example"} <= went_out(world, tmp_path / "out.csv", conf=conf)


NEW = "0123456789abcdef-new"


def test_with_a_key_that_is_not_in_force_nobody_goes_out(
    spark: Any,
    world: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    old = load_config(CONF).secret()
    run = {"outcome": "published", "key_fingerprint": fingerprint(old)}
    write(world, contract_of("ops.run"), run)
    monkeypatch.setenv("IDENTITY_KEY", NEW)
    assert audience(world, tmp_path / "out.csv") == 3
    assert "is not the one" in capsys.readouterr().err
    # A rotation that has not published: hashes of both keys are about.
    write(world, contract_of("ops.key_rotation"), {"key_fingerprint": fingerprint(NEW.encode())})
    monkeypatch.setenv("IDENTITY_KEY", f"{NEW} {old.decode()}")
    assert audience(world, tmp_path / "out.csv") == 3
    assert "half way to another key" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert rows_at(world, "ops.data_use_log") == []
    write(world, contract_of("ops.run"), run | {"key_fingerprint": fingerprint(NEW.encode())})
    assert audience(world, tmp_path / "out.csv") == 0


def test_while_a_commit_is_half_done_nobody_goes_out(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (world / "staging").mkdir()
    (world / "staging" / "commit.json").write_text("[]", encoding="utf-8")
    assert audience(world, tmp_path / "out.csv") == 8
    said = capsys.readouterr().err
    assert ("half written" in said, said.count("\n")) == (True, 1)
    assert not (tmp_path / "out.csv").exists()
    assert rows_at(world, "ops.data_use_log") == []


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"purpose": "marketing.post"}, 2, "not a purpose that contacts"),
        ({"purpose": "nothing"}, 2, "not a purpose that contacts"),
        ({"recipient": " "}, 2, "say who gets the file"),
        ({"on": dt.date(2026, 1, 31)}, 9, "2026-02-01 is already published"),
        ({"out": "out.txt"}, 2, "ends with .csv or .parquet"),
        ({"out": "there.csv"}, 3, "is there already with other content"),
        ({"out": "nowhere/out.csv"}, 3, "cannot be written"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_nothing_is_logged(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    change: dict[str, Any], code: int, says: str,
):  # fmt: skip
    (tmp_path / "there.csv").write_text("something else", encoding="utf-8")
    out = tmp_path / change.pop("out", "out.csv") if "out" in change else tmp_path / "out.csv"
    assert audience(world, out, **change) == code
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert rows_at(world, "ops.data_use_log") == []
    assert out.name == "there.csv" or not out.exists()


@pytest.mark.parametrize(
    "unfinished",
    [
        pytest.param(lambda root: published(root, version=7), id="gold is of another version"),
        pytest.param(
            lambda root: published(root, on=dt.date(2026, 1, 31)), id="decided anew and not published"
        ),
        pytest.param(
            lambda root: replace_at(root, [], contract_of("ops.publication")), id="nothing published"
        ),
    ],
)
def test_only_what_is_published_goes_out(spark: Any, world: Path, tmp_path: Path, unfinished: Any):
    unfinished(world)
    assert audience(world, tmp_path / "out.csv") == 9
    assert not (tmp_path / "out.csv").exists()

"""The life of an id, from rows as the tables hold them."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from identity.cli import main
from identity.contracts import contract_of

ROOT = Path(__file__).parents[3]
D1, D2, D3 = (dt.date(2026, 1, 30) + dt.timedelta(days=n) for n in (1, 2, 3))
OLD, YOUNG, GONE = "a-old", "b-young", "c-gone"


def event(on: dt.date, event: str, golden: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    began = dt.datetime.combine(on, dt.time(5, 10), dt.UTC)
    row = {
        "event_id": f"{on} {event} {golden} {key}",
        "event": event,
        "golden_id": golden,
        "cause": "new_record",
    }
    row |= {"effective_on": on, "recorded_at": began, "run_id": f"run {on}", "source_key": key}
    return row | {"source": "crm" if key else None} | more


EVENTS = [
    event(D2, "joined", OLD, "y1", cause="edge", detail="email"),
    event(D2, "left", YOUNG, "y1", cause="edge"),
    event(D2, "merged", YOUNG, other_golden_id=OLD, cause="edge", detail="email"),
    event(D1, "joined", OLD, "o1"),
    event(D1, "joined", YOUNG, "y1"),
    event(D1, "minted", OLD),
    event(D1, "minted", YOUNG),
    event(D1, "minted", GONE),
    event(D1, "joined", GONE, "g1"),
    event(D3, "left", GONE, "g1", cause="record_gone"),
    event(D3, "retired", GONE, cause="record_gone"),
]
MEMBERS = [
    {"golden_id": OLD, "source": "crm", "source_key": "o1", "valid_from_on": D1},
    {"golden_id": YOUNG, "source": "crm", "source_key": "y1", "valid_from_on": D1, "valid_to_on": D2},
    {"golden_id": OLD, "source": "crm", "source_key": "y1", "valid_from_on": D2},
    {"golden_id": GONE, "source": "crm", "source_key": "g1", "valid_from_on": D1, "valid_to_on": D3},
]
CROSSWALK = [
    {"golden_id": OLD, "live_golden_id": OLD, "since_on": D1, "why": "live"},
    {"golden_id": YOUNG, "live_golden_id": OLD, "since_on": D2, "why": "merged"},
    {"golden_id": GONE, "live_golden_id": None, "since_on": D3, "why": "retired"},
]


@pytest.fixture(scope="module")
def kept(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Path:  # Arrow schemas come from Spark's
    warehouse = tmp_path_factory.mktemp("warehouse")
    for name, rows in {"golden_history": EVENTS, "golden_member": MEMBERS, "crosswalk": CROSSWALK}.items():
        contract = contract_of(f"id.{name}")
        write_deltalake(warehouse / "id" / name, pa.Table.from_pylist(rows, contract.arrow_schema))
    return warehouse


def told(capsys: pytest.CaptureFixture[str], warehouse: Path, *arguments: str) -> tuple[int, str, str]:
    conf = str(ROOT / "conf" / "local.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["history", *arguments, "--conf", conf, "--warehouse", str(warehouse)])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], warehouse: Path, *arguments: str) -> dict[str, Any]:
    code, out, err = told(capsys, warehouse, *arguments, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def happened(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (e["effective_on"], e["event"], e["golden_id"], e["source_key"], e["detail"]) for e in found["events"]
    ]


def keys(found: dict[str, Any]) -> list[str]:
    return [row["source_key"] for row in found["members"]]


def test_events_come_in_order_those_of_the_merged_id_among_them(capsys: Any, kept: Path) -> None:
    found = as_json(capsys, kept, OLD)
    assert happened(found) == [
        ("2026-01-31", "minted", OLD, None, None),
        ("2026-01-31", "joined", OLD, "o1", None),
        ("2026-02-01", "joined", OLD, "y1", "email"),
        ("2026-02-01", "merged", YOUNG, None, "email"),
    ]
    assert (found["why"], keys(found)) == ("live", ["o1", "y1"])


def test_as_of_a_date_members_and_events_are_those_of_then(capsys: Any, kept: Path) -> None:
    first = as_json(capsys, kept, OLD, "--as-of", "2026-01-31")
    assert (len(first["events"]), keys(first)) == (2, ["o1"])
    assert keys(as_json(capsys, kept, YOUNG, "--as-of", "2026-01-31")) == ["y1"]
    before = as_json(capsys, kept, OLD, "--as-of", "2026-01-30")
    assert (before["events"], before["members"]) == ([], [])


def test_an_id_that_ended_says_where_it_lives_on(capsys: Any, kept: Path) -> None:
    merged, retired = as_json(capsys, kept, YOUNG), as_json(capsys, kept, GONE)
    assert (merged["why"], merged["live_golden_id"], keys(merged)) == ("merged", OLD, [])
    assert (retired["why"], retired["live_golden_id"], keys(retired)) == ("retired", None, [])
    assert [e["event"] for e in retired["events"]] == ["minted", "joined", "left", "retired"]


def test_people_read_it_too(capsys: Any, kept: Path) -> None:
    code, out, _ = told(capsys, kept, OLD)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert [OLD, "lives,", "since", "2026-01-31"] in lines
    assert ["joined", "crm", "y1", "edge,", "by", "email"] in lines
    assert ["took", "in", YOUNG, "edge,", "by", "email"] in lines
    _, out, _ = told(capsys, kept, YOUNG)
    assert f"lives on as {OLD}" in out


def test_an_id_never_published_is_one_line_with_a_code_of_its_own(capsys: Any, kept: Path) -> None:
    code, out, err = told(capsys, kept, "maija@example.com")
    assert (code, out) == (12, "")
    assert "ever published" in err
    assert "maija" not in err
    assert len(err.strip().splitlines()) == 1

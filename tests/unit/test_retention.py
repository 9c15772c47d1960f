"""What is expired leaves, physically; the last day that may be kept stays; sources that ask for consent stay whole."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from identity.config import SourceContract
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.retention import limits, maintain
from identity.tables import replace_at, rows_at

ON = dt.date(2030, 6, 1)


@pytest.fixture(scope="module")
def sources() -> dict[str, SourceContract]:
    return load_config(Path(__file__).parents[2] / "conf/local.yaml", need_model=False).sources


def delivered(source: str, days: int, row_no: int) -> dict[str, Any]:
    return {
        "source": source, "feed": "f", "file_id": "x", "file": "f.csv", "row_no": row_no,
        "delivered_on": ON - dt.timedelta(days=days), "record": f"word-{row_no}", "batch_id": "b",
        "contract_version": 1,
    }  # fmt: skip


def fill(warehouse: Path, source: str, days: int) -> None:
    rows = [delivered(source, days + more, number) for number, more in enumerate((-1, 0, 1, 900))]
    replace_at(warehouse, rows, contract_of(f"bronze.{source}"))


def records(warehouse: Path) -> set[str]:
    """What any Parquet file below the warehouse holds, whether a version names it or not."""
    files = [path for path in warehouse.rglob("*.parquet") if "_delta_log" not in path.parts]
    return {value for path in files for value in pq.read_table(path)["record"].to_pylist()}


def test_expired_rows_are_in_no_file_and_the_last_day_stays(warehouse: Path, sources):
    fill(warehouse, "tills", sources["tills"].retention_days)
    told = {row["table"]: row for row in maintain(warehouse, sources, on=ON, dry_run=False)}
    assert told["bronze.tills"]["expired"] == 2
    assert records(warehouse) == {"word-0", "word-1"}
    assert {row["record"] for row in rows_at(warehouse, "bronze.tills")} == {"word-0", "word-1"}


def test_nothing_is_left_when_every_row_is_expired(warehouse: Path, sources):
    fill(warehouse, "survey", 5000)
    maintain(warehouse, sources, on=ON, dry_run=False)
    assert records(warehouse) == set()
    assert rows_at(warehouse, "bronze.survey") == []


def test_a_repeat_removes_nothing(warehouse: Path, sources):
    fill(warehouse, "tills", sources["tills"].retention_days)
    maintain(warehouse, sources, on=ON, dry_run=False)
    assert all(row["expired"] == 0 for row in maintain(warehouse, sources, on=ON, dry_run=False))
    assert len(rows_at(warehouse, "bronze.tills")) == 2


def test_a_dry_run_counts_and_changes_nothing(warehouse: Path, sources):
    fill(warehouse, "web_log", sources["web_log"].retention_days)
    before = sorted((path, path.read_bytes()) for path in warehouse.rglob("*") if path.is_file())
    told = {row["table"]: row["expired"] for row in maintain(warehouse, sources, on=ON, dry_run=True)}
    assert told["bronze.web_log"] == 2
    assert sorted((path, path.read_bytes()) for path in warehouse.rglob("*") if path.is_file()) == before


def test_refusals_do_not_age_away_with_their_source(warehouse: Path, sources):
    fill(warehouse, "loyalty", sources["loyalty"].retention_days)
    maintain(warehouse, sources, on=ON, dry_run=False)
    assert len(rows_at(warehouse, "bronze.loyalty")) == 4


def test_a_moment_ages_by_its_day(warehouse: Path, sources):
    days = limits(sources)["ops.dq_result"][1]
    midnight = dt.datetime.combine(ON - dt.timedelta(days=days), dt.time(), dt.UTC)
    row = {
        "run_id": "r", "gate": "id", "table_name": "t", "expectation": "e", "column_name": "c",
        "success": True, "checked": 1, "unexpected": 0,
    }  # fmt: skip
    moments = [midnight, midnight - dt.timedelta(seconds=1)]
    replace_at(warehouse, [{**row, "checked_at": at} for at in moments], contract_of("ops.dq_result"))
    maintain(warehouse, sources, on=ON, dry_run=False)
    assert [left["checked_at"] for left in rows_at(warehouse, "ops.dq_result")] == [midnight]

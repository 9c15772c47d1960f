"""Restricting and lifting, on tables written by hand."""

import datetime as dt
from pathlib import Path

from identity.contracts import contract_of
from identity.rights.persons import Subject
from identity.rights.restrictions import lift, restrict
from identity.tables import rows_at
from tests.unit.by_hand import write

FEB, MARCH, DEC = dt.date(2026, 2, 1), dt.date(2026, 3, 1), dt.date(2026, 12, 1)
HER = Subject(frozenset({("G", "p")}), (("crm", "C1"),), ())
Rows = list[tuple[str, dt.date, dt.date | None, str]]


def held(warehouse: Path) -> Rows:
    rows = rows_at(warehouse, "consent.restriction")
    return sorted(((r["source_key"], r["from_on"], r["to_on"], r["request_id"]) for r in rows), key=str)


def asked(warehouse: Path, on: dt.date, request_id: str = "R-1") -> int:
    return restrict(warehouse, HER, reason="contested", request_id=request_id, on=on)


def test_a_date_mistyped_is_no_restriction_yet(warehouse: Path):
    assert asked(warehouse, DEC) == 1
    assert asked(warehouse, FEB) == 1
    assert held(warehouse) == [("C1", DEC, None, "R-1"), ("C1", FEB, None, "R-1")]
    assert asked(warehouse, FEB) == asked(warehouse, MARCH) == 0
    # Lifted is all that was asked for, also what was to begin one day.
    assert lift(warehouse, HER, on=MARCH) == 2
    assert held(warehouse) == [("C1", DEC, MARCH, "R-1"), ("C1", FEB, MARCH, "R-1")]
    assert lift(warehouse, HER, on=MARCH) == 0


def test_a_date_mistyped_lifts_nothing_yet(warehouse: Path):
    asked(warehouse, FEB)
    assert lift(warehouse, HER, on=DEC) == 1
    assert lift(warehouse, HER, on=MARCH) == 1
    assert held(warehouse) == [("C1", FEB, MARCH, "R-1")]
    assert lift(warehouse, HER, on=DEC) == 0


def test_what_is_to_end_one_day_can_be_restricted_for_good(warehouse: Path):
    asked(warehouse, FEB)
    lift(warehouse, HER, on=DEC)
    assert asked(warehouse, MARCH, "R-2") == 1
    assert held(warehouse) == [("C1", FEB, DEC, "R-1"), ("C1", MARCH, None, "R-2")]


def test_a_record_that_is_gone_is_lifted_with_whom_it_left_behind(warehouse: Path):
    key = ("golden_id", "part", "source_key", "valid_from_on", "valid_to_on")
    told = [
        ("G", "p", "C1", MARCH, None),
        ("old", "q", "C2", FEB, MARCH),  # gone; its golden id was merged into hers
        ("H", "r", "C3", FEB, MARCH),  # gone, and of another
        ("G", "q", "C4", FEB, None),  # there, and perhaps another
    ]
    write(
        warehouse,
        contract_of("id.golden_member"),
        *(dict(zip(key, row, strict=True)) | {"source": "crm"} for row in told),
    )
    write(
        warehouse,
        contract_of("id.crosswalk"),
        *({"golden_id": was, "live_golden_id": now} for was, now in (("old", "G"), ("G", "G"), ("H", "H"))),
    )
    write(
        warehouse,
        contract_of("consent.restriction"),
        *(
            {"source": "crm", "source_key": k, "from_on": FEB, "request_id": "R"}
            for k in ("C1", "C2", "C3", "C4")
        ),
    )
    assert lift(warehouse, HER, on=MARCH) == 2
    assert held(warehouse) == [
        ("C1", FEB, MARCH, "R"), ("C2", FEB, MARCH, "R"), ("C3", FEB, None, "R"), ("C4", FEB, None, "R"),
    ]  # fmt: skip

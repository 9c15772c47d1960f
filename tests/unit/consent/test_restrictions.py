"""Who is restricted: the person, whatever becomes of the record that it began with."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from identity.consent.restrictions import restrictions
from identity.contracts import contract_of
from tests.unit.by_hand import filled

D1, D2, D3 = (dt.date(2026, 2, day) for day in (1, 2, 3))
Row = tuple[str, dt.date, dt.date | None, str]
C1: Row = ("C1", D1, None, "R-1")
CASES = {
    "a record of the confirmed part comes under it, one by resemblance not": (
        [C1], ["G p C1", "G p C2", "G q C3", "H r C4"], [], {}, [("C2", D3, None, "R-1")],
    ),
    "it ends for it when it ends for the first": (
        [("C1", D1, dt.date(2026, 3, 1), "R-1")], ["G p C1", "G p C2"], [], {},
        [("C2", D3, dt.date(2026, 3, 1), "R-1")],
    ),
    "one that is not in force passes nothing on": (
        [("C1", D1, D3, "R-1"), ("C2", dt.date(2026, 12, 1), None, "R-2")], ["G p C1", "G p C2", "G p C3"], [], {}, [],
    ),
    "who is restricted already is not again": (
        [C1, ("C2", D2, None, "R-2")], ["G p C1", "G p C2"], [], {}, [],
    ),
    "lifted on the day it began, and found to be hers on that day": (
        [C1, ("C2", D3, D3, "R-1")], ["G p C1", "G p C2"], [], {}, [("C2", D3, None, "R-1")],
    ),
    "of one that is gone all of the golden id that held it last, as that is called today": (
        [C1], ["K p C2", "K q C3", "H r C4"], ["H x C1 1 2", "G x C1 2 -"], {"G": "K", "H": "H"},
        [("C2", D3, None, "R-1"), ("C3", D3, None, "R-1")],
    ),
    "gone with its golden id": ([C1], ["H r C4"], ["G x C1 1 2"], {"G": None}, []),
    "the longest of several holds": (
        [("C1", D1, dt.date(2026, 3, 1), "R-1"), ("C2", D1, None, "R-2")], ["G p C1", "G p C2", "G p C3"], [], {},
        [("C3", D3, None, "R-2")],
    ),
    "a device passes nothing on, and takes nothing over": (
        [C1, ("ck1", D1, None, "R-2")], ["G p C1", "G p ck2", "H q C2", "H q ck1"], [], {}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_whoever_is_found_to_be_restricted_comes_under_it(spark: SparkSession, case: str):
    told, members, closed, crosswalk, added = CASES[case]

    def row(source_key: str, from_on: dt.date, to_on: dt.date | None, request_id: str) -> dict[str, Any]:
        return filled(
            contract_of("consent.restriction"), source="s", source_key=source_key, from_on=from_on, to_on=to_on,
            reason="contested", request_id=request_id,
        )  # fmt: skip

    def member(text: str) -> tuple[Any, ...]:
        golden_id, part, key, *days = text.split()
        level = "cookie" if key.startswith("ck") else "identified"
        return (
            golden_id,
            part,
            "s",
            key,
            level,
            *(None if d == "-" else dt.date(2026, 2, int(d)) for d in days),
        )

    is_member = "golden_id string, part string, source string, source_key string, level string"
    found = restrictions(
        spark.createDataFrame([row(*r) for r in told], contract_of("consent.restriction").spark_schema),
        spark.createDataFrame([member(text) for text in members], is_member),
        spark.createDataFrame(
            [member(text) for text in closed], f"{is_member}, valid_from_on date, valid_to_on date"
        ),
        spark.createDataFrame(list(crosswalk.items()), "golden_id string, live_golden_id string"),
        on=D3,
    ).collect()
    kept = [r for r in told if (r[0], r[1]) not in {(a[0], a[1]) for a in added}]
    assert sorted(((r.source_key, r.from_on, r.to_on, r.request_id) for r in found), key=str) == sorted(
        [*kept, *added], key=str
    )
    assert {(r.source, r.reason) for r in found} == {("s", "contested")}

"""The ledger of decisions: a row when a decision becomes other, and none for what stays."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.consent.history import changes, earlier, explained, in_force
from identity.contracts import contract_of
from tests.unit.by_hand import filled

FIRST, SECOND, THIRD = (dt.date(2026, 2, day) for day in (1, 2, 3))
SAID = dt.datetime(2026, 1, 10, 8, tzinfo=dt.UTC)
HISTORY, EFFECTIVE = contract_of("consent.history"), contract_of("consent.effective")
YES = {
    "decision": "permit", "rule_no": 1, "winning_source": "crm", "winning_event_key": "e1",
    "permitted_parts": ["p"], "valid_to_on": dt.date(2029, 1, 9),
}  # fmt: skip
NO = {"decision": "deny", "rule_no": 1, "winning_source": "loyalty", "winning_event_key": "e2"}
SILENCE = {"decision": "deny", "rule_no": 5}


def frame(spark: SparkSession, contract: Any, *rows: dict[str, Any]) -> DataFrame:
    told = [tuple(filled(contract, **row)[name] for name in contract.columns) for row in rows]
    return spark.createDataFrame(told, contract.spark_schema)


def decided(golden_id: str, decision: dict[str, Any], point: str = "person") -> dict[str, Any]:
    return {
        "golden_id": golden_id, "purpose": "ads", "contact_point": point, "channel": "any",
        "is_conflict": False, "decided_on": THIRD, **decision,
    }  # fmt: skip


def events(spark: SparkSession) -> DataFrame:
    event = {"purpose": "ads", "basis": "consent"}
    return frame(
        spark, contract_of("silver.consent_event"),
        {**event, "source": "crm", "event_key": "e1", "subject_namespace": "crm_contact", "subject_hmac": "h1",
         "value": "y", "asserted_at": SAID, "notice_version": "2025-2"},
        {**event, "source": "loyalty", "event_key": "e2", "subject_namespace": "loyalty_member", "subject_hmac": "h2",
         "value": "n", "asserted_at": SAID},
        {**event, "source": "loyalty", "event_key": "e1", "purpose": "other", "value": "n", "asserted_at": SAID},
    )  # fmt: skip


def members(spark: SparkSession, *parts: tuple[str, str]) -> DataFrame:
    return spark.createDataFrame([*parts, *parts], "golden_id string, part string")


def states(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    ids = {(row["golden_id"], "p") for row in rows}
    return explained(frame(spark, EFFECTIVE, *rows), events(spark), members(spark, *sorted(ids)))


def after(spark: SparkSession, days: dict[dt.date, list[dict[str, Any]]]) -> DataFrame:
    """The history after runs of several dates, in their order."""
    history = frame(spark, HISTORY)
    for on, rows in days.items():
        fresh = changes(history, states(spark, *rows), on=on).select(*HISTORY.columns)
        history = spark.createDataFrame(history.unionByName(fresh).toArrow(), HISTORY.spark_schema)
    return history


def brief(history: DataFrame) -> list[tuple[Any, ...]]:
    names = ("golden_id", "contact_point", "decided_on", "decision", "rule_no", "winning_value")
    return sorted((tuple(row[name] for name in names) for row in history.collect()), key=str)


def test_a_row_says_what_was_said_and_by_whom(spark: SparkSession):
    rows = {row["golden_id"]: row.asDict() for row in after(spark, {FIRST: [
        decided("g1", YES), decided("g2", NO), decided("g3", SILENCE),
    ]}).collect()}  # fmt: skip
    assert rows["g1"] == {
        "golden_id": "g1", "purpose": "ads", "channel": "any", "contact_point": "person", "decided_on": FIRST,
        "decision": "permit", "rule_no": 1, "is_conflict": False, "valid_to_on": dt.date(2029, 1, 9),
        "permitted_parts": None, "winning_source": "crm", "winning_subject_namespace": "crm_contact",
        "winning_subject_hmac": "h1", "winning_value": "y", "winning_asserted_at": SAID.astimezone().replace(tzinfo=None),
        "winning_notice_version": "2025-2",
    }  # fmt: skip
    assert (rows["g2"]["winning_subject_hmac"], rows["g2"]["winning_value"]) == ("h2", "n")
    assert rows["g3"]["winning_source"] is rows["g3"]["winning_value"] is None


def test_only_what_becomes_other_gets_a_row_and_what_is_gone_ends_once(spark: SparkSession):
    history = after(spark, {
        FIRST: [decided("stays", YES), decided("turns", YES), decided("goes", NO), decided("back", NO)],
        SECOND: [decided("stays", YES), decided("turns", NO), decided("new", SILENCE)],
        THIRD: [decided("stays", YES), decided("turns", NO), decided("new", SILENCE), decided("back", NO)],
    })  # fmt: skip
    assert brief(history) == sorted([
        ("stays", "person", FIRST, "permit", 1, "y"),
        ("turns", "person", FIRST, "permit", 1, "y"), ("turns", "person", SECOND, "deny", 1, "n"),
        ("goes", "person", FIRST, "deny", 1, "n"), ("goes", "person", SECOND, "ended", None, None),
        ("back", "person", FIRST, "deny", 1, "n"), ("back", "person", SECOND, "ended", None, None),
        ("back", "person", THIRD, "deny", 1, "n"),
        ("new", "person", SECOND, "deny", 5, None),
    ], key=str)  # fmt: skip


def test_each_contact_point_has_a_history_of_its_own(spark: SparkSession):
    history = after(spark, {
        FIRST: [decided("g", YES, "a"), decided("g", YES, "b")],
        SECOND: [decided("g", NO, "b"), decided("g", YES, "c")],
    })  # fmt: skip
    assert brief(history) == [
        ("g", "a", FIRST, "permit", 1, "y"), ("g", "a", SECOND, "ended", None, None),
        ("g", "b", FIRST, "permit", 1, "y"), ("g", "b", SECOND, "deny", 1, "n"),
        ("g", "c", SECOND, "permit", 1, "y"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"rule_no": 3}, {"is_conflict": True}, {"valid_to_on": dt.date(2030, 1, 1)}, {"valid_to_on": None},
        {"winning_source": "loyalty", "winning_event_key": "e2"}, {"channel": "email"},
    ],
    ids=str,
)  # fmt: skip
def test_another_reason_for_the_same_decision_is_a_row(spark: SparkSession, other: dict[str, Any]):
    days = {FIRST: [decided("g", YES)], SECOND: [decided("g", {**YES, **other})]}
    assert [row[2] for row in brief(after(spark, days))] == [FIRST, SECOND]


def test_the_same_date_again_replaces_what_it_wrote(spark: SparkSession):
    history = after(spark, {FIRST: [decided("g", YES)], SECOND: [decided("g", NO), decided("h", YES)]})
    # A late file: on the second day nothing had changed after all, and somebody else was there.
    states_now = states(spark, decided("g", YES), decided("i", NO))
    again = earlier(history, on=SECOND).unionByName(changes(history, states_now, on=SECOND))
    assert brief(again) == [
        ("g", "person", FIRST, "permit", 1, "y"), ("i", "person", SECOND, "deny", 1, "n"),
    ]  # fmt: skip
    once_more = earlier(again, on=SECOND).unionByName(changes(again, states_now, on=SECOND))
    assert sorted(once_more.collect()) == sorted(again.collect())


def test_the_newest_row_is_in_force_in_whatever_order_rows_lie(spark: SparkSession):
    history = after(spark, {
        FIRST: [decided("g", YES)], SECOND: [decided("g", NO)], THIRD: [decided("g", SILENCE)],
    })  # fmt: skip
    upside_down = spark.createDataFrame(list(reversed(history.collect())), HISTORY.spark_schema)
    for rows in (history, upside_down):
        assert [(r["decision"], r["rule_no"]) for r in in_force(rows).collect()] == [("deny", 5)]
        assert [r["rule_no"] for r in in_force(earlier(rows, on=THIRD)).collect()] == [1]
        assert [r["winning_value"] for r in in_force(earlier(rows, on=THIRD)).collect()] == ["n"]


def test_parts_are_named_only_where_a_purpose_may_use_some_of_them(spark: SparkSession):
    rows = [
        decided("one", {**YES, "permitted_parts": ["p"]}),
        decided("both", {**YES, "permitted_parts": ["p", "q"]}),
        decided("some", {**YES, "permitted_parts": ["q"]}),
        decided("none", NO),
    ]
    parts = members(
        spark, ("one", "p"), ("both", "p"), ("both", "q"), ("some", "p"), ("some", "q"), ("none", "p")
    )
    told = explained(frame(spark, EFFECTIVE, *rows), events(spark), parts)
    assert {row["golden_id"]: row["permitted_parts"] for row in told.collect()} == {
        "one": None, "both": None, "some": ["q"], "none": None,
    }  # fmt: skip

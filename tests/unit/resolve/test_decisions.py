"""Decisions of persons: contradictions and what follows from decisions, against brute force; which decisions hold."""

import datetime as dt
from collections.abc import Iterable
from itertools import pairwise, permutations, product

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from identity.contracts import contract_of
from identity.resolve.decisions import PAIR, contradictions, settled, usable
from identity.tables import Tables

MUST, CANNOT = "must_link", "cannot_link"
Decided = list[tuple[str, str, str | None]]
NAMES = [f"crm:{n}" for n in range(7)]


def frame(decided: Iterable[tuple[str, str, str | None]]) -> pd.DataFrame:
    rows = [(*a.split(":"), *b.split(":"), decision) for a, b, decision in decided]
    return pd.DataFrame(rows, columns=[*PAIR, "decision"], dtype=object)


def closure(decided: Decided) -> set[tuple[str, str]]:
    """Which records are one by must-links: every step taken until nothing is added."""
    one = {(a, a) for a in NAMES}
    one |= {ends for a, b, decision in decided if decision == MUST for ends in ((a, b), (b, a))}
    while True:
        more = {(a, d) for (a, b), (c, d) in product(one, one) if b == c} - one
        if not more:
            return one
        one |= more


def decisions(*, words: tuple[str | None, ...] = (MUST, MUST, CANNOT, None)) -> st.SearchStrategy[Decided]:
    pairs = [(a, b) for a, b in permutations(NAMES, 2) if a < b]
    decided = st.dictionaries(st.sampled_from(pairs), st.sampled_from(words), max_size=12)
    return decided.map(lambda by_pair: [(a, b, decision) for (a, b), decision in by_pair.items()])


@given(decisions())
@example([(NAMES[0], NAMES[1], MUST), (NAMES[1], NAMES[2], MUST), (NAMES[0], NAMES[2], CANNOT)])
def test_a_cannot_link_contradicts_where_must_links_lead_from_one_record_to_the_other(decided: Decided):
    one = closure(decided)
    broken = sorted((a, b) for a, b, decision in decided if decision == CANNOT and (a, b) in one)
    told = contradictions(frame(decided))
    assert [line.rpartition(" contradicts cannot-link ")[2] for line in told] == [
        f"{a}–{b}" for a, b in broken
    ]
    must = {frozenset((a, b)) for a, b, decision in decided if decision == MUST}
    for line, ends in zip(told, broken, strict=True):
        way = line.removeprefix("must-link ").partition(" ")[0].split("–")
        assert (way[0], way[-1]) == ends
        assert {frozenset(step) for step in pairwise(way)} <= must


@given(decisions(), st.randoms(use_true_random=False))
def test_the_order_of_decisions_says_nothing(decided: Decided, chance):
    assert contradictions(frame(chance.sample(decided, len(decided)))) == contradictions(frame(decided))


@given(decisions())
def test_fewer_decisions_never_contradict_more(decided: Decided):
    """Why a run may leave out the decisions of records that are gone."""
    if not contradictions(frame(decided)):
        assert all(not contradictions(frame(decided[:n] + decided[n + 1 :])) for n in range(len(decided)))


@given(decisions())
def test_settled_is_what_is_decided_or_follows(decided: Decided):
    one = closure(decided)
    apart = {
        ends
        for a, b, decision in decided if decision == CANNOT
        for c, d in product(NAMES, NAMES) if (a, c) in one and (b, d) in one
        for ends in ((c, d), (d, c))
    }  # fmt: skip
    asked = [(a, b, None) for a, b in permutations(NAMES, 2) if a < b]
    assert settled(frame(asked), frame(decided)).tolist() == [
        (a, b) in one or (a, b) in apart for a, b, _ in asked
    ]


def test_a_contradiction_names_its_way():
    decided = [("crm:1", "crm:2", MUST), ("crm:2", "loyalty:7", MUST), ("crm:1", "loyalty:7", CANNOT)]
    assert contradictions(frame(decided)) == [
        "must-link crm:1–crm:2–loyalty:7 contradicts cannot-link crm:1–loyalty:7"
    ]


def test_of_several_ways_the_shortest_is_told():
    chain = [(f"crm:{n}", f"crm:{n + 1}", MUST) for n in range(1, 8)]
    decided = [*chain, ("crm:3", "crm:7", MUST), ("crm:1", "crm:8", CANNOT)]
    assert contradictions(frame(decided)) == [
        "must-link crm:1–crm:2–crm:3–crm:7–crm:8 contradicts cannot-link crm:1–crm:8"
    ]


def test_a_long_chain_is_no_trouble():
    chain = [(f"crm:{n:06}", f"crm:{n + 1:06}", MUST) for n in range(20_000)]
    assert contradictions(frame([*chain, ("crm:000000", "loyalty:1", CANNOT)])) == []
    (line,) = contradictions(frame([*chain, ("crm:000000", "crm:020000", CANNOT)]))
    assert line.count("–") == 20_001


# usable

ON = dt.date(2026, 2, 1)
PERMISSION = {"crm:1": "permitted", "crm:2": "permitted", "loyalty:7": "permitted", "loyalty:8": "barred"}


def held(
    spark: SparkSession, decided: list[tuple[str, str, str | None, dt.date]], permission: dict[str, str]
):
    contract = contract_of("id.review_pair")
    rows = [
        (*a.split(":"), *b.split(":"), "imported", None, None, None, None, decision, "S1", on)
        for a, b, decision, on in decided
    ]
    records = [(*record.split(":"), may) for record, may in permission.items()]
    return usable(
        spark.createDataFrame(rows, contract.spark_schema),
        spark.createDataFrame(records, "source string, source_key string, link_permission string"),
        on=ON,
    )


def test_decisions_hold_between_records_that_are_there_and_may_be_joined(spark: SparkSession):
    later = ON + dt.timedelta(days=1)
    decided = [
        ("crm:2", "loyalty:7", CANNOT, ON),
        ("crm:1", "crm:2", MUST, ON),
        ("crm:1", "loyalty:8", MUST, ON),  # barred
        ("crm:1", "loyalty:9", MUST, ON),  # gone
        ("crm:0", "crm:1", MUST, ON),  # gone
        ("crm:1", "loyalty:7", None, ON),  # taken back
    ]
    found = held(spark, decided, PERMISSION)
    assert found.columns == [*PAIR, "decision"]
    rows = [("crm", "1", "crm", "2", MUST), ("crm", "2", "loyalty", "7", CANNOT)]
    assert [tuple(row) for row in found.collect()] == rows
    # What went comes back with its record, and a decision of tomorrow is none of today.
    there = PERMISSION | {"loyalty:9": "permitted", "crm:3": "permitted"}
    back = held(spark, [*decided, ("crm:1", "crm:3", MUST, later)], there)
    assert [tuple(row) for row in back.collect()] == [rows[0], ("crm", "1", "loyalty", "9", MUST), rows[1]]


@pytest.mark.parametrize("permission", [PERMISSION, {}], ids=["records", "no records"])
def test_a_warehouse_in_which_nobody_decided_anything(
    spark: SparkSession, warehouse, permission: dict[str, str]
):
    stored = Tables(spark, warehouse).read("id.review_pair")
    records = [(*record.split(":"), may) for record, may in permission.items()]
    shape = "source string, source_key string, link_permission string"
    found = usable(stored, spark.createDataFrame(records, shape), on=ON)
    assert (found.columns, found.collect()) == ([*PAIR, "decision"], [])

"""Numbers for BI: counted right, and no small one shown or told by the others."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from identity.config import Purpose
from identity.publish.coverage import NO_CONTACT_POINT, consent_kpi, coverage, decided_cells

ON = dt.date(2026, 2, 1)
K = 5
EFFECTIVE = "golden_id string, purpose string, contact_point string, decision string, rule_no int"
LINES = "receipt_id string, buyer string, part string, currency string, net_amount decimal(18,2)"
Cell = tuple[str, int]


def purposes(*names: str, **contacts: str) -> dict[str, Purpose]:
    """Purposes; by name, the kind of contact point that some need."""
    plain = Purpose(basis="consent", retention_days=1)
    return {name: plain.model_copy(update={"contact": contacts.get(name)}) for name in names}


def world(spark: SparkSession, cells: dict[str, dict[Cell, int]]) -> tuple[DataFrame, DataFrame]:
    """consent.effective with as many customers a purpose, decision and rule, and all customers there are."""
    told, most = [], 0
    for purpose, counts in cells.items():
        number = 0
        for (decision, rule_no), count in counts.items():
            for _ in range(count):
                number += 1
                if rule_no != NO_CONTACT_POINT:
                    told.append((f"g{number:04}", purpose, "person", decision, rule_no))
        most = max(most, number)
    people = spark.createDataFrame([(f"g{n:04}",) for n in range(1, most + 1)], "golden_id string")
    return spark.createDataFrame(told, EFFECTIVE), people


def kpi_of(
    spark: SparkSession, cells: dict[str, dict[Cell, int]], **contacts: str
) -> dict[str, dict[Cell, Row]]:
    effective, people = world(spark, cells)
    counted = decided_cells(effective, people, purposes=purposes(*cells, **contacts), min_cell=K)
    rows = consent_kpi(counted, on=ON).collect()
    assert {row["as_of_on"] for row in rows} == {ON}
    return {
        name: {(row["decision"], row["rule_no"]): row for row in rows if row["purpose"] == name}
        for name in cells
    }


def test_customers_are_counted_by_decision_and_rule(spark: SparkSession):
    cells = {"a": {("permit", 1): 12, ("deny", 5): 8}, "b": {("permit", 5): 13, ("deny", 0): 7}}
    told = kpi_of(spark, cells)
    assert {name: {c: row["customers"] for c, row in rows.items()} for name, rows in told.items()} == cells
    assert told["a"]["permit", 1]["share"] == pytest.approx(0.6)
    assert not any(row["is_hidden"] for rows in told.values() for row in rows.values())


def test_a_customer_of_two_contact_points_counts_once_and_best(spark: SparkSession):
    rows = [
        (f"g{n}", "mail", point, decision, rule)
        for n in range(6)
        for point, decision, rule in (("x", "deny", 2), ("y", "permit", 1), ("z", "permit", 3))
    ]
    people = spark.createDataFrame([(f"g{n}",) for n in range(6)], "golden_id string")
    effective = spark.createDataFrame(rows, EFFECTIVE)
    [row] = consent_kpi(
        decided_cells(effective, people, purposes=purposes("mail"), min_cell=K), on=ON
    ).collect()
    assert (row["decision"], row["rule_no"], row["customers"], row["share"]) == ("permit", 1, 6, 1.0)


def test_a_small_cell_takes_another_with_it(spark: SparkSession):
    """The number of all customers is known from other purposes; one hidden cell alone would follow from it."""
    told = kpi_of(spark, {"a": {("permit", 1): 40, ("deny", 5): 20, ("deny", 2): 3}})["a"]
    assert {cell for cell, row in told.items() if row["is_hidden"]} == {("deny", 2), ("deny", 5)}
    assert (told["deny", 2]["customers"], told["deny", 5]["share"]) == (None, None)
    assert told["permit", 1]["customers"] == 40


def test_no_hidden_number_follows_from_the_others(spark: SparkSession):
    """Drawn tables: whoever knows the shown cells and the total knows only a sum of two cells at least, of K at least."""
    rng = np.random.default_rng(7)
    every = [("permit", 1), ("permit", 3), ("deny", 0), ("deny", 1), ("deny", 2), ("deny", 5)]
    drawn: dict[str, dict[Cell, int]] = {}
    for number in range(60):
        sizes = rng.choice([0, 1, 2, 3, 4, 5, 6, 9, 30], size=len(every))
        counts = {cell: int(n) for cell, n in zip(every, sizes, strict=True) if n}
        counts["deny", 6] = 250 - sum(counts.values())
        drawn[f"p{number:02}"] = counts
    shown = kpi_of(spark, drawn)
    seen_small = 0
    for name, counts in drawn.items():
        hidden = {cell for cell, row in shown[name].items() if row["is_hidden"]}
        small = {cell for cell, n in counts.items() if n < K}
        assert small <= hidden
        assert bool(hidden) == bool(small)
        for cell, row in shown[name].items():
            assert row["customers"] == (None if cell in hidden else counts[cell])
            assert (row["share"] is None) == (cell in hidden)
        permits = sum(n for (decision, _), n in counts.items() if decision == "permit")
        # The coverage tells the sum of permits unless it is small, or what is left of all customers.
        told_apart = (
            [{c for c in hidden if c[0] == d} for d in ("permit", "deny")] if permits >= K else [hidden]
        )
        for together in filter(None, told_apart):
            seen_small += 1
            assert len(together) >= 2
            assert sum(counts[cell] for cell in together) >= K
    assert seen_small > 30


def test_a_small_permit_hides_another_permit_and_no_refusal(spark: SparkSession):
    told = kpi_of(spark, {"a": {("permit", 1): 30, ("permit", 3): 2, ("deny", 1): 7, ("deny", 5): 30}})["a"]
    assert {cell for cell, row in told.items() if row["is_hidden"]} == {("permit", 1), ("permit", 3)}


def test_who_has_no_phone_is_as_many_for_every_purpose_that_needs_one(spark: SparkSession):
    """Were the 50 without a phone hidden with the 3, `call` would tell them: 1013 - 900 - 60 - 50 = 3."""
    cells = {
        "sms": {("permit", 1): 900, ("deny", 1): 60, ("deny", 0): 50, ("deny", 5): 3},
        "call": {("permit", 1): 900, ("deny", 1): 63, ("deny", 0): 50},
    }
    told = kpi_of(spark, cells, sms="phone", call="phone")
    hidden = {(name, *cell) for name, rows in told.items() for cell, row in rows.items() if row["is_hidden"]}
    assert hidden == {("sms", "deny", 5), ("sms", "deny", 1)}


def test_who_has_no_phone_is_hidden_for_every_purpose_that_needs_one_or_for_none(spark: SparkSession):
    """In `sms` nothing else can go along with the 3, so the 110 go everywhere, and in each purpose another with them.

    All who have a phone permit `fax`: its coverage would tell who has none, and is hidden, too.
    """
    cells = {
        "sms": {("permit", 1): 900, ("deny", 0): 110, ("deny", 5): 3},
        "call": {("permit", 1): 840, ("deny", 0): 110, ("deny", 1): 53, ("deny", 5): 10},
        "fax": {("permit", 1): 803, ("permit", 3): 100, ("deny", 0): 110},
        "mail": {("permit", 1): 890, ("deny", 0): 110, ("deny", 5): 13},
        "post": {("permit", 1): 890, ("deny", 1): 110, ("deny", 5): 13},
    }
    contacts = {"sms": "phone", "call": "phone", "fax": "phone", "mail": "email"}
    shown = kpi_of(spark, cells, **contacts)
    hidden = {(name, *cell) for name, rows in shown.items() for cell, row in rows.items() if row["is_hidden"]}
    assert hidden == {
        ("sms", "deny", 0), ("sms", "deny", 5),
        ("call", "deny", 0), ("call", "deny", 5),
        ("fax", "deny", 0), ("fax", "permit", 3),
    }  # fmt: skip
    told = coverage_of(spark, cells, **contacts)
    assert told == {"sms": 900, "call": 840, "fax": None, "mail": 890, "post": 890}


def test_no_hidden_number_follows_from_another_purpose(spark: SparkSession):
    """Drawn tables: what is hidden as unknowns, what is told as equations, and none has one solution for an unknown.

    Purposes of one kind of contact point share the unknown of those without one. All customers are known.
    """
    rng, everybody = np.random.default_rng(11), 60
    refused: list[Cell] = [("deny", 1), ("deny", 2), ("deny", 5)]
    granted: list[Cell] = [("permit", 1), ("permit", 3)]
    without_any = ("deny", NO_CONTACT_POINT)
    drawn: dict[str, dict[Cell, int]] = {}
    for kind in range(50):
        without = int(rng.choice([0, 1, 3, 4, 5, 8, 20]))
        for number in range(3):
            picked = [cell for cell in refused + granted if rng.random() < 0.45]
            counts = {cell: int(rng.choice([1, 2, 3, 4, 5, 6, 9])) for cell in picked}
            rest = (refused + granted)[rng.integers(5)]
            counts[rest] = everybody - without - sum(n for cell, n in counts.items() if cell != rest)
            drawn[f"p{kind:02}_{number}"] = counts | ({without_any: without} if without else {})
    contacts = {name: name.split("_")[0] for name in drawn}
    shown = kpi_of(spark, drawn, **contacts)
    reached = coverage_of(spark, drawn, **contacts)
    with_hidden = spread = 0
    for kind in sorted(set(contacts.values())):
        names = [name for name in drawn if contacts[name] == kind]
        told: dict[bool, set[tuple[str, Cell]]] = {True: set(), False: set()}
        sums: list[dict[tuple[str, Cell], int]] = []
        for name in names:
            groups = [["permit", "deny"]] if reached[name] is None else [["permit"], ["deny"]]
            added_up: list[dict[tuple[str, Cell], int]] = [{} for _ in groups]
            for cell, number in drawn[name].items():
                is_hidden = shown[name][cell]["is_hidden"]
                assert is_hidden or number >= K
                which = (kind if cell == without_any else name, cell)
                told[is_hidden].add(which)
                if is_hidden:
                    [group] = [n for n, decisions in enumerate(groups) if cell[0] in decisions]
                    added_up[group][which] = number
            sums += filter(None, added_up)
        assert not told[True] & told[False]  # what is hidden once is told nowhere else
        assert all(sum(each.values()) >= K for each in sums)
        unknowns = sorted(told[True])
        if not unknowns:
            continue
        equations = np.array([[which in each for which in unknowns] for each in sums], dtype=float)
        rank = np.linalg.matrix_rank(equations)
        for alone in np.eye(len(unknowns)):
            assert np.linalg.matrix_rank(np.vstack([equations, alone])) == rank + 1
        with_hidden += 1
        spread += (kind, without_any) in unknowns and drawn[names[0]][without_any] >= K
    assert (with_hidden > 30, spread > 5) == (True, True)


def coverage_of(
    spark: SparkSession, cells: dict[str, dict[Cell, int]], **contacts: str
) -> dict[str, int | None]:
    """How many customers the coverage tells of each purpose, where nothing was sold."""
    effective, people = world(spark, cells)
    names = purposes(*cells, **contacts)
    counted = decided_cells(effective, people, purposes=names, min_cell=K)
    permitted = effective.where("decision = 'permit'").selectExpr("purpose", "golden_id", "'p' as part")
    sold = spark.createDataFrame([], LINES)
    rows = coverage(counted, people, sold, permitted, purposes=names, min_cell=K, on=ON).collect()
    return {row["purpose"]: row["customers"] for row in rows}


def covered(
    spark: SparkSession, cells: dict[Cell, int], lines: list[tuple[Any, ...]], others: int = 0
) -> list[Row]:
    effective, people = world(spark, {"a": cells, "all": {("permit", 5): sum(cells.values()) + others}})
    names = purposes("a", "all")
    counted = decided_cells(effective, people, purposes=names, min_cell=K)
    permitted = effective.where("decision = 'permit'").selectExpr("purpose", "golden_id", "'p' as part")
    sold = spark.createDataFrame(lines, LINES)
    told = coverage(
        counted, people, sold, permitted, purposes=purposes("a", "all"), min_cell=K, on=ON
    ).collect()
    return sorted(told, key=lambda row: (row["purpose"], row["currency"]))


def line(
    receipt: int, buyer: int | None, amount: int, part: str = "p", currency: str = "EUR"
) -> tuple[Any, ...]:
    return (f"r{receipt}", buyer and f"g{buyer:04}", buyer and part, currency, Decimal(amount))


def test_coverage_tells_what_is_left_of_customers_and_sales(spark: SparkSession):
    lines = [line(n, n, 10) for n in range(1, 21)]  # a receipt of 10 each of 20 customers, of whom 12 permit
    lines += [
        line(1, 1, 5),
        line(31, None, 85),
        line(32, 2, 10, part="other"),
        line(33, None, 7, currency="SEK"),
    ]
    rows = covered(spark, {("permit", 1): 12, ("deny", 5): 8}, lines)
    told = [
        (r["purpose"], r["currency"], r["customers"], r["share"], r["purchases"], r["net_amount"])
        for r in rows
    ]
    assert told == [
        ("a", "EUR", 12, 0.6, 12, Decimal("125.00")),
        ("a", "SEK", 12, 0.6, 0, Decimal("0.00")),
        ("all", "EUR", 20, 1.0, 20, Decimal("205.00")),
        ("all", "SEK", 20, 1.0, 0, Decimal("0.00")),
    ]
    assert [row["sales_share"] for row in rows[:2]] == [pytest.approx(125 / 300), 0]


def test_without_sales_customers_are_told_even_so(spark: SparkSession):
    [row, _] = covered(spark, {("permit", 1): 12, ("deny", 5): 8}, [])
    assert (row["currency"], row["customers"], row["net_amount"], row["sales_share"]) == ("none", 12, 0, None)


@pytest.mark.parametrize(
    ("cells", "buyers"),
    [
        pytest.param({("permit", 1): 4, ("deny", 5): 30}, 4, id="few are covered"),
        pytest.param({("permit", 1): 30, ("deny", 5): 4}, 30, id="few are not covered"),
        pytest.param({("permit", 1): 30, ("deny", 5): 30}, 4, id="few of the covered bought"),
    ],
)
def test_coverage_hides_what_tells_of_few(spark: SparkSession, cells: dict[Cell, int], buyers: int):
    row, whole = covered(spark, cells, [line(n, n, 10) for n in range(1, buyers + 1)])
    assert row["is_hidden"]
    assert [row[n] for n in ("customers", "share", "purchases", "net_amount", "sales_share")] == [None] * 5
    assert whole["is_hidden"] == (buyers < K)


@pytest.mark.parametrize(("buyers", "is_hidden"), [(30, False), (31, True), (34, True), (35, False)])
def test_coverage_hides_where_few_of_those_left_out_bought(spark: SparkSession, buyers: int, is_hidden: bool):
    """All are covered by `all`; what it shows beyond `a` is what those bought who refuse `a`."""
    row, whole = covered(
        spark, {("permit", 1): 30, ("deny", 5): 30}, [line(n, n, 10) for n in range(1, buyers + 1)]
    )
    assert (row["is_hidden"], whole["is_hidden"]) == (is_hidden, False)

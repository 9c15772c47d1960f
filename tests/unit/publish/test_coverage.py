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
Cell = tuple[str, int]


def purposes(*names: str) -> dict[str, Purpose]:
    return {name: Purpose(basis="consent", retention_days=1) for name in names}


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


def kpi_of(spark: SparkSession, cells: dict[str, dict[Cell, int]]) -> dict[str, dict[Cell, Row]]:
    effective, people = world(spark, cells)
    counted = decided_cells(effective, people, purposes=purposes(*cells), min_cell=K)
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


def covered(
    spark: SparkSession, cells: dict[Cell, int], lines: list[tuple[Any, ...]], others: int = 0
) -> list[Row]:
    effective, people = world(spark, {"a": cells, "all": {("permit", 5): sum(cells.values()) + others}})
    names = purposes("a", "all")
    counted = decided_cells(effective, people, purposes=names, min_cell=K)
    permitted = effective.where("decision = 'permit'").selectExpr("purpose", "golden_id", "'p' as part")
    sold = spark.createDataFrame(
        lines, "receipt_id string, buyer string, part string, currency string, net_amount decimal(18,2)"
    )
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

"""How many customers a purpose reaches, and why not the others: numbers for BI, small cells hidden.

A hidden number must not follow from the others: the cells of a purpose add up to all customers, so where one cell is
small, at least one more is hidden, until the hidden ones together are no small cell. And who has no e-mail, or no phone,
is as many for every purpose that needs one: those are hidden for all of these purposes or for none.
"""

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Purpose

NO_CONTACT_POINT: Final = 0
"""In place of a rule: the purpose needs a contact point, and the customer has none."""
_CELL: Final = ["purpose", "decision", "rule_no"]


def customers_of(known: DataFrame) -> DataFrame:
    """Golden ids of customers that a person record stands for, not a device alone: `golden_id`."""
    return known.where("subject_kind = 'customer' and is_person").select("golden_id").distinct()


def decided_cells(
    effective: DataFrame, customers: DataFrame, *, purposes: Mapping[str, Purpose], min_cell: int
) -> DataFrame:
    """How many customers each purpose's decision and rule is about, and which of the numbers must be hidden.

    A customer of several contact points counts once: permitted if any of them is. `coverage` tells the sum of what is
    permitted, so a small cell takes the smallest of the same decision along, last of all who has no contact point.
    Where a whole decision is small, or has nothing else to take along, both decisions' cells are one sum, and there is
    no coverage told.

    Args:
        effective: consent.effective.
        customers: `customers_of`.
        purposes: All purposes.
        min_cell: Customers from which a number is shown.

    Returns:
        `purpose`, `decision`, `rule_no`, `customers`, `is_hidden`, `is_one_sum` (of the purpose: its decisions must
        not be told apart).
    """
    best = F.min(F.struct((F.col("decision") == "deny").alias("is_denied"), "rule_no")).alias("best")
    decided = effective.groupBy("golden_id", "purpose").agg(best)
    names = F.explode(F.array(*map(F.lit, purposes))).alias("purpose")
    asked = customers.select("golden_id", names).join(decided, on=["golden_id", "purpose"], how="left")
    is_denied = F.coalesce("best.is_denied", F.lit(True))
    cells = asked.groupBy(
        "purpose",
        F.when(is_denied, "deny").otherwise("permit").alias("decision"),
        F.coalesce("best.rule_no", F.lit(NO_CONTACT_POINT)).alias("rule_no"),
    ).agg(F.count("*").alias("customers"))
    contacts = F.create_map(
        *(F.lit(told) for name, p in purposes.items() for told in (name, p.contact or ""))
    )
    of_decision, of_purpose = Window.partitionBy("purpose", "decision"), Window.partitionBy("purpose")
    # A purpose without a contact point is a kind of its own.
    of_kind = Window.partitionBy("contact", F.when(F.col("contact") == "", F.col("purpose")))
    is_without = F.col("rule_no") == NO_CONTACT_POINT
    has_no_other = F.col("must") & is_without & (F.col("cells") == 1)
    return (
        cells.withColumn("contact", contacts[F.col("purpose")])
        .withColumn("cells", F.count("*").over(of_decision))
        .withColumn("decided", F.sum("customers").over(of_decision))
        .withColumn("must", F.col("customers") < min_cell)
        .withColumn("is_one_sum", F.min("decided").over(of_purpose) < min_cell)
        .withColumn("is_hidden", _goes_along(min_cell))
        .withColumn(
            "must", F.col("must") | (is_without & F.max(F.col("is_hidden") & is_without).over(of_kind))
        )
        .withColumn("is_one_sum", F.col("is_one_sum") | F.max(has_no_other).over(of_purpose))
        .select(*_CELL, "customers", _goes_along(min_cell).alias("is_hidden"), "is_one_sum")
    )


def _goes_along(min_cell: int) -> Column:
    """What `must` be hidden and what goes along: two cells of a sum that is told at least, until they are not small."""

    def along(*group: str) -> Column:
        of_group = Window.partitionBy(*group)
        # Those without a contact point last: what they tell of other purposes would have to be hidden there, too.
        in_turn = of_group.orderBy(F.desc("must"), F.col("rule_no") == NO_CONTACT_POINT, "customers", *_CELL)
        before = F.sum("customers").over(in_turn.rowsBetween(Window.unboundedPreceding, -1))
        is_next = (F.row_number().over(in_turn) <= 2) | (F.coalesce(before, F.lit(0)) < min_cell)
        return F.max("must").over(of_group) & is_next

    return F.col("must") | along("purpose", "decision") | (F.col("is_one_sum") & along("purpose"))


def consent_kpi(cells: DataFrame, *, on: dt.date) -> DataFrame:
    """gold.consent_kpi of a run date.

    Args:
        cells: `decided_cells`.
        on: Run date.
    """
    everybody = F.sum("customers").over(Window.partitionBy("purpose"))
    told = cells.withColumn("share", F.col("customers") / everybody)
    return told.select(
        F.lit(on).alias("as_of_on"), *_CELL, *map(_unless_hidden, ("customers", "share")), "is_hidden"
    )


def coverage(
    cells: DataFrame,
    customers: DataFrame,
    lines: DataFrame,
    permitted: DataFrame,
    *,
    purposes: Mapping[str, Purpose],
    min_cell: int,
    on: dt.date,
) -> DataFrame:
    """gold.coverage of a run date: of customers and of sales, what is left for each purpose.

    Hidden where few customers are covered or few are not (`is_one_sum`), and where few of the covered bought anything,
    or few bought what is not covered: another purpose that covers them too shows by how much it is more.

    Args:
        cells: `decided_cells` of the same customers.
        customers: `customers_of`.
        lines: `purchases.identified_lines`: every line sold, with `buyer` and `part` where they are known.
        permitted: `purposes.permitted_parts`.
        purposes: Purposes that have a profile.
        min_cell: Customers from which a number is shown.
        on: Run date.
    """
    parts = permitted.join(customers, on="golden_id", how="left_semi")
    bought = (
        lines.where("buyer is not null")
        .groupBy(F.col("buyer").alias("golden_id"), "part", "currency")
        .agg(F.count_distinct("receipt_id").alias("receipts"), F.sum("net_amount").alias("amount"))
    )
    covered = (
        parts.join(bought, on=["golden_id", "part"], how="inner")
        .groupBy("purpose", "currency")
        .agg(
            F.count_distinct("golden_id").alias("buyers"),
            F.sum("receipts").alias("purchases"),
            F.sum("amount").alias("net_amount"),
        )
    )
    asked_for = F.explode(F.array(*map(F.lit, purposes))).alias("purpose")
    left_out = (
        bought.join(parts, on=["golden_id", "part"], how="left_semi")
        .select("*", asked_for)
        .join(parts, on=["golden_id", "part", "purpose"], how="left_anti")
        .groupBy("purpose", "currency")
        .agg(F.count_distinct("golden_id").alias("buyers_left_out"))
    )
    permits = F.when(F.col("decision") == "permit", F.col("customers"))
    reached = cells.groupBy("purpose").agg(
        F.coalesce(F.sum(permits), F.lit(0)).alias("customers"), F.max("is_one_sum").alias("is_one_sum")
    )
    sold = lines.groupBy("currency").agg(F.sum("net_amount").alias("sold"))
    # Whatever is sold, how many customers are covered is told.
    currencies = F.when(F.size("sold_in") > 0, F.col("sold_in")).otherwise(
        F.array(F.struct(F.lit("none").alias("currency"), F.lit(0).cast("decimal(28,2)").alias("sold")))
    )
    sales = sold.agg(
        F.collect_list(F.struct("currency", F.col("sold").cast("decimal(28,2)").alias("sold"))).alias(
            "sold_in"
        )
    ).select(F.inline(currencies))
    every = F.broadcast(customers.agg(F.count("*").alias("everybody")))
    asked = reached.where(F.col("purpose").isin(*purposes)).crossJoin(F.broadcast(sales)).crossJoin(every)
    told = (
        asked.join(covered, on=["purpose", "currency"], how="left")
        .join(left_out, on=["purpose", "currency"], how="left")
        .na.fill(0, ["buyers", "buyers_left_out", "purchases", "net_amount"])
    )
    told_of = (F.col("buyers"), F.col("buyers_left_out"))
    is_hidden = reduce(Column.__or__, (_is_few(count, min_cell) for count in told_of), F.col("is_one_sum"))
    return (
        told.withColumn("share", F.col("customers") / F.nullif("everybody", F.lit(0)))
        .withColumn("sales_share", (F.col("net_amount") / F.nullif("sold", F.lit(0))).cast("double"))
        .withColumn("is_hidden", is_hidden)
        .select(
            F.lit(on).alias("as_of_on"),
            "purpose",
            "currency",
            *(
                _unless_hidden(name)
                for name in ("customers", "share", "purchases", "net_amount", "sales_share")
            ),
            "is_hidden",
        )
    )


def _is_few(count: Column, min_cell: int) -> Column:
    """Somebody, but not many; nobody is no small cell, for there is nobody to know."""
    return (count > 0) & (count < min_cell)


def _unless_hidden(name: str) -> Column:
    return F.when(~F.col("is_hidden"), F.col(name)).alias(name)

"""Who bought: receipt lines with their buyer, and recency, frequency and monetary value."""

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def identified_lines(
    lines: DataFrame, members: DataFrame, identifiers: DataFrame, products: DataFrame
) -> DataFrame:
    """Receipt lines with their buyer: the loyalty card's holder, else the payment card's owner, else whose e-mail it is.

    A card that was shown decides alone: where its member is gone or may not be joined, there is no buyer. Without one,
    there is none where the e-mail is also that of a record that may not be joined, other than the payment card itself:
    who paid, or shares the address, did not buy instead. An e-mail that several golden ids carry, or several parts of
    one, names no buyer. A product that is not known is taken for sensitive.

    Args:
        lines: silver.sale_line.
        members: Open rows of id.golden_member.
        identifiers: silver.identifier.
        products: silver.product; the version of the day of sale gives cost, group and sensitivity, before the first
            version that one.

    Returns:
        silver.sale_line's columns and `buyer`, `part` (of the buyer, that the purchase belongs to),
        `product_group`, `is_sensitive`, `unit_cost`.
    """
    who = F.struct("golden_id", "part")
    is_barred = F.col("link_permission") != "permitted"
    keyed = members.select(who.alias("who"), "source", "source_key", is_barred.alias("is_barred"))
    by_member = keyed.where("source = 'loyalty'").select(
        F.col("source_key").alias("member_no"), F.when(~F.col("is_barred"), F.col("who")).alias("by_member")
    )
    by_token = keyed.where("source = 'tills'").select(
        F.col("source_key").alias("payment_token"), F.col("who").alias("by_token")
    )
    barred = F.when(F.col("is_barred"), F.col("who"))
    by_email = (
        identifiers.where("namespace = 'email'")
        .join(keyed, on=["source", "source_key"], how="inner")
        .groupBy(F.col("value_hmac").alias("email_hmac"))
        .agg(
            F.when(F.min("who") == F.max("who"), F.min("who")).alias("by_email"),
            F.min(barred).alias("first_barred"),
            F.max(barred).alias("last_barred"),
        )
    )
    by_payer = F.col("by_token")
    is_barred_payer = (F.col("first_barred") == by_payer) & (F.col("last_barred") == by_payer)
    may_tell = F.col("first_barred").isNull() | is_barred_payer
    without_card = F.when(may_tell, F.coalesce("by_token", "by_email"))
    buyer = F.when(F.col("member_no").isNull(), without_card).otherwise(F.col("by_member"))
    first = F.min("valid_from_on").over(Window.partitionBy("product_id"))
    from_on = F.when(F.col("valid_from_on") > first, F.col("valid_from_on"))
    version = products.withColumn("from_on", from_on).select(
        F.col("product_id").alias("sold_product"),
        "product_group",
        "is_sensitive",
        "unit_cost",
        "from_on",
        "valid_to_on",
    )
    sold_on = F.col("sold_at").cast("date")
    of_the_day = (
        (F.col("product_id") == F.col("sold_product"))
        & (F.col("from_on").isNull() | (sold_on >= F.col("from_on")))
        & (F.col("valid_to_on").isNull() | (sold_on < F.col("valid_to_on")))
    )
    return (
        lines.join(by_member, on="member_no", how="left")
        .join(by_token, on="payment_token", how="left")
        .join(by_email, on="email_hmac", how="left")
        .join(version, on=of_the_day, how="left")
        .withColumn("who", buyer)
        .select(
            *lines.columns,
            F.col("who.golden_id").alias("buyer"),
            "who.part",
            "product_group",
            F.coalesce("is_sensitive", F.lit(True)).alias("is_sensitive"),
            "unit_cost",
        )
    )


def unnamed_before(lines: DataFrame, since: dt.date) -> DataFrame:
    """Lines, those sold before a day without `buyer` and `part`: the sums must be the till's."""
    is_recent = F.col("sold_at").cast("date") >= F.lit(since)
    return lines.withColumns({name: F.when(is_recent, F.col(name)) for name in ("buyer", "part")})


def purchase_fact(lines: DataFrame, usable: DataFrame) -> DataFrame:
    """gold.purchase_fact: every accepted line; the buyer only where analytics may use the part that bought.

    A known buyer's sensitive products, and detail beyond what is granted, are null; amounts stay, so that the sum is
    the till's.

    Args:
        lines: `identified_lines`.
        usable: `golden_id`, `part` that analytics may use, and `detail` (total, product_group or product).
    """
    may = usable.select(F.col("golden_id").alias("buyer"), "part", "golden_id", "detail")
    known = lines.join(may, on=["buyer", "part"], how="left")
    is_unknown = F.col("golden_id").isNull()

    def shown(name: str, *details: str) -> Column:
        is_shown = is_unknown | (~F.col("is_sensitive") & F.col("detail").isin(*details))
        return F.when(is_shown, F.col(name)).alias(name)

    return known.select(
        "receipt_id",
        "line_no",
        "golden_id",
        "store_id",
        F.col("sold_at").cast("date").alias("sold_on"),
        "sold_at",
        shown("product_id", "product"),
        shown("product_group", "product", "product_group"),
        "quantity",
        "net_amount",
        (F.col("net_amount") - F.col("quantity") * F.col("unit_cost"))
        .cast("decimal(18,2)")
        .alias("margin_amount"),
        "currency",
    )


def receipts(lines: DataFrame) -> DataFrame:
    """Receipts of known buyers without their sensitive products: what a person may be described by.

    Returns:
        `golden_id`, `part`, `receipt_id`, `currency`, `sold_on`, `net_amount`, `margin_amount` (null where a cost is
        unknown).
    """
    margin = F.col("net_amount") - F.col("quantity") * F.col("unit_cost")
    known = lines.where("buyer is not null and not is_sensitive")
    return known.groupBy(F.col("buyer").alias("golden_id"), "part", "receipt_id", "currency").agg(
        F.max(F.col("sold_at").cast("date")).alias("sold_on"),
        F.sum("net_amount").cast("decimal(18,2)").alias("net_amount"),
        F.when(F.count("*") == F.count("unit_cost"), F.sum(margin))
        .cast("decimal(18,2)")
        .alias("margin_amount"),
    )


def purchase_metrics(receipts: DataFrame, *, on: dt.date, by: Sequence[str] = ("golden_id",)) -> DataFrame:
    """Recency, frequency and monetary value, currencies apart, in the shape of gold.customer_metrics.

    Args:
        receipts: `receipts`, of whom they may describe.
        on: Run date.
        by: What makes a row, beside the currency.
    """
    first, last = F.min("sold_on"), F.max("sold_on")
    return receipts.groupBy(*by, "currency").agg(
        F.lit(on).alias("as_of_on"),
        F.greatest(F.date_diff(F.lit(on), last), F.lit(0)).alias("recency_days"),
        (F.count_distinct("sold_on") - 1).alias("frequency"),
        F.greatest(F.date_diff(F.lit(on), first), F.lit(0)).alias("tenure_days"),
        F.count_distinct("receipt_id").alias("purchases"),
        F.sum("net_amount").cast("decimal(18,2)").alias("monetary_amount"),
        F.when(F.count("*") == F.count("margin_amount"), F.sum("margin_amount"))
        .cast("decimal(18,2)")
        .alias("margin_amount"),
    )

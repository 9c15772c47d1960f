"""Who bought: receipt lines with their buyer, and recency, frequency and monetary value."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def identified_lines(
    lines: DataFrame, members: DataFrame, identifiers: DataFrame, products: DataFrame
) -> DataFrame:
    """Receipt lines with their buyer: the loyalty card's holder, else the payment card's owner, else whose e-mail it is.

    An e-mail that several golden ids carry names no buyer, and a card or an e-mail of a person who may not be
    joined says nothing of who paid.

    Args:
        lines: silver.sale_line.
        members: Open rows of id.golden_member.
        identifiers: silver.identifier.
        products: silver.product; the version of the day of sale gives cost, group and sensitivity.

    Returns:
        silver.sale_line's columns and `buyer`, `product_group`, `is_sensitive`, `unit_cost`.
    """
    keyed = members.select("golden_id", "source", "source_key", "link_permission")
    joinable = keyed.where("link_permission = 'permitted'").drop("link_permission")
    by_member = joinable.where("source = 'loyalty'").select(
        F.col("source_key").alias("member_no"), F.col("golden_id").alias("by_member")
    )
    by_token = keyed.where("source = 'tills'").select(
        F.col("source_key").alias("payment_token"), F.col("golden_id").alias("by_token")
    )
    by_email = (
        identifiers.where("namespace = 'email'")
        .join(joinable, on=["source", "source_key"], how="inner")
        .groupBy(F.col("value_hmac").alias("email_hmac"))
        .agg(F.collect_set("golden_id").alias("ids"))
        .where("size(ids) = 1")
        .select("email_hmac", F.col("ids")[0].alias("by_email"))
    )
    version = products.select(
        F.col("product_id").alias("sold_product"),
        "product_group",
        "is_sensitive",
        "unit_cost",
        "valid_from_on",
        "valid_to_on",
    )
    sold_on = F.col("sold_at").cast("date")
    of_the_day = (
        (F.col("product_id") == F.col("sold_product"))
        & (sold_on >= F.col("valid_from_on"))
        & (F.col("valid_to_on").isNull() | (sold_on < F.col("valid_to_on")))
    )
    return (
        lines.join(by_member, on="member_no", how="left")
        .join(by_token, on="payment_token", how="left")
        .join(by_email, on="email_hmac", how="left")
        .join(version, on=of_the_day, how="left")
        .withColumn("buyer", F.coalesce("by_member", "by_token", "by_email"))
        .select(*lines.columns, "buyer", "product_group", "is_sensitive", "unit_cost")
    )


def purchase_fact(lines: DataFrame, permitted: DataFrame, *, detail: str) -> DataFrame:
    """gold.purchase_fact: every accepted line; the buyer only where analytics is permitted.

    A known buyer's sensitive products, and detail beyond what the purpose may see, are null; amounts stay, so that
    the sum is the till's.

    Args:
        lines: `identified_lines`.
        permitted: `golden_id` of those who permit analytics.
        detail: total, product_group or product.
    """
    may = permitted.select(F.col("golden_id").alias("buyer"), F.col("golden_id"))
    known = lines.join(may, on="buyer", how="left")
    is_shown = F.col("golden_id").isNull() | ~F.coalesce("is_sensitive", F.lit(False))
    return known.select(
        "receipt_id",
        "line_no",
        "golden_id",
        "store_id",
        F.col("sold_at").cast("date").alias("sold_on"),
        "sold_at",
        F.when(
            is_shown & (F.col("golden_id").isNull() | F.lit(detail == "product")), F.col("product_id")
        ).alias("product_id"),
        F.when(
            is_shown & (F.col("golden_id").isNull() | F.lit(detail != "total")), F.col("product_group")
        ).alias("product_group"),
        "quantity",
        "net_amount",
        (F.col("net_amount") - F.col("quantity") * F.col("unit_cost"))
        .cast("decimal(18,2)")
        .alias("margin_amount"),
        "currency",
    )


def purchase_metrics(lines: DataFrame, *, on: dt.date) -> DataFrame:
    """Recency, frequency and monetary value by buyer, currencies apart, in the shape of gold.customer_metrics."""
    sold_on = F.col("sold_at").cast("date")
    margin = F.col("net_amount") - F.col("quantity") * F.col("unit_cost")
    return (
        lines.where("buyer is not null")
        .groupBy(F.col("buyer").alias("golden_id"), "currency")
        .agg(
            F.lit(on).alias("as_of_on"),
            F.greatest(F.date_diff(F.lit(on), F.max(sold_on)), F.lit(0)).alias("recency_days"),
            (F.count_distinct(sold_on) - 1).alias("frequency"),
            F.greatest(F.date_diff(F.lit(on), F.min(sold_on)), F.lit(0)).alias("tenure_days"),
            F.count_distinct("receipt_id").alias("purchases"),
            F.sum("net_amount").cast("decimal(18,2)").alias("monetary_amount"),
            F.when(F.count("*") == F.count("unit_cost"), F.sum(margin))
            .cast("decimal(18,2)")
            .alias("margin_amount"),
        )
    )

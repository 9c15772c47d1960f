"""Tills: receipt lines, control totals, products and stores.

A till knows no persons, only what was shown at payment: the payment card's token stands for the payer and is
the person record of this source. A loyalty card on the same receipt ties the token to the card's holder.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.sources.rows import IDENTIFIER, PERSON, Feeds, Rows, carried, newest, shaped

SOURCE = "tills"


def rows(feeds: Feeds, *, cards: DataFrame) -> Rows:
    """Tills' feeds as shared rows.

    Args:
        feeds: Typed feeds `receipt_lines`, `till_totals`, `products`, `stores`.
        cards: Loyalty cards (`card_no`, `member_no`).
    """
    lines = newest(feeds["receipt_lines"], "receipt_id", "line_no").join(
        cards.select(F.col("card_no").alias("loyalty_card_no"), "member_no"), on="loyalty_card_no", how="left"
    )
    payments = lines.where("payment_token is not null")
    return {
        "person": shaped(
            payments.groupBy("payment_token").agg(F.min("sold_at").alias("since")),
            PERSON,
            source=F.lit(SOURCE),
            source_key="payment_token",
            subject_kind=F.lit("customer"),
            linkage=F.lit("allowed"),
            valid_from="since",
            first_seen_at="since",
        ),
        "identifier": _identifiers(payments),
        "sale_line": lines.select(
            "receipt_id", "line_no", "store_id", "sold_at", "product_id", "quantity", "gross_amount",
            "discount_amount", "net_amount", "currency", "member_no", "payment_token", "e_receipt_email",
        ),
        "till_total": newest(feeds["till_totals"], "store_id", "business_date").select(
            "store_id", F.col("business_date").alias("business_on"), "lines", "net_amount", "currency"
        ),
        "product": _versions(feeds["products"], "product_id").withColumnRenamed("sensitive", "is_sensitive"),
        "store": _versions(feeds["stores"], "store_id"),
    }  # fmt: skip


def _identifiers(payments: DataFrame) -> DataFrame:
    """What a payer showed. A member counts only when no other member's card was ever shown with that token."""
    found = carried(
        payments,
        source=SOURCE,
        key="payment_token",
        seen=F.col("sold_at"),
        values={
            "payment_token": F.array("payment_token"),
            "loyalty_card": F.array("loyalty_card_no"),
            "loyalty_member": F.array("member_no"),
            "email": F.array("e_receipt_email"),
        },
    )
    members = F.count(F.when(F.col("namespace") == "loyalty_member", 1)).over(
        Window.partitionBy("source_key")
    )
    return shaped(
        found.withColumn("members", members).where("namespace != 'loyalty_member' or members = 1"),
        IDENTIFIER,
        **{name: name for name in found.columns},
    )


def _versions(feed: DataFrame, key: str) -> DataFrame:
    """A row a version: from its first day to the first day of the next."""
    versions = newest(feed, key, "valid_from")
    following: Column = F.lead("valid_from").over(Window.partitionBy(key).orderBy("valid_from"))
    return (
        versions.withColumn("valid_to_on", following)
        .withColumnRenamed("valid_from", "valid_from_on")
        .drop("file_id", "file", "row_no", "delivered_on")
    )

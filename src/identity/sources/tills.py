"""Tills: receipt lines, control totals, products and stores.

A till knows no persons, only what was shown at payment: the payment card's token stands for the payer and is
the person record of this source. A loyalty card on the same receipt ties the token to the card's holder.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.sources.rows import IDENTIFIER, PERSON, Feeds, Rows, carried, names_of, newest, shaped

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
    """What a payer showed: the payment card, e-receipt addresses, loyalty cards, and the member they speak for."""
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
    speaks = _members_spoken_for(payments).withColumn("namespace", F.lit("loyalty_member"))
    of_member = found.join(speaks, on=["source_key", "namespace", "raw"], how="left_semi")
    every = found.where("namespace != 'loyalty_member'").unionByName(of_member.select(*found.columns))
    return every.select(*names_of(IDENTIFIER))


def _members_spoken_for(payments: DataFrame) -> DataFrame:
    """Payment cards that are the member's own: `source_key`, `raw` (member).

    Households pay with one card and show another's loyalty card. So a payment card is the member's when no other
    member's card was ever shown with it, and it was shown with this one twice or is the only one shown with it.
    """
    shown = (
        payments.where("member_no is not null")
        .groupBy("payment_token", "member_no")
        .agg(F.count_distinct("receipt_id").alias("receipts"))
    )
    members = F.count("*").over(Window.partitionBy("payment_token"))
    tokens = F.count("*").over(Window.partitionBy("member_no"))
    judged = shown.withColumn("members", members).withColumn("tokens", tokens)
    return judged.where("members = 1 and (receipts > 1 or tokens = 1)").select(
        F.col("payment_token").alias("source_key"), F.col("member_no").alias("raw")
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

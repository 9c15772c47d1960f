"""The suppression list: identifiers whose records are never taken in again, known only by their keyed hashes."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Feed


def carried_identifiers(records: DataFrame, feeds: Mapping[str, Feed]) -> DataFrame:
    """Identifiers as delivered: a row a record and value.

    Args:
        records: Accepted records: `feed`, `file_id`, `row_no`, `record`.
        feeds: Feeds by name; their contracts say which columns identify, and which say whose a line is.

    Returns:
        `file_id`, `row_no`, `namespace`, `raw`, and `is_owner`: whether it says whose the line is.
    """
    columns = [(name, feed, column_name) for name, feed in feeds.items() for column_name in feed.identifying]
    each = []
    for name, feed, column_name in columns:
        column, text = feed.columns[column_name], F.get_json_object("record", f"$.{column_name}")
        raws = F.from_json(text, "array<string>") if column.type.startswith("array") else F.array(text)
        here = F.when(F.col("feed") == name, raws)
        namespace, is_owner = F.lit(column.identifier).alias("namespace"), _is_owner(column_name, feed)
        each.append(F.struct(namespace, is_owner.alias("is_owner"), here.alias("raws")))
    return (
        records.select("file_id", "row_no", F.explode(F.array(*each)).alias("e"))
        .select("file_id", "row_no", "e.namespace", "e.is_owner", F.explode("e.raws").alias("raw"))
        .where("raw is not null")
    )


def suppressed(identifiers: DataFrame, suppression: DataFrame) -> DataFrame:
    """Records that carry a suppressed identifier, or are owned by one that is suppressed as owner only.

    Args:
        identifiers: `file_id`, `row_no`, `namespace`, `value_hmac`, `is_owner`.
        suppression: `namespace`, `value_hmac`, `is_owner_only`.

    Returns:
        Distinct `file_id`, `row_no`.
    """
    listed = F.broadcast(suppression.select("namespace", "value_hmac", "is_owner_only"))
    return (
        identifiers.join(listed, on=["namespace", "value_hmac"], how="inner")
        .where("is_owner or not is_owner_only")
        .select("file_id", "row_no")
        .distinct()
    )


def _is_owner(column_name: str, feed: Feed) -> Column:
    """Whether a column says whose a record is: none before it is filled. Where no column is named for it, each does."""
    if not feed.owners:
        return F.lit(True)
    if column_name not in feed.owners:
        return F.lit(False)
    is_owner = F.lit(True)
    for before in feed.owners[: feed.owners.index(column_name)]:
        text = F.get_json_object("record", f"$.{before}")
        is_owner = is_owner & (F.coalesce(F.trim(text), F.lit("")) == "")
    return is_owner

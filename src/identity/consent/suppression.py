"""The suppression list: identifiers whose records are never taken in again, known only by their keyed hashes."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Feed


def carried_identifiers(records: DataFrame, feeds: Mapping[str, Feed]) -> DataFrame:
    """Identifiers as delivered: a row a record and value, with `file_id`, `row_no`, `namespace`, `raw`.

    Args:
        records: Accepted records: `feed`, `file_id`, `row_no`, `record`.
        feeds: Feeds by name; their contracts say which columns identify.
    """
    columns = [
        (name, column_name, column.identifier, column.type)
        for name, feed in feeds.items()
        for column_name, column in feed.columns.items()
        if column.identifier
    ]
    each = []
    for feed, column_name, namespace, kind in columns:
        text = F.get_json_object("record", f"$.{column_name}")
        raws = F.from_json(text, "array<string>") if kind.startswith("array") else F.array(text)
        here = F.when(F.col("feed") == feed, raws)
        each.append(F.struct(F.lit(namespace).alias("namespace"), here.alias("raws")))
    return (
        records.select("file_id", "row_no", F.explode(F.array(*each)).alias("e"))
        .select("file_id", "row_no", "e.namespace", F.explode("e.raws").alias("raw"))
        .where("raw is not null")
    )


def suppressed(identifiers: DataFrame, suppression: DataFrame) -> DataFrame:
    """Records that carry a suppressed identifier: distinct `file_id`, `row_no`."""
    return (
        identifiers.join(
            F.broadcast(suppression.select("namespace", "value_hmac")),
            on=["namespace", "value_hmac"],
            how="left_semi",
        )
        .select("file_id", "row_no")
        .distinct()
    )

"""Devices: a cookie or mobile id belongs to a person for an interval, and never joins two persons.

A device belongs to whoever logged in on it, from that login until somebody else's; somebody who may not be joined ends
it as any other, and owns nothing. What it did before its first
login goes to the first owner within a look-back. A device with more owners than its namespace allows is shared:
its events stay with the device.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Namespace


def logins(views: DataFrame, permission: DataFrame, clusters: DataFrame) -> DataFrame:
    """Logins on devices that may be joined: `namespace`, `value_hmac`, `at`, the person's `cluster` and `part`, `is_barred`.

    Args:
        views: `namespace`, `value_hmac`, `login_id`, `occurred_at`; robots left out.
        permission: Gate L, devices and logins included.
        clusters: `source`, `source_key`, `cluster`, `part` of every record.
    """
    judged = permission.withColumn("is_barred", F.col("link_permission") != "permitted")
    devices = judged.where("not is_barred").select(
        F.col("source").alias("namespace"), F.col("source_key").alias("value_hmac")
    )
    persons = judged.where("source = 'web_events'").join(clusters, on=["source", "source_key"], how="inner")
    return (
        views.where("login_id is not null")
        .join(devices, on=["namespace", "value_hmac"], how="left_semi")
        .join(
            persons.select(F.col("source_key").alias("login_id"), "cluster", "part", "is_barred"),
            on="login_id",
            how="inner",
        )
        .select("namespace", "value_hmac", F.col("occurred_at").alias("at"), "cluster", "part", "is_barred")
    )


def owners(found: DataFrame, *, namespaces: Mapping[str, Namespace], look_back_days: int) -> DataFrame:
    """Intervals of ownership by a confirmed part of a person.

    Returns:
        `namespace`, `value_hmac`, `cluster`, `part` (both null for a person who may not be joined), `from_at`, `to_at`
        (open when null), `is_shared`.
    """
    limit = F.create_map(*(F.lit(part) for name, n in namespaces.items() for part in (name, n.max_persons)))
    device = Window.partitionBy("namespace", "value_hmac")
    in_time = device.orderBy("at", "cluster", "part")
    changes = (
        found.withColumn("before", F.lag("part").over(in_time))
        .where("before is null or before != part")
        .withColumn("is_first", F.col("before").isNull())
    )
    back = F.col("at") - F.make_dt_interval(F.lit(look_back_days))
    return changes.select(
        "namespace",
        "value_hmac",
        *(F.when(~F.col("is_barred"), F.col(name)).alias(name) for name in ("cluster", "part")),
        F.when(F.col("is_first"), back).otherwise(F.col("at")).alias("from_at"),
        F.lead("at").over(in_time).alias("to_at"),
        (F.size(F.collect_set("cluster").over(device)) > limit[F.col("namespace")]).alias("is_shared"),
    )


def sole_owner(intervals: DataFrame) -> DataFrame:
    """Devices that only one person ever used: they become records of the person.

    Returns:
        `source`, `source_key`, `cluster`, `part`; null for a device that several parts of the person used.
    """
    return (
        intervals.groupBy(F.col("namespace").alias("source"), F.col("value_hmac").alias("source_key"))
        .agg(
            F.collect_set("cluster").alias("clusters"),
            F.collect_set("part").alias("parts"),
            F.every(F.col("cluster").isNotNull()).alias("is_known"),
        )
        .where("size(clusters) = 1 and is_known")
        .select(
            "source",
            "source_key",
            F.col("clusters")[0].alias("cluster"),
            F.when(F.size("parts") == 1, F.col("parts")[0]).alias("part"),
        )
    )

"""Blast radius: what a run would change about the golden ids that live, before it changes them.

What people ask for (deleted records, withdrawn permissions) and what visitors do (devices change hands) is told
and not counted against the limit; docs/adr/0013 says why.
"""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.resolve.golden_id import Inheritance

_KEY: Final = ["source", "source_key"]
WHY: Final = ("matching", "departure", "consent", "device")
"""Why a record that stands on both days has another golden id than it had."""
FATES: Final = ("kept", "merged", "retired")


def fates(today: Inheritance, open_members: DataFrame) -> DataFrame:
    """What becomes of every golden id that lived before this run.

    A row is an id: `golden_id`; `is_person` (it held a record that is no device); `fate` (kept, merged, retired);
    `is_split` (a new id parts from it); `moved_<why>`, how many of its records get another id, by `WHY`;
    `is_changed` (it was a person's, and by matching a record leaves it for another id or comes from another id).

    Args:
        today: What `inherit` found.
        open_members: Open rows of id.golden_member before this run.
    """
    records = _records(today, open_members)
    moved = [F.count_if(F.col("why") == why).alias(f"moved_{why}") for why in WHY]
    ids = records.groupBy("golden_id").agg(F.bool_or(~_is_device()).alias("is_person"), *moved)
    by_matching = records.where("why = 'matching'")
    gaining = (
        by_matching.select(F.col("now_id").alias("golden_id")).distinct().withColumn("gains", F.lit(True))
    )
    living = today.members.select("golden_id").distinct().withColumn("lives", F.lit(True))
    merged = today.merged.select("golden_id").withColumn("is_merged", F.lit(True))
    split = today.minted.where("split_from is not null").select(F.col("split_from").alias("golden_id"))
    split = split.distinct().withColumn("is_split", F.lit(True))
    for told in (gaining, living, merged, split):
        ids = ids.join(told, on="golden_id", how="left")
    fate = F.when(F.col("lives"), "kept").when(F.col("is_merged"), "merged").otherwise("retired")
    return ids.select(
        "golden_id",
        "is_person",
        fate.alias("fate"),
        F.coalesce("is_split", F.lit(False)).alias("is_split"),
        *(f"moved_{why}" for why in WHY),
        (F.col("is_person") & (F.coalesce("gains", F.lit(False)) | (F.col("moved_matching") > 0))).alias(
            "is_changed"
        ),
    )


def totals(ids: DataFrame) -> DataFrame:
    """The rows of `fates` in one: `before`, `persons_before`, `changed`, `split`, a fate, a `moved_<why>` a column."""
    return ids.agg(
        F.count("*").alias("before"),
        F.count_if("is_person").alias("persons_before"),
        F.count_if("is_changed").alias("changed"),
        F.count_if("is_split").alias("split"),
        *(F.count_if(F.col("fate") == fate).alias(fate) for fate in FATES),
        *(F.coalesce(F.sum(f"moved_{why}"), F.lit(0)).alias(f"moved_{why}") for why in WHY),
    )


def _records(today: Inheritance, open_members: DataFrame) -> DataFrame:
    """Yesterday's records with the id they had, `now_id`, and `why` they have another; null if they do not."""
    now = today.members.select(
        *_KEY, F.col("golden_id").alias("now_id"), F.col("link_permission").alias("now_permission")
    )
    records = open_members.join(now, on=_KEY, how="left")
    withdrew = F.col("now_id").isNull() | (F.col("link_permission") != F.col("now_permission"))
    of_one_id = Window.partitionBy("golden_id")
    records = records.withColumn("is_disturbed", F.max(withdrew & ~_is_device()).over(of_one_id))
    why = (
        F.when(F.col("now_id").isNull() | (F.col("now_id") == F.col("golden_id")), None)
        .when(_is_device(), "device")
        .when(withdrew, "consent")
        .when(F.col("is_disturbed"), "departure")
        .otherwise("matching")
    )
    return records.select("golden_id", *_KEY, "now_id", why.alias("why"))


def _is_device() -> Column:
    return F.col("source").isin("cookie", "mobile_id")

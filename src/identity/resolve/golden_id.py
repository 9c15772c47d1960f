"""Golden ids that stay: minted once, inherited by overlap, with a crosswalk from every id to the one it lives on as."""

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import STRENGTHS
from identity.standardise.identifiers import keyed_hash

_KEY = ["source", "source_key"]


@dataclass(frozen=True)
class Inheritance:
    """Which cluster is which golden id today.

    Attributes:
        members: `golden_id`, `part`, `source`, `source_key`, `level`, `link_permission`, `confidence`, `cluster`. `part`
            names what identifiers or decisions hold together within the id.
        merged: `golden_id` that ended, `live_golden_id` it lives on as.
        minted: `golden_id` that is new, `split_from` (null unless its records came from an id that lives on).
    """

    members: DataFrame
    merged: DataFrame
    minted: DataFrame


def strength() -> Column:
    """How strong a record's `level` is, as a number."""
    return F.create_map(*(F.lit(part) for item in STRENGTHS.items() for part in item))[F.col("level")]


def part_name(first_record: Column) -> Column:
    """What a part is called: a part is found by its first record, whose key need not be told."""
    return F.substring(F.sha2(first_record, 256), 1, 16)


def inherit(
    clusters: DataFrame, open_members: DataFrame, born: DataFrame, *, key: bytes, on: dt.date
) -> Inheritance:
    """Give every cluster its golden id.

    An id goes to the cluster that holds most of its records (ties: the highest level, then the oldest record), but
    never with devices alone while a person's record of it stands elsewhere. A cluster that holds several ids keeps the
    oldest of those that persons' records bring, and only where devices alone bring ids the oldest of theirs. A cluster
    without an id gets one, minted from its oldest record and the run date.

    Args:
        clusters: `source`, `source_key`, `cluster`, `part`, `level`, `link_permission`, `confidence`, `first_seen_at`.
        open_members: Open rows of id.golden_member before this run.
        born: `golden_id`, `born_on` of every id ever minted.
        key: Key of golden ids.
        on: Run date.
    """
    old = open_members.select(*_KEY, F.col("golden_id").alias("old_golden_id"))
    records = clusters.join(old, on=_KEY, how="left")
    oldest = F.struct("first_seen_at", *_KEY)
    parts = (
        records.where("old_golden_id is not null")
        .groupBy("old_golden_id", "cluster")
        .agg(
            F.count("*").alias("overlap"), F.max(strength()).alias("strength"), F.min(oldest).alias("oldest")
        )
        .withColumn("is_persons", F.col("strength") >= STRENGTHS["identified"])
        .join(born.withColumnRenamed("golden_id", "old_golden_id"), on="old_golden_id", how="left")
    )
    largest = Window.partitionBy("old_golden_id").orderBy(
        F.desc("is_persons"), F.desc("overlap"), F.desc("strength"), "oldest"
    )
    # A visitor who logs in goes over to the person's id, however long the device has been known.
    first_born = Window.partitionBy("cluster").orderBy(
        F.desc("is_persons"), F.asc_nulls_last("born_on"), "old_golden_id"
    )
    claims = (
        parts.withColumn("place", F.row_number().over(largest))
        .where("place = 1")
        .withColumn("age", F.row_number().over(first_born))
        .select("old_golden_id", "cluster", "age")
    )
    kept = claims.where("age = 1").select("cluster", F.col("old_golden_id").alias("kept_id"))
    first = records.groupBy("cluster").agg(
        F.min(oldest).alias("oldest"), F.min("old_golden_id").alias("came_from")
    )
    # A second run of a date mints other ids than the first, also where an old one begins with the same record.
    minted_before = born.where(F.col("born_on") == F.lit(on)).agg(F.count("*").alias("minted_before"))
    ids = first.join(kept, on="cluster", how="left").crossJoin(F.broadcast(minted_before))
    ids = ids.withColumn("new_id", _mint(key, on))
    ids = ids.select(
        "cluster",
        F.coalesce("kept_id", "new_id").alias("golden_id"),
        F.col("kept_id").isNull().alias("is_new"),
        F.when(F.col("kept_id").isNull(), F.col("came_from")).alias("split_from"),
    )
    return Inheritance(
        members=records.join(ids.select("cluster", "golden_id"), on="cluster", how="inner").select(
            "golden_id",
            part_name(F.col("part")).alias("part"),
            *_KEY,
            "level",
            "link_permission",
            "confidence",
            "cluster",
        ),
        merged=claims.where("age > 1")
        .join(kept, on="cluster", how="inner")
        .select(F.col("old_golden_id").alias("golden_id"), F.col("kept_id").alias("live_golden_id")),
        minted=ids.where("is_new").select("golden_id", "split_from"),
    )


def membership(members: DataFrame, before: DataFrame, *, on: dt.date) -> DataFrame:
    """id.golden_member after this run: what changed is closed and opened anew, all else is as it was.

    Of a record that is gone, its closed row goes on naming the part it was of, as that is called today.

    Args:
        members: `Inheritance.members`.
        before: All of id.golden_member before this run.
        on: Run date.
    """
    today = members.select(*_KEY, F.col("golden_id").alias("today_id"))
    old = before.join(today, on=_KEY, how="left")
    is_open = F.col("valid_to_on").isNull()
    stays = is_open & F.col("golden_id").eqNullSafe(F.col("today_id"))
    closed = (
        old.where(~stays)
        .withColumn("valid_to_on", F.coalesce("valid_to_on", F.lit(on)))
        .where("valid_to_on > valid_from_on")  # opened and closed on one day: it never held
        .join(_parts_today(members, before.where(is_open)), on="part", how="left")
        .withColumn("part", F.when(F.col("today_id").isNull(), _part_of_gone()).otherwise(F.col("part")))
        .select(*before.columns)
    )
    since = old.where(stays).select(*_KEY, "valid_from_on")
    opened = members.join(since, on=_KEY, how="left").select(
        "golden_id", "part", *_KEY, "level", "link_permission", "confidence",
        F.coalesce("valid_from_on", F.lit(on)).alias("valid_from_on"),
        F.lit(None).cast("date").alias("valid_to_on"),
    )  # fmt: skip
    return closed.unionByName(opened)


def _parts_today(members: DataFrame, open_members: DataFrame) -> DataFrame:
    """What the parts of yesterday have become: `part`, `now`; devices go from one to another, and do not count."""
    persons = members.where(strength() >= STRENGTHS["identified"]).select(*_KEY, F.col("part").alias("now"))
    return (
        open_members.join(persons, on=_KEY, how="inner")
        .groupBy("part")
        .agg(F.collect_set("now").alias("now"))
    )


def _part_of_gone() -> Column:
    """A part that has become several is none of them for certain: what is gone of it is a part of its own."""
    alone = part_name(F.concat_ws("\x1f", *_KEY))
    return F.when(F.size("now") == 1, F.col("now")[0]).when(F.size("now") > 1, alone).otherwise(F.col("part"))


def crosswalk(before: DataFrame, today: Inheritance, *, on: dt.date) -> DataFrame:
    """id.crosswalk after this run: every id ever published, and where it lives today."""
    live = today.members.select("golden_id").distinct().withColumn("is_live", F.lit(True))
    moved = today.merged.select(
        F.col("golden_id").alias("live_golden_id"), F.col("live_golden_id").alias("moved_to")
    )
    known = before.withColumnRenamed("golden_id", "id").join(moved, on="live_golden_id", how="left")
    known = known.withColumn("target", F.coalesce("moved_to", "live_golden_id", "id"))
    targets = live.select(F.col("golden_id").alias("target"), "is_live")
    followed = known.join(targets, on="target", how="left").select(
        F.col("id").alias("golden_id"),
        F.when(F.col("is_live"), F.col("target")).alias("new_live"),
        F.when(~F.coalesce("is_live", F.lit(False)), "retired")
        .when(F.col("target") != F.col("id"), "merged")
        .otherwise("live")
        .alias("new_why"),
        F.col("live_golden_id").alias("old_live"),
        "since_on",
    )
    stayed = F.col("old_live").eqNullSafe(F.col("new_live"))
    old = followed.select(
        "golden_id",
        F.col("new_live").alias("live_golden_id"),
        F.when(stayed, F.col("since_on")).otherwise(F.lit(on)).alias("since_on"),
        F.col("new_why").alias("why"),
    )
    new = live.join(before, on="golden_id", how="left_anti").select(
        "golden_id",
        F.col("golden_id").alias("live_golden_id"),
        F.lit(on).alias("since_on"),
        F.lit("live").alias("why"),
    )
    return old.unionByName(new)


def _mint(key: bytes, on: dt.date) -> Column:
    """A keyed hash of the oldest record and the run date, shaped as a UUID (version 8, RFC 9562).

    Of a second run of the date also of how many ids the date has: no id is minted twice, nor comes back.
    """
    nth = F.when(F.col("minted_before") > 0, F.col("minted_before").cast("string"))
    text = keyed_hash(
        F.concat_ws("\x1f", F.lit("golden"), "oldest.source", "oldest.source_key", F.lit(str(on)), nth),
        key=key,
    )
    parts = (F.substring(text, 1, 8), F.substring(text, 9, 4), F.concat(F.lit("8"), F.substring(text, 14, 3)),
             F.concat(F.lit("8"), F.substring(text, 18, 3)), F.substring(text, 21, 12))  # fmt: skip
    return F.concat_ws("-", *parts)

"""The ledger: everything that ever happened to a golden id, from which membership can be told as of any date."""

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.resolve.golden_id import Inheritance

_KEY = ["source", "source_key"]


def ledger(
    today: Inheritance,
    open_members: DataFrame,
    edges: DataFrame,
    history: DataFrame,
    *,
    run_id: str,
    recorded_at: dt.datetime,
    on: dt.date,
) -> DataFrame:
    """The events of this run, in the shape of id.golden_history.

    Args:
        today: What `inherit` found.
        open_members: Open rows of id.golden_member before this run.
        edges: id.edge of this run.
        history: id.golden_history before this run.
        run_id: The run.
        recorded_at: Start of the run.
        on: Run date.
    """
    still = today.members.select("golden_id").distinct()
    gone = (
        open_members.select("golden_id").distinct()
        .join(still, on="golden_id", how="left_anti")
        .join(today.merged, on="golden_id", how="left_anti")
    )  # fmt: skip
    why_minted = F.when(F.col("split_from").isNull(), "new_record").otherwise("edge_lost")
    events = [
        _events(
            today.minted,
            _event("minted", cause=why_minted),
            _event("split", other=F.col("split_from"), cause=why_minted),
        ).where("event = 'minted' or other_golden_id is not null"),
        _events(
            today.merged,
            _event("merged", other=F.col("live_golden_id"), cause=F.lit("edge"), part=F.col("golden_id")),
        ),
        _events(gone, _event("retired", cause=F.lit("record_gone"))),
        _of_records(today, open_members),
    ]
    table = events[0]
    for more in events[1:]:
        table = table.unionByName(more)
    table = table.join(_joining_rules(edges, open_members), on="part", how="left").drop("part")
    # A date may be run again after a late file: what then happens a second time is a second event.
    earlier = history.where(F.col("effective_on") == F.lit(on)).agg(F.countDistinct("recorded_at").alias("n"))
    table = table.crossJoin(F.broadcast(earlier))
    told = [F.coalesce(F.col(name), F.lit("")) for name in ("event", "golden_id", "other_golden_id", *_KEY)]
    told += [F.when(F.col("n") > 0, F.col("n").cast("string"))]
    return table.select(
        F.substring(F.sha2(F.concat_ws("\x1f", F.lit(str(on)), *told), 256), 1, 32).alias("event_id"),
        "event",
        "golden_id",
        "other_golden_id",
        *_KEY,
        "cause",
        "detail",
        F.lit(on).alias("effective_on"),
        F.lit(recorded_at).alias("recorded_at"),
        F.lit(run_id).alias("run_id"),
    )


def replay(history: DataFrame, *, on: dt.date) -> DataFrame:
    """Membership as of a date, told by the ledger alone: `golden_id`, `source`, `source_key`.

    Whoever joined more often than left is a member; so the order of events within a date does not matter.

    Args:
        history: id.golden_history.
        on: The date; events of later dates do not count.
    """
    step = F.when(F.col("event") == "joined", 1).otherwise(-1)
    return (
        history.where(F.col("event").isin("joined", "left") & (F.col("effective_on") <= F.lit(on)))
        .groupBy("golden_id", *_KEY)
        .agg(F.sum(step).alias("n"))
        .where("n <> 0")  # below 0 would be a fault, and is not to be hidden
        .select("golden_id", *_KEY)
    )


def _joining_rules(edges: DataFrame, open_members: DataFrame) -> DataFrame:
    """The rule that joined a part to what it was no part of: `part`, `detail`, one row a part.

    A part is an id of yesterday, or a new record by itself; its rule is that of the strongest used edge across.
    """
    used = edges.where("fate = 'used'")
    for side in ("l", "r"):
        keys = {name: f"{name}_{side}" for name in _KEY}
        was = open_members.select(*_KEY, F.col("golden_id").alias("was_id")).withColumnsRenamed(keys)
        used = used.join(was, on=[*keys.values()], how="left")
        used = used.withColumn(f"part_{side}", F.coalesce("was_id", _alone(f"_{side}"))).drop("was_id")
    across = used.where("part_l <> part_r")
    parts = across.select(F.explode(F.array("part_l", "part_r")).alias("part"), "rank", "rule")
    return parts.groupBy("part").agg(F.min(F.struct("rank", "rule"))["rule"].alias("detail"))


def _alone(suffix: str = "") -> Column:
    """A record as a part of its own; no golden id looks like it."""
    return F.concat_ws("\x1f", *(f"{name}{suffix}" for name in _KEY))


def _of_records(today: Inheritance, open_members: DataFrame) -> DataFrame:
    """A record whose id is another than before leaves the one and joins the other."""
    was = open_members.select(
        *_KEY, F.col("golden_id").alias("was_id"), F.col("link_permission").alias("was_permission")
    )
    merged = today.merged.select(F.col("golden_id").alias("was_id"), F.lit(True).alias("was_merged"))
    moved = (
        today.members.join(was, on=_KEY, how="full")
        .where("not (golden_id <=> was_id)")
        .join(F.broadcast(merged), on="was_id", how="left")
    )
    by_consent = F.col("link_permission") != F.col("was_permission")
    otherwise = F.when(by_consent, "consent").otherwise("edge_lost")
    why_left = (
        F.when(F.col("was_merged"), "edge")
        .when(F.col("golden_id").isNull(), "record_gone")
        .otherwise(otherwise)
    )
    why_joined = (
        F.when(F.col("was_id").isNull(), "new_record").when(F.col("was_merged"), "edge").otherwise(otherwise)
    )
    part = F.when(F.col("was_id").isNull() | F.col("was_merged"), F.coalesce("was_id", _alone()))
    left = _event("left", of=F.col("was_id"), cause=why_left, of_record=True)
    joined = _event("joined", cause=why_joined, of_record=True, part=part)
    return _events(moved, left, joined).where("golden_id is not null")


def _event(
    event: str,
    *,
    cause: Column,
    of: Column | None = None,
    other: Column | None = None,
    of_record: bool = False,
    part: Column | None = None,
) -> Column:
    """An event of a row; `part` is what joined, where a rule is to be told."""
    nothing = F.lit(None).cast("string")
    return F.struct(
        F.lit(event).alias("event"),
        (F.col("golden_id") if of is None else of).alias("golden_id"),
        (nothing if other is None else other).alias("other_golden_id"),
        *((F.col(name) if of_record else nothing).alias(name) for name in _KEY),
        cause.alias("cause"),
        (nothing if part is None else part).alias("part"),
    )


def _events(rows: DataFrame, *events: Column) -> DataFrame:
    """Every row's events, as rows."""
    return rows.select(F.inline(F.array(*events)))

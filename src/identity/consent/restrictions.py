"""Restriction of processing (GDPR art. 18): what is restricted is stored and joined, and shown nowhere.

It is kept by record, so that it outlives a change of golden ids, and it holds for the whole golden id, doubtful records
too: the records are still matched, for otherwise a record delivered tomorrow would escape the restriction.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_RECORD: Final = ["source", "source_key"]
_NEVER: Final = dt.date(9999, 12, 31)


def in_force(rows: Iterable[Mapping[str, Any]], *, on: dt.date) -> list[tuple[str, str]]:
    """Records that rows of consent.restriction restrict on a date: source and key, sorted."""
    return sorted(
        {
            (row["source"], row["source_key"])
            for row in rows
            if row["from_on"] <= on and (row["to_on"] is None or row["to_on"] > on)
        }
    )


def restrictions(
    before: DataFrame, members: DataFrame, held: DataFrame, crosswalk: DataFrame, *, on: dt.date
) -> DataFrame:
    """consent.restriction after this run: whoever is found to be a restricted person comes under it from this day.

    That is, the records of the confirmed part of a restricted one; and where a restricted one is gone, all records of
    the golden id that held it last, as that is called today, for any of them may have taken its place. A device passes
    nothing on and takes nothing over, for it goes from one person to another.

    Args:
        before: consent.restriction before this run.
        members: Who is a member today: `golden_id`, `part`, `source`, `source_key`, `level`.
        held: id.golden_member before this run, closed rows too.
        crosswalk: id.crosswalk after this run.
        on: Run date.
    """
    to = F.coalesce("to_on", F.lit(_NEVER))
    in_force = before.where((F.col("from_on") <= F.lit(on)) & (to > F.lit(on))).select(
        *_RECORD, F.struct(to.alias("to_on"), "request_id", "reason").alias("told")
    )
    is_device = F.col("level").isin("cookie", "mobile")
    here = members.join(F.broadcast(in_force), on=_RECORD, how="inner")
    of_part = here.where(~is_device).select("part", "told")
    gone = in_force.join(here, on=_RECORD, how="left_anti")
    until = F.coalesce("valid_to_on", F.lit(_NEVER))
    last = (
        held.where(~is_device)
        .join(F.broadcast(gone), on=_RECORD, how="inner")
        .groupBy(*_RECORD, "told")
        .agg(F.max_by("golden_id", until).alias("golden_id"))
    )
    of_id = last.join(crosswalk, on="golden_id", how="inner").select("live_golden_id", "told")
    persons = members.where(~is_device)
    joined = persons.join(F.broadcast(of_part), on="part", how="inner").select(*_RECORD, "told")
    heirs = persons.join(
        F.broadcast(of_id), on=F.col("golden_id") == F.col("live_golden_id"), how="inner"
    ).select(*_RECORD, "told")
    fresh = (
        joined.unionByName(heirs)
        .join(F.broadcast(in_force.select(*_RECORD)), on=_RECORD, how="left_anti")
        .groupBy(*_RECORD)
        .agg(F.max("told").alias("told"))
        .select(
            *_RECORD,
            F.lit(on).alias("from_on"),
            F.nullif("told.to_on", F.lit(_NEVER)).alias("to_on"),
            "told.reason",
            "told.request_id",
        )
    )
    # One that was lifted on this very day has the key of the one that begins.
    kept = before.join(fresh, on=[*_RECORD, "from_on"], how="left_anti")
    return kept.unionByName(fresh)


def restricted_ids(members: DataFrame, restricted: DataFrame) -> DataFrame:
    """Golden ids with a restricted record: `golden_id`, distinct.

    Args:
        members: Open rows of id.golden_member.
        restricted: `source`, `source_key`.
    """
    named = members.join(F.broadcast(restricted), on=["source", "source_key"], how="left_semi")
    return named.select("golden_id").distinct()


def without(frame: DataFrame, restricted: DataFrame | None) -> DataFrame:
    """Rows that are of no restricted golden id; rows of nobody stay.

    Args:
        frame: Rows with `golden_id`.
        restricted: `restricted_ids`; None where nobody is.
    """
    return frame if restricted is None else frame.join(restricted, on="golden_id", how="left_anti")


def unnamed(lines: DataFrame, restricted: DataFrame | None) -> DataFrame:
    """Receipt lines, those of restricted buyers without `buyer` and `part`: the sums must be the till's.

    Args:
        lines: Lines with `buyer` and `part`.
        restricted: `restricted_ids`; None where nobody is.
    """
    if restricted is None:
        return lines
    marked = restricted.select(F.col("golden_id").alias("buyer"), F.lit(True).alias("is_restricted"))
    shown = F.col("is_restricted").isNull()
    return (
        lines.join(marked, on="buyer", how="left")
        .withColumns({name: F.when(shown, F.col(name)) for name in ("buyer", "part")})
        .select(*lines.columns)
    )

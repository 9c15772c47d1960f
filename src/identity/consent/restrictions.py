"""Restriction of processing (GDPR art. 18): what is restricted is stored and joined, and shown nowhere.

It is kept by record, so that it outlives a change of golden ids, and it holds for the whole golden id, doubtful records
too: the records are still matched, for otherwise a record delivered tomorrow would escape the restriction.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def in_force(rows: Iterable[Mapping[str, Any]], *, on: dt.date) -> list[tuple[str, str]]:
    """Records that rows of consent.restriction restrict on a date: source and key, sorted."""
    return sorted(
        {
            (row["source"], row["source_key"])
            for row in rows
            if row["from_on"] <= on and (row["to_on"] is None or row["to_on"] > on)
        }
    )


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

"""Conflicts wait to be asked again: who said yes and no, and since when nobody knows which counts."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def repermission(decided: DataFrame, before: DataFrame, *, on: dt.date) -> DataFrame:
    """consent.repermission after this run: a row a question whose answers are in conflict.

    Args:
        decided: consent.effective of this run.
        before: consent.repermission before it.
        on: Run date.
    """
    question = ["golden_id", "purpose", "contact_point"]
    since = before.select(*question, F.col("since_on").alias("known_since"))
    return (
        decided.where("is_conflict")
        .select(*question, "channel", F.col("winning_event_key").alias("refusal_event_key"))
        .join(since, on=question, how="left")
        .withColumn("since_on", F.coalesce("known_since", F.lit(on)))
        .drop("known_since")
    )

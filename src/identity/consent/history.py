"""The ledger of decisions: any decision can be explained as of any date since it is kept.

`consent.effective` is written anew by every run, and silver follows what sources deliver; so a row here holds what the
winning statement said. Not its key, which is made from the row's own columns: it changes with the secret key.
"""

import datetime as dt
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.contracts import contract_of

_QUESTION: Final = ["golden_id", "purpose", "contact_point"]
_COLUMNS: Final = contract_of("consent.history").columns
_STATE: Final = [name for name in _COLUMNS if name not in (*_QUESTION, "decided_on")]


def explained(decided: DataFrame, events: DataFrame, members: DataFrame) -> DataFrame:
    """Decisions as consent.history tells them, without `decided_on`.

    Args:
        decided: consent.effective.
        events: silver.consent_event of the same run.
        members: `golden_id`, `part` of the same run.
    """
    said = events.select(
        "purpose",
        F.col("source").alias("winning_source"),
        F.col("event_key").alias("winning_event_key"),
        F.col("subject_namespace").alias("winning_subject_namespace"),
        F.col("subject_hmac").alias("winning_subject_hmac"),
        F.col("value").alias("winning_value"),
        F.col("asserted_at").alias("winning_asserted_at"),
        F.col("notice_version").alias("winning_notice_version"),
    )
    parts = members.groupBy("golden_id").agg(F.countDistinct("part").alias("parts"))
    # A part is called after its first record, and that changes; whether it is all of them seldom does.
    are_some = F.size("permitted_parts").between(F.lit(1), F.col("parts") - 1)
    return (
        decided.join(said, on=["purpose", "winning_source", "winning_event_key"], how="left")
        .join(parts, on="golden_id", how="left")
        .withColumn("permitted_parts", F.when(are_some, F.col("permitted_parts")))
        .select(*_QUESTION, *_STATE)
    )


def changes(history: DataFrame, now: DataFrame, *, on: dt.date) -> DataFrame:
    """The rows of a run: what is decided otherwise than before its date, and what is decided no more.

    Args:
        history: consent.history; rows of the run date, which the run replaces, do not count.
        now: What `explained` returns.
        on: Run date.
    """
    was = in_force(earlier(history, on=on)).select(*_QUESTION, F.struct(*_STATE).alias("was"))
    both = now.select(*_QUESTION, F.struct(*_STATE).alias("now")).join(was, on=_QUESTION, how="full")
    told = both.withColumn("now", F.coalesce("now", _ended())).where("not (now <=> was)")
    return told.select(*_QUESTION, "now.*", F.lit(on).alias("decided_on"))


def in_force(history: DataFrame) -> DataFrame:
    """The newest row of each golden id, purpose and contact point, without `decided_on`; ended ones too."""
    newest = F.max_by(F.struct(*_STATE), "decided_on").alias("newest")
    return history.groupBy(*_QUESTION).agg(newest).select(*_QUESTION, "newest.*")


def earlier(history: DataFrame, *, on: dt.date) -> DataFrame:
    """What runs of earlier dates wrote."""
    return history.where(F.col("decided_on") < F.lit(on))


def _ended() -> Column:
    told = {"channel": F.col("was.channel"), "decision": F.lit("ended"), "is_conflict": F.lit(False)}
    return F.struct(*(told.get(name, F.lit(None)).cast(_COLUMNS[name].type).alias(name) for name in _STATE))

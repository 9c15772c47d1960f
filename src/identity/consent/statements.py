"""What persons told the company itself, heard as what sources deliver."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

SOURCE = "identity"


def as_events(statements: DataFrame, *, on: dt.date) -> DataFrame:
    """Rows of consent.statement made by a run date, in the shape of silver.consent_event, of the source `identity`.

    Args:
        statements: consent.statement.
        on: Run date.
    """
    nothing = F.lit(None)
    return statements.where(F.col("said_on") <= F.lit(on)).select(
        F.lit(SOURCE).alias("source"),
        "subject_namespace",
        "subject_hmac",
        "purpose",
        "contact_point_hmac",
        "value",
        "basis",
        nothing.cast("string").alias("asked_in"),
        "asserted_at",
        F.col("said_on").alias("delivered_on"),
        nothing.cast("string").alias("notice_version"),
        nothing.cast("boolean").alias("benefit_shown"),
        nothing.cast("string").alias("benefit_type"),
        "event_key",
    )

"""Anonymous survey: answers without a person. The cookie that came along is not read: linkage is forbidden."""

from pyspark.sql import functions as F

from identity.sources.rows import Feeds, Rows, newest

SOURCE = "survey"


def rows(feeds: Feeds) -> Rows:
    """The feed `answers` as interactions that belong to nobody; comments stay in bronze."""
    null = F.lit(None)
    return {
        "interaction": newest(feeds["answers"], "answer_id").select(
            F.lit(SOURCE).alias("source"),
            F.col("answer_id").alias("interaction_id"),
            null.cast("string").alias("source_key"),
            F.lit("store").alias("channel"),
            F.lit("survey").alias("interaction_type"),
            F.col("question").alias("topic"),
            F.lit("closed").alias("status"),
            F.col("answered_at").alias("opened_at"),
            F.col("answered_at").alias("closed_at"),
            null.cast("double").alias("sentiment"),
            F.col("score").alias("satisfaction"),
            null.cast("int").alias("recommendation"),
            null.cast("string").alias("agent_team"),
            null.cast("string").alias("delivery_kind"),
        )
    }

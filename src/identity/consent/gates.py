"""The gates before silver and before matching (gate U, before a profile, is in `publish/`).

Collection: may this event enter silver at all? Gate L: may this record be joined to others?
"""

import datetime as dt
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace, Notice, Purpose, SourceContract
from identity.consent.decide import newest_statements, standing, weigh, yes_until


def collectable(
    views: DataFrame,
    events: DataFrame,
    *,
    sources: Mapping[str, SourceContract],
    purpose: Purpose,
    notices: Mapping[str, Notice],
    namespaces: Mapping[str, Namespace],
    hashed: Mapping[str, Column],
) -> DataFrame:
    """Mark which views may be kept: adds `is_collectable`.

    A source whose collection rests on consent needs a yes for `collect` from the view's login or device, that had not
    expired when the view was, and no no from either; any other source needs only that neither said no.

    Args:
        views: Views with `occurred_at` and the columns `hashed` names are computed from.
        events: silver.consent_event.
        sources: Source contracts by name.
        purpose: The purpose `collect`, for the age at which a yes expires.
        notices: Privacy notices whose validity ended, by version.
        namespaces: The identifier hierarchy.
        hashed: Keyed hashes of a view's `device` and `login`, to meet the subjects of consent events.
    """
    said = newest_statements(events.where("purpose = 'collect'"), namespaces=namespaces)
    # Whatever else collecting rests on, where a source asks it rests on the answer.
    asked = purpose.model_copy(update={"basis": "consent"})
    newest = (
        said.withColumn("until", yes_until({"collect": asked}, notices))
        .groupBy("subject_hmac")
        .agg(F.min("value").alias("value"), F.max("until").alias("until"))  # 'n' sorts before 'y'
    )
    is_expired = (F.col("value") == "y") & (F.to_date("occurred_at") >= F.col("until"))
    spoken = views
    for who, subject in hashed.items():
        answer = newest.withColumnRenamed("subject_hmac", f"{who}_hmac")
        spoken = (
            spoken.withColumn(f"{who}_hmac", subject)
            .join(answer, on=f"{who}_hmac", how="left")
            .withColumn(f"{who}_said", F.when(is_expired, "expired").otherwise(F.col("value")))
            .drop(f"{who}_hmac", "value", "until")
        )
    answers = [F.coalesce(f"{who}_said", F.lit("unknown")) for who in hashed]
    refused = F.array_contains(F.array(*answers), "n")
    granted = F.array_contains(F.array(*answers), "y")
    on_consent = [name for name, source in sources.items() if source.collection_basis == "consent"]
    kept = ~refused & (granted | ~F.col("source").isin(*on_consent))
    return spoken.withColumn("is_collectable", kept).drop(*(f"{who}_said" for who in hashed))


def link_permission(
    records: DataFrame,
    identifiers: DataFrame,
    events: DataFrame,
    *,
    purpose: Purpose,
    notices: Mapping[str, Notice],
    namespaces: Mapping[str, Namespace],
    on: dt.date,
) -> DataFrame:
    """Gate L: which records may be joined to others.

    A record is permitted when something it carries itself (its member number, contact, login or cookie) says yes
    to `identity.link`, nothing it carries says no unless the yes is newer and at least as strong, and its source
    allows linkage. Silence bars.

    Args:
        records: `source`, `source_key`, `linkage`.
        identifiers: silver.identifier rows of those records.
        events: silver.consent_event.
        purpose: The purpose `identity.link`, for the age at which a yes expires.
        notices: Privacy notices whose validity ended, by version.
        namespaces: The identifier hierarchy.
        on: Run date.

    Returns:
        `source`, `source_key`, `link_permission` (permitted or barred), a row a record.
    """
    newest = newest_statements(events.where("purpose = 'identity.link'"), namespaces=namespaces)
    # A yes speaks for the record that carries it alone, so parts play no role here.
    said = newest.withColumn("until", yes_until({"identity.link": purpose}, notices)).withColumn(
        "part", F.lit(None).cast("string")
    )
    heard = identifiers.select("namespace", "value_hmac", "source", "source_key").join(
        said.drop("source").withColumnsRenamed(
            {"subject_namespace": "namespace", "subject_hmac": "value_hmac"}
        ),
        on=["namespace", "value_hmac"],
        how="inner",
    )
    judged = weigh(heard, by=["source", "source_key"])
    permitted = (F.size(standing(on)) > 0) & F.col("objection").isNull()
    return (
        records.select("source", "source_key", "linkage")
        .join(judged.withColumn("permitted", permitted), on=["source", "source_key"], how="left")
        .select(
            "source",
            "source_key",
            F.when(F.coalesce("permitted", F.lit(False)) & (F.col("linkage") == "allowed"), "permitted")
            .otherwise("barred")
            .alias("link_permission"),
        )
    )

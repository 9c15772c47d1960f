"""Which column gets which cleaning: one list a table."""

import datetime as dt
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Namespace, SourceContract
from identity.errors import ConsentError
from identity.standardise import addresses, dates, names
from identity.standardise.contacts import contact_kind, email_or_hash
from identity.standardise.identifiers import keyed_hash, normalised, value_hash
from identity.standardise.robots import robots


def person_records(persons: DataFrame, identifiers: DataFrame, *, on: dt.date) -> DataFrame:
    """silver.person_record from the sources' persons and the standardised identifiers (their e-mails and phones)."""
    contacts = (
        identifiers.where("namespace in ('email', 'phone')")
        .groupBy("source", "source_key")
        .agg(_values("email").alias("emails"), _values("phone").alias("phones"))
    )
    read = persons.drop("emails", "phones").withColumns(
        {
            "first": names.name(F.col("first_names")),
            "last": names.name(F.col("last_names")),
            "written": dates.written_date(F.col("birth_text")),
        }
    )
    return read.join(contacts, on=["source", "source_key"], how="left").select(
        "source",
        "source_key",
        "subject_kind",
        "linkage",
        names.first_token(F.col("first")).alias("given_name"),
        names.other_tokens(F.col("first")).alias("other_given_names"),
        F.col("last").alias("family_name"),
        dates.birth_date(F.col("written"), on=on).alias("birth_date"),
        F.coalesce("emails", F.array().cast("array<string>")).alias("emails"),
        F.coalesce("phones", F.array().cast("array<string>")).alias("phones"),
        addresses.street(F.col("street")).alias("street"),
        addresses.flat(F.col("street")).alias("flat"),
        addresses.postal_code(F.col("postal_code")).alias("postal_code"),
        names.folded(F.col("city")).alias("city"),
        addresses.country(F.col("country")).alias("country"),
        F.lower("language").alias("language"),
        "valid_from",
        "first_seen_at",
    )


def identifiers(raw: DataFrame, *, namespaces: Mapping[str, Namespace], key: bytes) -> DataFrame:
    """silver.identifier from the sources' identifiers; two spellings of one value become one row."""
    level = F.create_map(*(F.lit(part) for name, ns in namespaces.items() for part in (name, ns.level)))
    return (
        normalised(raw, namespaces=namespaces, key=key)
        .groupBy("namespace", "value_hmac", "source", "source_key")
        .agg(
            F.min("value").alias("value"),
            F.min("first_seen_at").alias("first_seen_at"),
            F.max("last_seen_at").alias("last_seen_at"),
        )
        .withColumn("level", level[F.col("namespace")])
    )


def consent_events(raw: DataFrame, *, sources: Mapping[str, SourceContract], key: bytes) -> DataFrame:
    """silver.consent_event: every source's codes and answers in the one vocabulary.

    What has no time, or one after it was delivered, was said on its delivery date; of a yes without time that comes again
    that is the first one, for nobody said yes again.

    Raises:
        ConsentError: A code or an answer has no mapping in its source's contract.
    """
    _require_mapped(raw, sources)
    codes = [
        (s.source, code, list(purposes))
        for s in sources.values()
        for code, purposes in s.consent.codes.items()
    ]
    answers = [
        (s.source, answer, value) for s in sources.values() for answer, value in s.consent.values.items()
    ]
    spark = raw.sparkSession
    mapped = raw.join(
        F.broadcast(spark.createDataFrame(codes, "source string, code string, purposes array<string>")),
        on=["source", "code"],
        how="inner",
    ).join(
        F.broadcast(spark.createDataFrame(answers, "source string, answer string, said string")),
        on=["source", "answer"],
        how="inner",
    )
    address = email_or_hash(F.col("contact_point_raw"))
    reached = (
        mapped.join(_phones(mapped), on="contact_point_raw", how="left")
        .withColumn("point", F.coalesce(address, F.col("contact_phone")))
        .withColumn("point_namespace", contact_kind(F.col("contact_point_raw")))
    )
    # Bound to what nobody can read, a yes is of no contact point there is; a no is of the person.
    is_unreadable = (
        F.col("point").isNull() & (F.trim("contact_point_raw") != "") & ~F.col("said").isin("n", "objection")
    )
    point = F.when(
        F.col("point").isNotNull(), value_hash(F.col("point_namespace"), F.col("point"), key=key)
    ).when(is_unreadable, value_hash(F.lit("unreadable"), F.col("contact_point_raw"), key=key))
    # Clocks differ by a day at most.
    is_timed = F.coalesce(F.to_date("asserted_at") <= F.date_add("delivered_on", 1), F.lit(False))
    statements = reached.select(
        "source",
        "subject_namespace",
        value_hash(F.col("subject_namespace"), F.trim("subject_raw"), key=key).alias("subject_hmac"),
        F.explode("purposes").alias("purpose"),
        point.alias("contact_point_hmac"),
        F.when(F.col("said") == "objection", F.lit("n")).otherwise(F.col("said")).alias("value"),
        F.when(F.col("said") == "objection", F.lit("objection")).otherwise(F.lit("consent")).alias("basis"),
        "asked_in",
        F.when(is_timed, F.col("asserted_at"))
        .otherwise(F.col("delivered_on").cast("timestamp"))
        .alias("asserted_at"),
        (~is_timed & (F.col("said") == "y")).alias("_is_as_first_said"),
        "delivered_on",
        "notice_version",
        "benefit_shown",
        "benefit_type",
    )
    names = ("source", "subject_namespace", "subject_hmac", "contact_point_hmac", "value", "basis")
    at = F.when(F.col("_is_as_first_said"), F.col("notice_version")).otherwise(
        F.col("asserted_at").cast("string")
    )
    told = (*map(F.col, names), at)
    keyed = statements.withColumn(
        "event_key",
        F.substring(F.sha2(F.concat_ws("\x1f", *(F.coalesce(text, F.lit("")) for text in told)), 256), 1, 32),
    )
    first = Window.partitionBy("source", "event_key", "purpose").orderBy(
        "delivered_on",
        *(
            F.col(c).asc_nulls_first()
            for c in ("asked_in", "notice_version", "benefit_type", "benefit_shown")
        ),
    )
    return (
        keyed.withColumn("_place", F.row_number().over(first))
        .where("_place = 1")
        .drop("_place", "_is_as_first_said")
    )


def _require_mapped(raw: DataFrame, sources: Mapping[str, SourceContract]) -> None:
    unmapped = set()
    for row in raw.select("source", "code", "answer").distinct().collect():
        mapping = sources[row["source"]].consent
        if row["code"] not in mapping.codes:
            unmapped.add(f"{row['source']}: code {row['code']}")
        elif mapping.codes[row["code"]] and row["answer"] not in mapping.values:
            unmapped.add(f"{row['source']}: answer {row['answer']}")
    if unmapped:
        found = "; ".join(sorted(unmapped)[:10])
        raise ConsentError(f"no consent mapping for {found}; add it to the source's contract")


def web_views(raw: DataFrame, *, gap_minutes: int, key: bytes) -> DataFrame:
    """silver.web_view from the sources' views: robots flagged, referrers cut to hosts, sessions by gap."""
    flags = robots(raw.select("user_agent").distinct())
    flagged = raw.join(flags, on=raw["user_agent"].eqNullSafe(flags["user_agent"]), how="left").drop(
        flags["user_agent"]
    )
    order = Window.partitionBy("device_namespace", "device").orderBy("occurred_at", "source", "event_id")
    gap = F.col("occurred_at").cast("double") - F.lag("occurred_at").over(order).cast("double")
    starts = F.when(gap.isNull() | (gap > gap_minutes * 60), F.col("occurred_at"))
    session_start = F.last(starts, ignorenulls=True).over(order)
    host = F.lower(F.regexp_extract("referrer", r"^[a-z]+://([^/?#:]+)", 1))
    return (
        flagged.withColumn("is_bot", F.coalesce("is_bot", F.lit(False)))
        .withColumn("session_start", session_start)
        .withColumn("referrer_host", F.when(host != "", host))
        .withColumn(
            "session_id",
            F.when(
                F.col("device").isNotNull(),
                keyed_hash(
                    F.concat_ws("\x1f", "device_namespace", "device", F.col("session_start").cast("string")),
                    key=key,
                ),
            ),
        )
        .drop("user_agent", "referrer", "session_start", "file_id")
    )


def web_sessions(views: DataFrame) -> DataFrame:
    """silver.web_session: the visits of devices, robots left out."""
    by_time: Column = F.struct("occurred_at", "source", "event_id")
    return (
        views.where("session_id is not null and not is_bot")
        .groupBy("session_id", "channel", "device_namespace", "device")
        .agg(
            F.min("occurred_at").alias("started_at"),
            F.max("occurred_at").alias("ended_at"),
            F.count("*").alias("events"),
            F.min_by("referrer_host", by_time).alias("referrer_host"),
            F.min_by("campaign", F.when(F.col("campaign").isNotNull(), by_time)).alias("campaign"),
            F.sum(F.when(F.col("result_count") == 0, 1).otherwise(0)).alias("zero_result_searches"),
        )
    )


def _values(namespace: str) -> Column:
    return F.sort_array(F.collect_set(F.when(F.col("namespace") == namespace, F.col("value"))))


def _phones(consents: DataFrame) -> DataFrame:
    from identity.standardise.contacts import phones

    bound = consents.where("contact_point_raw is not null and not contains(contact_point_raw, '@')")
    return phones(bound.select(F.col("contact_point_raw").alias("raw")).distinct()).select(
        F.col("raw").alias("contact_point_raw"), F.col("phone").alias("contact_phone")
    )

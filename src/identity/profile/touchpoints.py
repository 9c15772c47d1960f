"""Every meeting of a person and the company, whatever the channel."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.standardise.identifiers import keyed_hash, value_hash


def owned_views(views: DataFrame, members: DataFrame, owners: DataFrame, *, key: bytes) -> DataFrame:
    """Views with their golden id and its part: the login's person, else who owned the device at that time.

    Args:
        views: silver.web_view; robots are left out.
        members: Open rows of id.golden_member.
        owners: id.device_owner; the events of a shared device stay with the device.
        key: Key of identifier hashes.
    """
    who = F.struct("golden_id", "part")
    logins = members.where("source = 'web_events'").select(
        F.col("source_key").alias("login_id"), who.alias("by_login")
    )
    devices = members.where("source in ('cookie', 'mobile_id')").select(
        F.col("source").alias("device_namespace"),
        F.col("source_key").alias("device_hmac"),
        who.alias("by_device"),
    )
    intervals = owners.where("not is_shared").select(
        F.col("namespace").alias("device_namespace"),
        F.col("value_hmac").alias("device_hmac"),
        who.alias("by_owner"),
        "from_at",
        "to_at",
    )
    seen = views.where("not is_bot").withColumn(
        "device_hmac", value_hash(F.col("device_namespace"), F.col("device"), key=key)
    )
    v, o = seen.alias("v"), intervals.alias("o")
    in_time = (
        (F.col("v.device_namespace") == F.col("o.device_namespace"))
        & (F.col("v.device_hmac") == F.col("o.device_hmac"))
        & (F.col("v.occurred_at") >= F.col("o.from_at"))
        & (F.col("o.to_at").isNull() | (F.col("v.occurred_at") < F.col("o.to_at")))
    )
    return (
        v.join(o, on=in_time, how="left")
        .select("v.*", "o.by_owner")
        .join(logins, on="login_id", how="left")
        .join(devices, on=["device_namespace", "device_hmac"], how="left")
        .withColumn("who", F.coalesce("by_login", "by_owner", "by_device"))
        .withColumns({"golden_id": F.col("who.golden_id"), "part": F.col("who.part")})
        .drop("who", "by_login", "by_owner", "by_device", "device_hmac")
    )


def touchpoints(
    views: DataFrame, lines: DataFrame, contacts: DataFrame, usable: DataFrame, *, key: bytes
) -> DataFrame:
    """gold.touchpoint of the parts of golden ids that analytics may use.

    Args:
        views: `owned_views`.
        lines: `purchases.identified_lines`; a receipt is one touchpoint.
        contacts: silver.interaction with `golden_id` and `part`.
        usable: `golden_id`, `part` that analytics may use.
        key: Key of the hashed touchpoint ids.
    """
    nothing = F.lit(None).cast("string")
    receipts = (
        lines.where("buyer is not null")
        .groupBy("receipt_id")
        .agg(F.min(F.struct("buyer", "part")).alias("who"), F.min("sold_at").alias("sold_at"))
        .select("receipt_id", F.col("who.buyer").alias("golden_id"), "who.part", "sold_at")
    )
    # The server log tells of the same page views as the tag collector; one of the two is enough.
    tagged = views.where("golden_id is not null and source = 'web_events'")
    parts = [
        _points(
            tagged,
            F.concat_ws(":", "source", "event_id"),
            F.col("channel"),
            "event_type",
            "occurred_at",
            F.col("campaign"),
        ),
        _points(
            receipts.withColumn("kind", F.lit("purchase")),
            F.concat_ws(":", F.lit("tills"), "receipt_id"),
            F.lit("store"),
            "kind",
            "sold_at",
            nothing,
        ),
        _points(
            contacts.where("golden_id is not null"),
            F.concat_ws(":", "source", "interaction_id"),
            F.col("channel"),
            "interaction_type",
            "opened_at",
            nothing,
        ),
    ]
    every = parts[0].unionByName(parts[1]).unionByName(parts[2])
    may = every.join(usable, on=["golden_id", "part"], how="left_semi").drop("part")
    return may.withColumn("touchpoint_id", F.substring(keyed_hash(F.col("touchpoint_id"), key=key), 1, 32))


def visits(views: DataFrame) -> DataFrame:
    """Visits of known golden ids: `golden_id`, `part`, `session_id`, `visited_on` (the last day of the visit)."""
    return (
        views.where("golden_id is not null and session_id is not null")
        .groupBy("golden_id", "part", "session_id")
        .agg(F.max("occurred_at").cast("date").alias("visited_on"))
    )


def _points(
    rows: DataFrame, identity: Column, channel: Column, kind: str, at: str, campaign: Column
) -> DataFrame:
    return rows.select(
        identity.alias("touchpoint_id"),
        "golden_id",
        "part",
        channel.alias("channel"),
        F.col(kind).alias("touchpoint_type"),
        F.col(at).alias("occurred_at"),
        campaign.alias("campaign"),
    )

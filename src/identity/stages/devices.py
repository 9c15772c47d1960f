"""Devices in the resolve stage: records of their own until a person is known to own them."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import LEVELS
from identity.resolve import devices, golden_id
from identity.run import Run
from identity.standardise.identifiers import hash_key, value_hash

_KEY = ["source", "source_key"]


def device_views(run: Run) -> DataFrame:
    """Views of people on devices, the device by its keyed hash."""
    key = hash_key(run.key)
    return (
        run.tables.read("silver.web_view")
        .where("device is not null and not is_bot")
        .select(
            F.col("device_namespace").alias("namespace"),
            value_hash(F.col("device_namespace"), F.col("device"), key=key).alias("value_hmac"),
            "login_id",
            "occurred_at",
        )
    )


def with_devices(persons: DataFrame, identifiers: DataFrame, views: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Records and identifiers, devices among them: a device is a record of its own namespace, known by its hash."""
    seen = views.groupBy("namespace", "value_hmac").agg(F.min("occurred_at").alias("first_seen_at"))
    records = persons.select(*_KEY, "linkage", "first_seen_at").unionByName(
        seen.select(
            F.col("namespace").alias("source"), F.col("value_hmac").alias("source_key"),
            F.lit("allowed").alias("linkage"), "first_seen_at",
        )
    )  # fmt: skip
    level = F.when(F.col("namespace") == "cookie", "cookie").otherwise("mobile")
    carried = identifiers.select("namespace", "value_hmac", *_KEY, "level").unionByName(
        seen.select(
            "namespace", "value_hmac", F.col("namespace").alias("source"), F.col("value_hmac").alias("source_key"),
            level.alias("level"),
        )
    )  # fmt: skip
    return records, carried


def clusters_with_devices(
    run: Run,
    records: DataFrame,
    carried: DataFrame,
    permission: DataFrame,
    joined: DataFrame,
    views: DataFrame,
) -> tuple[DataFrame, DataFrame]:
    """Every record's cluster, singletons and devices included, and the intervals in which devices were whose."""
    persons = _with_cluster(records, joined)
    found = devices.logins(views, permission, persons)
    owners = run.tables.staged(
        devices.owners(
            found, namespaces=run.config.namespaces, look_back_days=run.config.matching.device_look_back_days
        ),
        "device_owners",
    )
    attached = devices.sole_owner(owners).withColumnsRenamed({"cluster": "owner", "part": "owner_part"})
    held = persons.join(attached, on=_KEY, how="left").withColumns(
        {"cluster": F.coalesce("owner", "cluster"), "part": F.coalesce("owner_part", "part")}
    )
    return run.tables.staged(_to_inherit(held, carried, permission), "clusters"), owners


def clusters_of_persons(
    persons: DataFrame, identifiers: DataFrame, permission: DataFrame, joined: DataFrame
) -> DataFrame:
    """Every person record's cluster, singletons included and devices left aside, as `golden_id.inherit` takes them.

    Args:
        persons: silver.person_record.
        identifiers: silver.identifier.
        permission: Gate L.
        joined: Clusters of the records that have edges.
    """
    clusters = _with_cluster(persons.select(*_KEY, "first_seen_at"), joined)
    return _to_inherit(clusters, identifiers, permission)


def _with_cluster(records: DataFrame, joined: DataFrame) -> DataFrame:
    alone = F.concat_ws("\x1f", *_KEY)
    return records.join(joined, on=_KEY, how="left").withColumns(
        {"cluster": F.coalesce("cluster", alone), "part": F.coalesce("part", alone)}
    )


def _to_inherit(clusters: DataFrame, carried: DataFrame, permission: DataFrame) -> DataFrame:
    level = carried.groupBy(*_KEY).agg(F.max(golden_id.strength()).alias("strength"))
    return (
        clusters.join(permission, on=_KEY, how="left")
        .join(level, on=_KEY, how="left")
        .select(
            *_KEY,
            "cluster",
            "part",
            _level().alias("level"),
            "link_permission",
            F.coalesce("confidence", F.lit(1.0)).alias("confidence"),
            "first_seen_at",
        )
    )


def device_owner(run: Run, owners: DataFrame, members: DataFrame) -> DataFrame:
    """id.device_owner: intervals with the owner's golden id; a device nobody logged in on owns itself."""
    is_device = members.where(
        F.col("source").isin(*(name for name, n in run.config.namespaces.items() if n.time_bounded))
    )
    by_cluster = members.select("cluster", "golden_id").distinct()
    owned = owners.join(by_cluster, on="cluster", how="inner").select(
        "namespace", "value_hmac", "golden_id", golden_id.part_name(F.col("part")).alias("part"),
        "from_at", "to_at", "is_shared",
    )  # fmt: skip
    unowned = is_device.select(
        F.col("source").alias("namespace"), F.col("source_key").alias("value_hmac"), "golden_id", "part"
    )
    unowned = unowned.join(owned, on=["namespace", "value_hmac"], how="left_anti")
    return owned.unionByName(
        unowned.select(
            "*",
            F.lit("1970-01-01").cast("timestamp").alias("from_at"),
            F.lit(None).cast("timestamp").alias("to_at"),
            F.lit(False).alias("is_shared"),
        )
    )


def _level() -> Column:
    names = F.array(*(F.lit(name) for name in reversed(LEVELS)))
    return F.element_at(names, F.coalesce("strength", F.lit(1)))

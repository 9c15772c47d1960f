"""Deterministic edges: records that share an identifier, judged by the identifier hierarchy."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Namespace

EDGE = (
    "source_l string, source_key_l string, source_r string, source_key_r string, kind string, rule string, "
    "rank int, match_weight double, probability double, reason string"
)


def shared_identifier_edges(
    identifiers: DataFrame, records: DataFrame, *, namespaces: Mapping[str, Namespace]
) -> DataFrame:
    """Pairs of records that share an identifier, with the reason where the hierarchy forbids the link.

    `always` namespaces link. `with_agreement` namespaces link when the two given names or the two birth dates
    agree; a record that has neither (a login, a payment card) links when all who share the value and have a name
    share one given name, so that a family's e-mail links nobody. Values shared by more records than
    `max_persons` are hubs; blocked values were never persons and give no edge at all.

    Args:
        identifiers: silver.identifier rows of records that may be joined.
        records: silver.person_record rows of the same records.
        namespaces: The identifier hierarchy.

    Returns:
        Edges in the shape `EDGE`; `reason` null where the edge may be used.
    """
    rules = identifiers.sparkSession.createDataFrame(
        [(name, n.rank, n.links, n.max_persons) for name, n in namespaces.items() if n.links != "never"],
        "namespace string, rank int, links string, max_persons int",
    )
    named = records.select(
        "source", "source_key", "given_name", "other_given_names", "family_name", "birth_date"
    )
    carried = (
        identifiers.where(~_is_blocked(namespaces))
        .select("namespace", "value_hmac", "source", "source_key")
        .join(F.broadcast(rules), on="namespace", how="inner")
        .join(named, on=["source", "source_key"], how="inner")
        .withColumn("node", F.struct("source", "source_key"))
    )
    group = Window.partitionBy("namespace", "value_hmac")
    counted = (
        carried.withColumn("persons", F.count("*").over(group))
        .where("persons > 1")
        .withColumn("given_names", F.size(F.collect_set("given_name").over(group)))
        .withColumn("first_node", F.min("node").over(group))
    )
    left, right = counted.alias("l"), counted.alias("r")
    is_hub = F.col("l.persons") > F.col("l.max_persons")
    # Hubs and values that always link need no pair of everybody with everybody: a star says the same.
    star = is_hub | (F.col("l.links") == "always")
    pairs = left.join(
        right,
        on=(F.col("l.namespace") == F.col("r.namespace"))
        & (F.col("l.value_hmac") == F.col("r.value_hmac"))
        & (F.col("l.node") < F.col("r.node"))
        & (~star | (F.col("l.node") == F.col("l.first_node"))),
        how="inner",
    )
    reason = F.when(is_hub, "shared_by_too_many").when(
        (F.col("l.links") == "with_agreement") & ~_agree(), "needs_agreement"
    )
    return pairs.groupBy(
        F.col("l.source").alias("source_l"),
        F.col("l.source_key").alias("source_key_l"),
        F.col("r.source").alias("source_r"),
        F.col("r.source_key").alias("source_key_r"),
        F.lit("deterministic").alias("kind"),
        F.col("l.namespace").alias("rule"),
        F.col("l.rank").alias("rank"),
    ).agg(
        F.lit(None).cast("double").alias("match_weight"),
        F.lit(None).cast("double").alias("probability"),
        # Two e-mails in common and one of them agreed on is agreement: a null reason wins.
        F.when(F.count("*") == F.count(reason), F.min(reason)).alias("reason"),
    )


def _is_blocked(namespaces: Mapping[str, Namespace]) -> Column:
    conditions = [
        (F.col("namespace") == name) & F.col("value").rlike(pattern)
        for name, namespace in namespaces.items()
        for pattern in namespace.blocked
    ]
    return reduce(lambda left, right: left | right, conditions, F.lit(False))


def _agree() -> Column:
    """Whether what the two records say of the person fits."""
    given = F.coalesce(F.col("l.given_name") == F.col("r.given_name"), F.lit(False)) | F.coalesce(
        _is_among("l.given_name", "r.other_given_names") | _is_among("r.given_name", "l.other_given_names"),
        F.lit(False),
    )
    born = F.coalesce(F.col("l.birth_date") == F.col("r.birth_date"), F.lit(False))
    differ = F.coalesce(F.col("l.birth_date") != F.col("r.birth_date"), F.lit(False))
    family = F.coalesce(F.col("l.family_name") == F.col("r.family_name"), F.lit(False))
    either_bare = (F.col("l.given_name").isNull() & F.col("l.birth_date").isNull()) | (
        F.col("r.given_name").isNull() & F.col("r.birth_date").isNull()
    )
    return F.when(either_bare, F.col("l.given_names") <= 1).otherwise(
        (given & (~differ | family)) | (born & (given | family))
    )


def _is_among(one: str, others: str) -> Column:
    return F.array_contains(F.split(F.col(others), " "), F.col(one))

"""Deterministic edges: records that share an identifier, judged by the identifier hierarchy.

A value is judged once, by all the records that carry it: one that fits a `blocked` pattern means nobody, one of too
many records or of too many given names is a hub. Neither links anybody, and `blocked_values` tells which they are.
"""

import datetime as dt
from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace

EDGE = (
    "source_l string, source_key_l string, source_r string, source_key_r string, kind string, rule string, "
    "rank int, match_weight double, probability double, reason string"
)


_VALUE = ["namespace", "value_hmac"]
# No parent is younger than that; slips of the pen in a year (a digit off, a decade off) are smaller.
_GENERATION_YEARS = 15
# Letters by which a slip of the pen or another transliteration changes a name at most; nicknames keep the first letter.
_FEW_LETTERS = 2


def shared_identifier_edges(
    identifiers: DataFrame, records: DataFrame, *, namespaces: Mapping[str, Namespace]
) -> DataFrame:
    """Pairs of records that share an identifier, with the reason where the hierarchy forbids the link.

    `always` namespaces link. `with_agreement` namespaces link when the two given names agree, or the two birth dates and
    a name, except that twins have a birth date and a family name in common: there the given names must not be unlike.
    A record that has neither (a login, a payment card) links when all who share the value and have a name
    share one given name, so that a family's e-mail links nobody. Birth dates a generation apart are of two persons,
    whatever their names: a father and the son named as he is. Values shared by more records than
    `max_persons`, or used with more given names than `max_given_names`, are hubs; blocked values were never persons
    and give no edge at all.

    Args:
        identifiers: silver.identifier rows of records that may be joined.
        records: silver.person_record rows of the same records.
        namespaces: The identifier hierarchy.

    Returns:
        Edges in the shape `EDGE`; `reason` null where the edge may be used.
    """
    carried = _carried(identifiers, records, namespaces)
    shared = _judged(carried).where("persons > 1 and not (blocked <=> 'pattern')")
    left, right = carried.join(shared, on=_VALUE, how="inner").alias("l"), carried.alias("r")
    is_hub = F.col("l.blocked").isNotNull()
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
    reason = F.when(is_hub, F.col("l.blocked")).when(
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


def blocked_values(
    identifiers: DataFrame,
    records: DataFrame,
    before: DataFrame,
    *,
    namespaces: Mapping[str, Namespace],
    on: dt.date,
) -> DataFrame:
    """id.blocked_value: values that would link but for what they are, and since when they have been known for it.

    Args:
        identifiers: silver.identifier rows of records that may be joined.
        records: silver.person_record rows of the same records.
        before: id.blocked_value of the last run.
        namespaces: The identifier hierarchy.
        on: Run date.
    """
    found = _judged(_carried(identifiers, records, namespaces)).where("blocked is not null")
    known = before.select(*_VALUE, "since_on")
    return found.join(known, on=_VALUE, how="left").select(
        *_VALUE, "persons", "given_names", F.col("blocked").alias("reason"),
        F.coalesce("since_on", F.lit(on)).alias("since_on"),
    )  # fmt: skip


def _carried(identifiers: DataFrame, records: DataFrame, namespaces: Mapping[str, Namespace]) -> DataFrame:
    """Identifiers of namespaces that link, with their rules and what the record says of the person."""
    rules = identifiers.sparkSession.createDataFrame(
        [
            (name, n.rank, n.links, n.max_persons, n.max_given_names)
            for name, n in namespaces.items()
            if n.links != "never"
        ],
        "namespace string, rank int, links string, max_persons int, max_given_names int",
    )
    named = records.select(
        "source", "source_key", "given_name", "other_given_names", "family_name", "birth_date"
    )
    return (
        identifiers.select(*_VALUE, "source", "source_key", _fits_pattern(namespaces).alias("fits_pattern"))
        .join(F.broadcast(rules), on="namespace", how="inner")
        .join(named, on=["source", "source_key"], how="inner")
        .withColumn("node", F.struct("source", "source_key"))
    )


def _judged(carried: DataFrame) -> DataFrame:
    """A row a value: how many `persons` and `given_names`, and who comes first (`first_node`).

    `is_one` says that all who carry it could be one person; `blocked`, why it links nobody (null when it may).
    """
    # Grouped and joined back: a window would copy the names of a hub into each of its rows.
    by_value = carried.groupBy(*_VALUE).agg(
        F.count("*").alias("persons"),
        F.size(F.collect_set("given_name")).cast("bigint").alias("given_names"),
        F.min("node").alias("first_node"),
        F.min("birth_date").alias("first_born_on"),
        F.max("birth_date").alias("last_born_on"),
        # An address and its SHA-256 are one value, of which only the first can be read.
        F.bool_or("fits_pattern").alias("fits_pattern"),
        F.max("max_persons").alias("most_persons"),
        F.max("max_given_names").alias("most_given_names"),
    )
    why = (
        F.when(F.col("fits_pattern"), "pattern")
        .when(F.col("persons") > F.col("most_persons"), "shared_by_too_many")
        .when(F.col("given_names") > F.col("most_given_names"), "too_many_given_names")
    )
    is_one = (F.col("given_names") <= 1) & ~_a_generation_apart("first_born_on", "last_born_on")
    return by_value.select(
        *_VALUE, "persons", "given_names", "first_node", is_one.alias("is_one"), why.alias("blocked")
    )


def _fits_pattern(namespaces: Mapping[str, Namespace]) -> Column:
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
    apart = _a_generation_apart("l.birth_date", "r.birth_date")
    family = F.coalesce(F.col("l.family_name") == F.col("r.family_name"), F.lit(False))
    given_l, given_r = F.col("l.given_name"), F.col("r.given_name")
    unlike = (F.left(given_l, F.lit(1)) != F.left(given_r, F.lit(1))) & (
        F.levenshtein(given_l, given_r) > _FEW_LETTERS
    )
    twins = F.coalesce(unlike, F.lit(False))
    either_bare = (F.col("l.given_name").isNull() & F.col("l.birth_date").isNull()) | (
        F.col("r.given_name").isNull() & F.col("r.birth_date").isNull()
    )
    return F.when(either_bare, F.col("l.is_one")).otherwise(
        (given & (~differ | (family & ~apart))) | (born & (given | (family & ~twins)))
    )


def _is_among(one: str, others: str) -> Column:
    return F.array_contains(F.split(F.col(others), " "), F.col(one))


def _a_generation_apart(one: str, other: str) -> Column:
    years = F.abs(F.months_between(one, other)) / 12
    return F.coalesce(years >= _GENERATION_YEARS, F.lit(False))

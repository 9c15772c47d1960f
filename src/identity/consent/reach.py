"""Whose words reach whom: the identifiers through which consent events speak for a golden id."""

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Namespace

_KEY = ["source", "source_key"]


def held(members: DataFrame, identifiers: DataFrame, persons: DataFrame) -> DataFrame:
    """Every identifier of every record, with the golden id that holds it.

    Args:
        members: `golden_id`, `source`, `source_key`, `link_permission`.
        identifiers: `namespace`, `value_hmac`, `source`, `source_key`.
        persons: silver.person_record.

    Returns:
        `identifiers` with `golden_id`, `link_permission` and `given_name` (null for a record without one).
    """
    return (
        identifiers.select("namespace", "value_hmac", *_KEY)
        .join(members.select(*_KEY, "golden_id", "link_permission"), on=_KEY, how="inner")
        .join(persons.select(*_KEY, "given_name"), on=_KEY, how="left")
    )


def subjects(holdings: DataFrame, *, namespaces: Mapping[str, Namespace]) -> DataFrame:
    """Identifiers whose statements speak for a golden id.

    All that its own records carry; and, for refusals only, what a record carries that may not be joined but shares
    an e-mail or phone with the id and does not go by another given name: a person who forbade joining did not
    thereby take back a no.

    Args:
        holdings: What `held` returns; it is read several times.
        namespaces: The identifier hierarchy; blocked and hub values reach nobody.

    Returns:
        `golden_id`, `namespace`, `value_hmac`, `no_only`, distinct.
    """
    own = holdings.select("golden_id", "namespace", "value_hmac", F.lit(False).alias("no_only"))
    carriers = F.count("*").over(Window.partitionBy("namespace", "value_hmac"))
    few = [
        (F.col("namespace") == name) & (F.col("carriers") <= namespaces[name].max_persons)
        for name in ("email", "phone")
    ]
    contacts = holdings.where("namespace in ('email', 'phone')").withColumn("carriers", carriers)
    shared = contacts.where(few[0] | few[1])
    barred = shared.where("link_permission = 'barred'").select(
        "namespace",
        "value_hmac",
        *_KEY,
        F.col("given_name").alias("other_name"),
        F.col("golden_id").alias("other_id"),
    )
    same_name = F.coalesce(F.col("given_name") == F.col("other_name"), F.lit(True))
    reaching = (
        shared.select("golden_id", "given_name", "namespace", "value_hmac")
        .join(barred, on=["namespace", "value_hmac"], how="inner")
        .where((F.col("golden_id") != F.col("other_id")) & same_name)
        .select("golden_id", *_KEY)
    )
    reached = reaching.join(holdings.drop("golden_id"), on=_KEY, how="inner").select(
        "golden_id", "namespace", "value_hmac", F.lit(True).alias("no_only")
    )
    every = own.unionByName(reached)
    return every.groupBy("golden_id", "namespace", "value_hmac").agg(F.min("no_only").alias("no_only"))


def contact_points(holdings: DataFrame) -> DataFrame:
    """Where a golden id can be reached: `golden_id`, `kind` (email or phone), `contact_point` (keyed hash), distinct."""
    contacts = holdings.where("namespace in ('email', 'phone')")
    return contacts.select(
        "golden_id", F.col("namespace").alias("kind"), F.col("value_hmac").alias("contact_point")
    ).distinct()

"""Whose words reach whom: the identifiers through which consent events speak for a golden id (rule 4).

A yes speaks for the confirmed part whose records carry the identifier. A no speaks for the whole golden id, and from
further off: from whom it may also be. What a no has reached once it goes on reaching, also when the edge it came over
is gone, until the person is asked again.
"""

import datetime as dt
from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Namespace

_KEY = ["source", "source_key"]
_VALUE = ["namespace", "value_hmac"]


def held(members: DataFrame, identifiers: DataFrame, persons: DataFrame) -> DataFrame:
    """Every identifier of every record, with the golden id that holds it.

    Args:
        members: `golden_id`, `part`, `source`, `source_key`, `link_permission`.
        identifiers: `namespace`, `value_hmac`, `source`, `source_key`.
        persons: silver.person_record.

    Returns:
        `identifiers` with `golden_id`, `part`, `link_permission` and `given_name` (null for a record without one).
    """
    return (
        identifiers.select("namespace", "value_hmac", *_KEY)
        .join(members.select(*_KEY, "golden_id", "part", "link_permission"), on=_KEY, how="inner")
        .join(persons.select(*_KEY, "given_name"), on=_KEY, how="left")
    )


def carried_refusals(
    holdings: DataFrame,
    edges: DataFrame,
    events: DataFrame,
    before: DataFrame,
    *,
    namespaces: Mapping[str, Namespace],
    on: dt.date,
) -> DataFrame:
    """consent.carried_refusal after this run: what each record hears refusals of, its own identifiers among them.

    Those are kept too, for tomorrow the record may no longer carry them. Reached today: what records of the golden id
    carry, and what any of them heard before; what a record carries that may not be joined, but shares an e-mail or phone
    with the id and does not go by another given name (who forbade joining did not thereby take back a no); and what a
    confirmed part carries that may be the same person, by a comparison too weak to join. Reached once, always reached:
    only a person's decision that two are not one ends it.

    Args:
        holdings: What `held` returns; it is read several times.
        edges: id.edge of this run.
        events: silver.consent_event.
        before: consent.carried_refusal before this run.
        namespaces: The identifier hierarchy; blocked and hub values reach nobody.
        on: Run date.
    """
    refusing = (
        events.where("value = 'n'")
        .select(F.col("subject_namespace").alias("namespace"), F.col("subject_hmac").alias("value_hmac"))
        .distinct()
    )
    refused = holdings.join(refusing, on=_VALUE, how="left_semi").select(*_KEY, "golden_id", "part", *_VALUE)
    records = holdings.select(*_KEY, "golden_id", "part").distinct()
    reached = (
        refused.select("golden_id", *_VALUE)
        .unionByName(_from_barred(holdings, refused, namespaces))
        .unionByName(_from_doubtful(records, edges, refused))
        .distinct()
    )
    kept = _kept(before, records, edges, refused)
    heard = (
        reached.withColumn("reached_on", F.lit(on))
        .unionByName(kept.select("golden_id", *_VALUE, "reached_on"))
        .groupBy("golden_id", *_VALUE)
        .agg(F.max("reached_on").alias("reached_on"))
    )
    since = kept.select(*_KEY, *_VALUE, "since_on")
    return (
        records.select(*_KEY, "golden_id")
        .join(heard, on="golden_id", how="inner")
        .join(since, on=[*_KEY, *_VALUE], how="left")
        .select(*_KEY, *_VALUE, F.coalesce("since_on", F.lit(on)).alias("since_on"), "reached_on")
    )


def subjects(holdings: DataFrame, carried: DataFrame, *, on: dt.date) -> DataFrame:
    """Identifiers whose statements speak for a golden id.

    Args:
        holdings: What `held` returns.
        carried: What `carried_refusals` returns.
        on: Run date.

    Returns:
        `golden_id`, `part`, `namespace`, `value_hmac`, `heard_to`. Where `part` is null only refusals are heard, and,
        where the identifier is no longer reached, those said up to the day `heard_to`.
    """
    own = holdings.select("golden_id", "part", *_VALUE, F.lit(None).cast("date").alias("heard_to")).distinct()
    ids = holdings.select(*_KEY, "golden_id").distinct()
    heard_to = F.max("reached_on")
    from_off = (
        carried.join(ids, on=_KEY, how="inner")
        .groupBy("golden_id", *_VALUE)
        .agg(F.when(heard_to < F.lit(on), heard_to).alias("heard_to"))
        .withColumn("part", F.lit(None).cast("string"))
    )
    return own.unionByName(from_off)


def contact_points(holdings: DataFrame) -> DataFrame:
    """Where a golden id can be reached: `golden_id`, `kind` (email or phone), `contact_point` (keyed hash), distinct."""
    contacts = holdings.where("namespace in ('email', 'phone')")
    return contacts.select(
        "golden_id", F.col("namespace").alias("kind"), F.col("value_hmac").alias("contact_point")
    ).distinct()


def _from_barred(holdings: DataFrame, refused: DataFrame, namespaces: Mapping[str, Namespace]) -> DataFrame:
    """What barred records carry, for the golden ids that share an e-mail or phone with them and no other name."""
    carriers = F.count("*").over(Window.partitionBy(*_VALUE))
    few = [
        (F.col("namespace") == name) & (F.col("carriers") <= namespaces[name].max_persons)
        for name in ("email", "phone")
    ]
    contacts = holdings.where("namespace in ('email', 'phone')").withColumn("carriers", carriers)
    shared = contacts.where(few[0] | few[1])
    barred = shared.where("link_permission = 'barred'").select(
        *_VALUE, *_KEY, F.col("given_name").alias("other_name"), F.col("golden_id").alias("other_id")
    )
    same_name = F.coalesce(F.col("given_name") == F.col("other_name"), F.lit(True))
    reaching = (
        shared.select("golden_id", "given_name", *_VALUE)
        .join(barred, on=_VALUE, how="inner")
        .where((F.col("golden_id") != F.col("other_id")) & same_name)
        .select("golden_id", *_KEY)
    )
    return reaching.join(refused.select(*_KEY, *_VALUE), on=_KEY, how="inner").select("golden_id", *_VALUE)


def _from_doubtful(records: DataFrame, edges: DataFrame, refused: DataFrame) -> DataFrame:
    """What confirmed parts carry, for the golden ids that may be the same person."""
    doubtful = edges.where("kind = 'probabilistic' and fate = 'rejected' and reason <> 'cannot_link'")
    between = _between(records, doubtful)
    return between.join(
        refused.select(F.col("golden_id").alias("other_id"), F.col("part").alias("other_part"), *_VALUE),
        on=["other_id", "other_part"],
        how="inner",
    ).select("golden_id", *_VALUE)


def _kept(before: DataFrame, records: DataFrame, edges: DataFrame, refused: DataFrame) -> DataFrame:
    """Rows of yesterday that still hold: the record is there, and nobody decided that these two are not one."""
    banned = _between(records, edges.where("kind = 'human' and reason = 'cannot_link'"))
    ended = (
        banned.join(
            refused.select(F.col("golden_id").alias("other_id"), *_VALUE).distinct(),
            on="other_id",
            how="inner",
        )
        .select("golden_id", *_VALUE)
        .distinct()
    )
    here = before.join(records.select(*_KEY, "golden_id"), on=_KEY, how="inner")
    return here.join(ended, on=["golden_id", *_VALUE], how="left_anti")


def _between(records: DataFrame, edges: DataFrame) -> DataFrame:
    """Both directions of edges between golden ids: `golden_id`, `other_id`, `other_part`, distinct."""
    left, right = ["source_l", "source_key_l"], ["source_r", "source_key_r"]
    both = edges.select(*left, *right).union(edges.select(*right, *left))
    here = records.select(
        F.col("source").alias("source_l"), F.col("source_key").alias("source_key_l"), "golden_id"
    )
    there = records.select(
        F.col("source").alias("source_r"),
        F.col("source_key").alias("source_key_r"),
        F.col("golden_id").alias("other_id"),
        F.col("part").alias("other_part"),
    )
    return (
        both.join(here, on=left, how="inner")
        .join(there, on=right, how="inner")
        .where("golden_id <> other_id")
        .select("golden_id", "other_id", "other_part")
        .distinct()
    )

"""Whose a delivered line is: the columns of a feed that say so, and who holds what stands in them."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace, SourceContract
from identity.rights.persons import DEVICES, OWN_KEYS
from identity.standardise.identifiers import normalised, value_hash

_KEY = ["source", "source_key"]


def holders(members: DataFrame, identifiers: DataFrame, cards: DataFrame, *, key: bytes) -> DataFrame:
    """Who holds an identifier alone: a row an identifier.

    A record's own key is that record's; a loyalty card its member's; an e-mail is held by the one confirmed part
    whose records carry it, and by nobody where several do.

    Args:
        members: Open rows of id.golden_member.
        identifiers: silver.identifier.
        cards: silver.loyalty_card.
        key: Key of identifier hashes.

    Returns:
        `namespace`, `value_hmac`, `golden_id`, `part`.
    """
    spaces = F.create_map(*(F.lit(x) for space, source in OWN_KEYS.items() for x in (source, space)))
    own = members.withColumn("namespace", spaces[F.col("source")]).where("namespace is not null")
    hashed = F.when(F.col("namespace").isin(*DEVICES), F.col("source_key")).otherwise(
        value_hash(F.col("namespace"), F.col("source_key"), key=key)
    )
    of_keys = own.select("namespace", hashed.alias("value_hmac"), "golden_id", "part")
    space = F.lit("loyalty_card")
    of_cards = cards.select(
        F.lit("loyalty").alias("source"), F.col("member_no").alias("source_key"), "card_no"
    ).join(members.select(*_KEY, "golden_id", "part"), on=_KEY, how="inner")
    of_cards = of_cards.select(
        space.alias("namespace"),
        value_hash(space, F.col("card_no"), key=key).alias("value_hmac"),
        "golden_id",
        "part",
    )
    mails = (
        identifiers.where("namespace = 'email'")
        .join(members.select(*_KEY, "golden_id", "part"), on=_KEY, how="inner")
        .groupBy("namespace", "value_hmac")
        .agg(F.collect_set(F.struct("golden_id", "part")).alias("who"))
        .where("size(who) = 1")
        .select(
            "namespace",
            "value_hmac",
            F.col("who")[0]["golden_id"].alias("golden_id"),
            F.col("who")[0]["part"].alias("part"),
        )
    )
    return of_keys.unionByName(of_cards).unionByName(mails)


def owned_lines(
    records: DataFrame,
    held: DataFrame,
    *,
    sources: Mapping[str, SourceContract],
    namespaces: Mapping[str, Namespace],
    key: bytes,
) -> DataFrame:
    """Delivered records with whose they are; those of nobody are left out.

    Args:
        records: Rows of bronze tables: `source`, `feed`, `file_id`, `row_no`, `record`.
        held: What `holders` returns.
        sources: Source contracts; a feed's columns with `owner` say whose a line is, in their order.
        namespaces: The identifier hierarchy.
        key: Key of identifier hashes.

    Returns:
        `source`, `feed`, `file_id`, `row_no`, `golden_id`, `part`.
    """
    each = [
        F.struct(
            F.lit(place).alias("place"),
            F.lit(feed.columns[column].identifier).alias("namespace"),
            F.when(
                (F.col("source") == source.source) & (F.col("feed") == name),
                F.get_json_object("record", f"$.{column}"),
            ).alias("raw"),
        )
        for source in sources.values()
        for name, feed in source.feeds.items()
        for place, column in enumerate(feed.owners)
    ]
    where = ["source", "feed", "file_id", "row_no"]
    said = (
        records.select(*where, F.explode(F.array(*each)).alias("e"))
        .select(*where, "e.*")
        .where("raw is not null")
    )
    known = normalised(said, namespaces=namespaces, key=key).join(
        held, on=["namespace", "value_hmac"], how="inner"
    )
    first = F.min(F.struct("place", "golden_id", "part")).alias("first")
    return known.groupBy(*where).agg(first).select(*where, "first.golden_id", "first.part")

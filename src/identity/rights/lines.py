"""Whose a delivered line is: the columns of a feed that say so, and who holds what stands in them."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Feed, Namespace, SourceContract
from identity.rights.persons import DEVICES, OWN_KEYS
from identity.standardise.identifiers import normalised, value_hash

_KEY = ["source", "source_key"]
_LINE = ["source", "feed", "file_id", "row_no"]


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


def lines_of(
    records: DataFrame,
    held: DataFrame,
    parts: DataFrame,
    *,
    sources: Mapping[str, SourceContract],
    namespaces: Mapping[str, Namespace],
    key: bytes,
) -> DataFrame:
    """Delivered records that are some persons': of a record's columns that name somebody the first decides.

    Args:
        records: Rows of bronze tables: `source`, `feed`, `file_id`, `row_no`, `record`.
        held: What `holders` returns.
        parts: The persons, few: `golden_id`, `part`.
        sources: Source contracts; a feed's columns with `owner` say whose a line is, in their order.
        namespaces: The identifier hierarchy.
        key: Key of identifier hashes.

    Returns:
        `source`, `feed`, `file_id`, `row_no`.
    """
    identifier, part = ["namespace", "value_hmac"], ["golden_id", "part"]

    def hashed(said: DataFrame) -> DataFrame:
        return normalised(said, namespaces=_asked(sources, namespaces), key=key)

    # First the few that name them at all, so that whom else those name is asked of these alone; and every value is hashed
    # once, on however many lines it stands.
    theirs = F.broadcast(held.join(parts, on=part, how="left_semi").select(*identifier))
    said = _said(records, sources)
    values = said.select("namespace", "raw").distinct().withColumn("written", F.col("raw"))
    written = (
        hashed(values)
        .join(theirs, on=identifier, how="left_semi")
        .select("namespace", F.col("written").alias("raw"))
    )
    near = said.join(F.broadcast(written), on=["namespace", "raw"], how="left_semi").select(*_LINE).distinct()
    near = records.join(F.broadcast(near), on=_LINE, how="left_semi")
    known = hashed(_said(near, sources)).join(held, on=identifier, how="inner")
    first = known.groupBy(*_LINE).agg(F.min(F.struct("place", *part)).alias("first"))
    return first.select(*_LINE, "first.*").join(parts, on=part, how="left_semi").select(*_LINE)


def _said(records: DataFrame, sources: Mapping[str, SourceContract]) -> DataFrame:
    """What records say of whose they are: a row a column that is filled, with its `place`, `namespace` and `raw`."""
    owners: Column = F.lit(None)
    for source in sources.values():
        for name, feed in source.feeds.items():
            if feed.owners:
                is_of_feed = (F.col("source") == source.source) & (F.col("feed") == name)
                owners = F.when(is_of_feed, _owners(feed)).otherwise(owners)
    return records.select(*_LINE, F.explode(owners).alias("e")).select(*_LINE, "e.*").where("raw is not null")


def _asked(
    sources: Mapping[str, SourceContract], namespaces: Mapping[str, Namespace]
) -> dict[str, Namespace]:
    """The namespaces that say whose a line is."""
    asked = {f.columns[c].identifier for s in sources.values() for f in s.feeds.values() for c in f.owners}
    return {name: namespace for name, namespace in namespaces.items() if name in asked}


def _owners(feed: Feed) -> Column:
    """What stands in a record's columns that say whose it is, in their order."""
    each = (
        F.struct(
            F.lit(place).alias("place"),
            F.lit(feed.columns[column].identifier).alias("namespace"),
            F.get_json_object("record", f"$.{column}").alias("raw"),
        )
        for place, column in enumerate(feed.owners)
    )
    return F.array(*each)

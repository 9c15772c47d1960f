"""Whose a delivered line is: the columns of a feed that say so, and who holds what stands in them."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace, SourceContract
from identity.rights.persons import DEVICES, OWN_KEYS
from identity.standardise.identifiers import normalised, value_hash

_KEY = ["source", "source_key"]
_LINE = ["source", "feed", "file_id", "row_no"]


def holders(members: DataFrame, identifiers: DataFrame, cards: DataFrame, *, key: bytes) -> DataFrame:
    """Who holds an identifier alone: a row an identifier.

    A record's own key is that record's; a loyalty card its member's, and nobody's where that is nobody known: who paid
    does not hold it instead. An e-mail is held by the one confirmed part whose records carry it, and by nobody where
    several do.

    Args:
        members: Records and whose each is: `golden_id`, `part`, `source`, `source_key`.
        identifiers: silver.identifier.
        cards: silver.loyalty_card.
        key: Key of identifier hashes.

    Returns:
        `namespace`, `value_hmac`, `golden_id`, `part` (both null for a card that is nobody's).
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
    ).join(members.select(*_KEY, "golden_id", "part"), on=_KEY, how="left")
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
        The persons' among `records`.
    """
    identifier, part = ["namespace", "value_hmac"], ["golden_id", "part"]

    def hashed(told: DataFrame) -> DataFrame:
        each = told.select("*", F.explode("owners").alias("e")).select("*", "e.*").drop("e")
        return normalised(each, namespaces=_asked(sources, namespaces), key=key)

    # First the few that name them at all, so that whom else those name is asked of these alone.
    theirs = F.broadcast(held.join(parts, on=part, how="left_semi").select(*identifier))
    told = hashed(_with_owners(records, sources)).join(theirs, on=identifier, how="left_semi")
    near = told.select(*records.columns, "owners").dropDuplicates(_LINE)
    known = hashed(near).join(held, on=identifier, how="inner")
    first = known.groupBy(*records.columns).agg(F.min(F.struct("place", *part)).alias("first"))
    whose = first.select(*records.columns, "first.*").join(parts, on=part, how="left_semi")
    return whose.select(*records.columns)


def account_lines(records: DataFrame, accounts: DataFrame) -> DataFrame:
    """Delivered lines of loyalty accounts: they name no person, and are of whoever holds a card of the account.

    Args:
        records: Rows of bronze.loyalty.
        accounts: The accounts, few: `account_no`.

    Returns:
        Those accounts' among `records`.
    """
    of_accounts = records.where("feed = 'accounts'")
    told = of_accounts.withColumn("account_no", F.get_json_object("record", "$.account_no"))
    return told.join(accounts, on="account_no", how="left_semi").drop("account_no")


def _with_owners(records: DataFrame, sources: Mapping[str, SourceContract]) -> DataFrame:
    """Records with `owners`: `place`, `namespace` and `raw` of each column that says whose a record is, in their order."""
    feeds = [
        (s.source, name, feed) for s in sources.values() for name, feed in s.feeds.items() if feed.owners
    ]
    read = {column: f"_{column}" for _, _, feed in feeds for column in feed.owners}
    owners: Column = F.lit(None)
    for source, name, feed in feeds:
        each = (
            F.struct(
                F.lit(place).alias("place"),
                F.lit(feed.columns[column].identifier).alias("namespace"),
                F.col(read[column]).alias("raw"),
            )
            for place, column in enumerate(feed.owners)
        )
        is_of_feed = (F.col("source") == source) & (F.col("feed") == name)
        owners = F.when(is_of_feed, F.array(*each)).otherwise(owners)
    # A generator, so that a record is parsed once however many of its columns are asked for.
    opened = records.select("*", F.json_tuple("record", *read).alias(*read.values()))
    return opened.select(*records.columns, owners.alias("owners"))


def _asked(
    sources: Mapping[str, SourceContract], namespaces: Mapping[str, Namespace]
) -> dict[str, Namespace]:
    """The namespaces that say whose a line is."""
    asked = {f.columns[c].identifier for s in sources.values() for f in s.feeds.values() for c in f.owners}
    return {name: namespace for name, namespace in namespaces.items() if name in asked}

"""Households: golden ids that share a loyalty account, or an address and a family name.

A household joins no records and hands nobody's consent to anybody: it is made of golden ids when these are settled,
and nothing that decides about them reads it. What ties are there is worked out in Spark; which of them hang together,
in the driver.
"""

import datetime as dt
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from identity.config import STRENGTHS, Household
from identity.resolve import golden_id

_KEY = ["source", "source_key"]
_BUILDING = ["postal_code", "street"]
_ACCOUNT: Final = "loyalty_account"
_ADDRESS: Final = "shared_address"
# Parts of a family name that many families have.
_PARTICLES = (
    "af", "al", "av", "bin", "da", "de", "del", "den", "der", "di", "do", "dos", "du", "el", "ibn", "la", "le", "van",
    "von", "zu",
)  # fmt: skip
# A post-office box, where nobody lives.
_BOX = r"^(pl|pb|postilokero|postbox|p o box|po box|box) \d"


def households(
    members: DataFrame,
    persons: DataFrame,
    cards: DataFrame,
    before: DataFrame,
    crosswalk: DataFrame,
    *,
    limits: Household,
    key: bytes,
    on: dt.date,
) -> DataFrame:
    """id.household after this run: every household of two persons or more.

    Two golden ids are of one household when they hold cards of one loyalty account, or live at one address and share
    a family name, or a part of it. What is tied over a third is one household too. Its id goes where most of its
    members are, as a golden id goes where most of its records are.

    Args:
        members: Open memberships: `golden_id`, `source`, `source_key`, `level`, `link_permission`.
        persons: silver.person_record.
        cards: silver.loyalty_card.
        before: id.household of the last run.
        crosswalk: id.crosswalk after this run.
        limits: Beyond which an address says nothing.
        key: Key of household ids.
        on: Run date.
    """
    people = residents(members, persons)
    ties = _account_ties(people, members, cards, on=on).unionByName(_address_ties(people, limits))
    today = _joined(ties, most=limits.max_persons)
    return _with_ids(today, people, before, crosswalk, key=key, on=on)


def residents(members: DataFrame, persons: DataFrame) -> DataFrame:
    """Customers who may be anybody's household: a row a golden id whose records may all be joined.

    Returns:
        `golden_id`, `given_name`, `family_name`, `birth_date`, `first_seen_at`, and the home that was told last:
        `street`, `postal_code`, `flat`; where somebody lived before is no home.
    """
    known = members.select(
        "golden_id", *_KEY, "link_permission", golden_id.strength().alias("strength")
    ).join(persons, on=_KEY, how="inner")
    newest = F.struct("valid_from", *_KEY)
    is_home = F.col("street").isNotNull() & F.col("postal_code").isNotNull() & ~F.col("street").rlike(_BOX)
    home = F.struct("street", "postal_code", "flat")
    told = [
        F.max_by(name, F.when(F.col(name).isNotNull(), newest)).alias(name)
        for name in ("given_name", "family_name", "birth_date")
    ]
    one = known.groupBy("golden_id").agg(
        F.bool_and((F.col("subject_kind") == "customer") & (F.col("link_permission") == "permitted")).alias(
            "is_in"
        ),
        F.max("strength").alias("strength"),
        F.min("first_seen_at").alias("first_seen_at"),
        F.max_by(home, F.when(is_home, newest)).alias("home"),
        *told,
    )
    return one.where(F.col("is_in") & (F.col("strength") >= STRENGTHS["identified"])).select(
        "golden_id", "given_name", "family_name", "birth_date", "first_seen_at", "home.*"
    )


def _account_ties(people: DataFrame, members: DataFrame, cards: DataFrame, *, on: dt.date) -> DataFrame:
    """Holders of one loyalty account, by the cards that are open: `golden_id`, `tie`, `basis`, `role`."""
    holders = members.where("source = 'loyalty'").select("golden_id", F.col("source_key").alias("member_no"))
    held = (
        cards.where(F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(on)))
        .join(holders, on="member_no", how="inner")
        .join(people.select("golden_id"), on="golden_id", how="left_semi")
        .groupBy("golden_id", "account_no")
        .agg(F.max("holder_role").alias("role"))  # who is both is principal, which sorts last
    )
    return held.select("golden_id", _tie("account", "account_no"), F.lit(_ACCOUNT).alias("basis"), "role")


def _address_ties(people: DataFrame, limits: Household) -> DataFrame:
    """Those who live at one address and share a part of their family name: `golden_id`, `tie`, `basis`, `role`.

    Who gave no flat is taken to live in the one flat of the building in which a namesake lives, if there is but one.
    """
    homes = people.where("street is not null and family_name is not null")
    named = (
        homes.select("*", F.explode(F.array_distinct(F.split("family_name", " "))).alias("name"))
        .where((F.length("name") > 1) & ~F.col("name").isin(*_PARTICLES))
        .withColumn("gave_flat", F.col("flat").isNotNull())
    )
    namesakes = Window.partitionBy(*_BUILDING, "name")
    lowest, highest = (function("flat").over(namesakes) for function in (F.min, F.max))
    settled = named.withColumn(
        "flat", F.coalesce("flat", F.when(lowest.isNull() | (lowest == highest), F.coalesce(lowest, F.lit("")))),
    ).where("flat is not null")  # fmt: skip
    # A flat is judged by those who gave it, a building by all who live in it.
    flats = _small(homes.where("flat is not null"), [*_BUILDING, "flat"], limits).withColumn(
        "in_flat", F.lit(True)
    )
    buildings = _small(homes, _BUILDING, limits).withColumn("in_building", F.lit(True))
    judged = (
        settled.join(flats, on=[*_BUILDING, "flat"], how="left")
        .join(buildings, on=_BUILDING, how="left")
        .where(F.when(F.col("gave_flat"), F.col("in_flat")).otherwise(F.col("in_building")))
    )
    together = [*_BUILDING, "flat", "name"]
    several = (
        judged.groupBy(*together)
        .agg(
            F.count_distinct("given_name").alias("given_names"),
            F.count_distinct("birth_date").alias("births"),
        )
        # Otherwise it may be one person whose records were not joined.
        .where("given_names > 1 or births > 1")
    )
    return judged.join(several, on=together, how="left_semi").select(
        "golden_id", _tie("address", *together), F.lit(_ADDRESS).alias("basis"), F.lit("member").alias("role")
    )


def _small(homes: DataFrame, place: list[str], limits: Household) -> DataFrame:
    """Places where no more persons and family names live than in a household."""
    living = homes.groupBy(*place).agg(
        F.count("*").alias("persons"), F.count_distinct("family_name").alias("names")
    )
    few = (F.col("persons") <= limits.max_persons) & (F.col("names") <= limits.max_family_names)
    return living.where(few).select(*place)


def _tie(kind: str, *columns: str) -> Column:
    return F.concat_ws("\x1f", F.lit(kind), *columns).alias("tie")


def _joined(ties: DataFrame, *, most: int) -> DataFrame:
    """Ties as households: collects them in the driver, joins what hangs together, and sends it back.

    A household of more than `most` is tied anew by loyalty accounts alone; one that is still too large is none.

    Returns:
        `golden_id`, `cluster`, `basis`, `role`, a row a golden id that lives with another.
    """
    shared = F.count("*").over(Window.partitionBy("tie")) > 1
    found: pd.DataFrame = ties.withColumn("shared", shared).where("shared").drop("shared").toPandas()
    found = found[~(_too_large(found, most) & (found["basis"] == _ADDRESS))]
    found = found[~_too_large(found, most)]
    found["cluster"] = found["golden_id"].groupby(_components(found)).transform("min")
    # A loyalty account tells more than an address, and a principal of one account may be a parallel of another.
    first = found.sort_values(["golden_id", "basis", "role"], ascending=[True, True, False])
    alone = first.drop_duplicates("golden_id")
    shape = "golden_id string, cluster string, basis string, role string"
    rows = alone[["golden_id", "cluster", "basis", "role"]].astype(object)
    return ties.sparkSession.createDataFrame(rows, shape)


def _too_large(ties: pd.DataFrame, most: int) -> "pd.Series[bool]":
    """Whether each tie is in a household of more than `most`."""
    size: pd.Series[int] = ties["golden_id"].groupby(_components(ties)).transform("nunique")
    return size > most


def _components(ties: pd.DataFrame) -> npt.NDArray[np.int64]:
    """For each tie the number of the household it is in: golden ids and what ties them are the nodes of one graph."""
    people, ids = pd.factorize(ties["golden_id"])
    groups, names = pd.factorize(ties["tie"])
    nodes = len(ids) + len(names)
    edges = (np.ones(len(ties), dtype=bool), (people, groups + len(ids)))
    labels = connected_components(coo_matrix(edges, shape=(nodes, nodes)), directed=False)[1]
    found: npt.NDArray[np.int64] = labels[people].astype(np.int64)
    return found


def _with_ids(
    today: DataFrame, people: DataFrame, before: DataFrame, crosswalk: DataFrame, *, key: bytes, on: dt.date
) -> DataFrame:
    """Households with their ids: a household is to golden ids what a golden id is to records."""
    kind = F.lit("household").alias("source")
    # Who was merged takes the place of both; of two places the older one.
    was = (
        before.join(crosswalk.select("golden_id", "live_golden_id"), on="golden_id", how="inner")
        .where("live_golden_id is not null")
        .groupBy(F.col("live_golden_id").alias("golden_id"))
        .agg(F.min(F.struct("since_on", "household_id")).alias("place"))
        .select(
            "golden_id",
            F.col("place.household_id").alias("old_id"),
            F.col("place.since_on").alias("old_since_on"),
        )
    )
    founded = before.groupBy(F.col("household_id").alias("golden_id")).agg(F.min("since_on").alias("born_on"))
    clusters = today.join(people.select("golden_id", "first_seen_at"), on="golden_id", how="inner").select(
        kind, F.col("golden_id").alias("source_key"), "cluster", F.col("cluster").alias("part"),
        F.lit("identified").alias("level"),
        F.lit("permitted").alias("link_permission"), F.lit(1.0).alias("confidence"), "first_seen_at",
    )  # fmt: skip
    places = was.select(F.col("old_id").alias("golden_id"), kind, F.col("golden_id").alias("source_key"))
    inherited = golden_id.inherit(clusters, places, founded, key=key, on=on).members.select(
        F.col("golden_id").alias("household_id"), F.col("source_key").alias("golden_id")
    )
    stays = F.col("household_id") == F.col("old_id")
    return (
        today.join(inherited, on="golden_id", how="inner")
        .join(was, on="golden_id", how="left")
        .select(
            "household_id", "golden_id", "role", "basis",
            F.when(stays, F.col("old_since_on")).otherwise(F.lit(on)).alias("since_on"),
        )
    )  # fmt: skip

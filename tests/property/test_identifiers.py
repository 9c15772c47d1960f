"""Shared identifiers: any small villages, all at once, against the rules written out record by record."""

import datetime as dt
import random
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.config_reading import load_config
from identity.resolve.edges import DECISION, Evidence, resolve_edges
from identity.resolve.identifiers import shared_identifier_edges
from tests.property.test_clustering import parts, union_find

MATCHING = load_config(Path(__file__).parents[2] / "conf" / "local.yaml", need_model=False).matching
VILLAGES, MOST_RECORDS = 400, 7
NAMESPACES = {
    "member": Namespace(level="identified", rank=2, links="always", max_persons=4, max_given_names=2),
    "card": Namespace(level="identified", rank=3, links="never", max_persons=9),
    "email": Namespace(
        level="identified",
        rank=6,
        links="with_agreement",
        max_persons=4,
        max_given_names=3,
        blocked=("^info@",),
    ),
}
GIVEN = ("aino", "aina", "eero", "maria", None)
FAMILY = ("virtanen", "laine", None)
BORN = (dt.date(1980, 1, 1), dt.date(1981, 5, 5), dt.date(1999, 1, 1), None)
RECORD = (
    "source string, source_key string, given_name string, other_given_names string, family_name string, "
    "birth_date date"
)
IDENTIFIER = "source string, source_key string, namespace string, value string, value_hmac string"
Edge = tuple[str, str, str, str, str]


class Person(NamedTuple):
    source: str
    key: str
    given: str | None
    others: str | None
    family: str | None
    born: dt.date | None

    @property
    def is_bare(self) -> bool:
        return self.given is None and self.born is None


class Carried(NamedTuple):
    source: str
    key: str
    namespace: str
    value: str
    value_hmac: str


class Village(NamedTuple):
    people: list[Person]
    carried: list[Carried]


def villages() -> list[Village]:
    """Villages that share no value; people of few names who share many values."""
    found = []
    for number in range(VILLAGES):
        chance = random.Random(number)
        people = [
            Person(
                chance.choice(["crm", "loyalty"]), f"{number}.{place}", chance.choice(GIVEN),
                chance.choice(["eero maria", None, None]), chance.choice(FAMILY), chance.choice(BORN),
            )
            for place in range(chance.randint(2, MOST_RECORDS))
        ]  # fmt: skip
        carried = {
            Carried(p.source, p.key, name, value, f"{number} {name} {value}")
            for p in people
            for name in NAMESPACES
            for value in chance.sample(["a@", "b@", "info@"], k=chance.choice([0, 1, 1, 2]))
        }
        found.append(Village(people, sorted(carried)))
    return found


def years_apart(a: dt.date | None, b: dt.date | None) -> bool:
    return a is not None and b is not None and abs((a - b).days) > 14.99 * 365.25


def agree(a: Person, b: Person, sharing: list[Person]) -> bool:
    """Whether an e-mail address in common joins two: docs/resolution.md, `with_agreement`."""
    if a.is_bare or b.is_bare:
        named = {p.given for p in sharing if p.given is not None}
        return len(named) <= 1 and not any(years_apart(p.born, q.born) for p, q in combinations(sharing, 2))
    given = a.given is not None and a.given == b.given
    given |= a.given is not None and b.others is not None and a.given in b.others.split()
    given |= b.given is not None and a.others is not None and b.given in a.others.split()
    family = a.family is not None and a.family == b.family
    born = a.born is not None and a.born == b.born
    differ = a.born is not None and b.born is not None and a.born != b.born
    # Of these names only Aino and Aina are like each other.
    unlike = a.given is not None and b.given is not None and len({a.given, b.given} - {"aino", "aina"}) > 0
    unlike = unlike and a.given != b.given
    if given:
        return born or not differ or (family and not years_apart(a.born, b.born))
    return born and family and not unlike


def edges_of(village: Village) -> dict[Edge, str | None]:
    """Every edge and why it may not be used."""
    person = {(p.source, p.key): p for p in village.people}
    sharing: dict[tuple[str, str], list[Person]] = defaultdict(list)
    for c in village.carried:
        sharing[c.namespace, c.value].append(person[c.source, c.key])
    said: dict[Edge, list[str | None]] = defaultdict(list)
    for (name, value), carriers in sharing.items():
        rules = NAMESPACES[name]
        if rules.links == "never" or (name == "email" and value == "info@"):
            continue
        those = sorted(carriers, key=lambda p: (p.source, p.key))
        names = {p.given for p in those if p.given is not None}
        assert rules.max_given_names is not None
        hub = "shared_by_too_many" if len(those) > rules.max_persons else None
        hub = hub or ("too_many_given_names" if len(names) > rules.max_given_names else None)
        for a, b in combinations(those, 2):
            if (hub or rules.links == "always") and a != those[0]:
                continue  # a star says the same
            refused = rules.links == "with_agreement" and not agree(a, b, those)
            said[a.source, a.key, b.source, b.key, name].append(
                hub or ("needs_agreement" if refused else None)
            )
    return {edge: None if None in why else min(w for w in why if w) for edge, why in said.items()}


def found(identifiers: DataFrame, records: DataFrame) -> dict[Edge, str | None]:
    rows = shared_identifier_edges(identifiers, records, namespaces=NAMESPACES).toArrow().to_pylist()
    told = {
        (r["source_l"], r["source_key_l"], r["source_r"], r["source_key_r"], r["rule"]): r["reason"]
        for r in rows
    }
    assert len(told) == len(rows)
    return told


@pytest.fixture(scope="module")
def frames(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    everywhere = villages()
    identifiers = spark.createDataFrame([c for v in everywhere for c in v.carried], IDENTIFIER)
    return identifiers, spark.createDataFrame([p for v in everywhere for p in v.people], RECORD)


def test_edges_are_those_of_the_rules(frames: tuple[DataFrame, DataFrame]) -> None:
    expected = {edge: why for village in villages() for edge, why in edges_of(village).items()}
    told = found(*frames)
    assert told == expected
    assert set(told.values()) == {None, "needs_agreement", "shared_by_too_many", "too_many_given_names"}
    assert len(told) > VILLAGES


def test_the_order_of_rows_and_partitions_changes_nothing(frames: tuple[DataFrame, DataFrame]) -> None:
    scattered = [df.orderBy(F.xxhash64(*df.columns)).repartition(3) for df in frames]
    assert found(*scattered) == found(*frames)


def test_without_limits_clusters_are_what_union_find_makes_of_the_used_edges(
    spark: SparkSession, frames: tuple[DataFrame, DataFrame]
) -> None:
    identifiers, records = frames
    evidence = Evidence(
        shared=shared_identifier_edges(identifiers, records, namespaces=NAMESPACES),
        records=None,
        decisions=spark.createDataFrame([], DECISION),
        identifiers=identifiers,
        before=spark.createDataFrame([], "source string, source_key string, golden_id string"),
    )
    resolved = resolve_edges(evidence, namespaces=NAMESPACES, model=None)
    clusters = {(r["source"], r["source_key"]): r["cluster"] for r in resolved.clusters.toArrow().to_pylist()}
    # Records that no edge names are one alone, and not among the clusters.
    number = {record: place for place, record in enumerate(sorted(clusters))}
    used = [
        (number[edge[:2]], number[edge[2:4]])
        for village in villages()
        for edge, why in edges_of(village).items()
        if why is None
    ]
    assert parts(pd.factorize(pd.Series([clusters[r] for r in number]))[0]) == union_find(len(number), used)

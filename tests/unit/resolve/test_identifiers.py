"""Who is linked by a shared identifier, and why not: families, hubs and blocked values worked by hand.

Every case is a village of its own: its records and values are told apart from those of the others by the case's
name, so that all of them go through Spark at once.
"""

import datetime as dt
from itertools import combinations
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession

from identity.config import Namespace
from identity.resolve.identifiers import EDGE, shared_identifier_edges

NAMESPACES = {
    "member": Namespace(level="identified", rank=2, links="always", max_persons=4),
    "card": Namespace(level="identified", rank=3, links="never", max_persons=50),
    "email": Namespace(
        level="identified", rank=6, links="with_agreement", max_persons=3, blocked=("^info@", r"@test\.fi$")
    ),
    "phone": Namespace(
        level="identified", rank=7, links="with_agreement", max_persons=3, blocked=(r"(\d)\1{6,}$",)
    ),
}
RECORD = (
    "source string, source_key string, given_name string, other_given_names string, family_name string, "
    "birth_date date"
)
IDENTIFIER = "source string, source_key string, namespace string, value string, value_hmac string"


class Person(NamedTuple):
    given: str | None = None
    others: str | None = None
    family: str | None = None
    born: str | None = None


class Case(NamedTuple):
    persons: dict[str, Person]
    carried: list[tuple[str, str, str]]  # key, namespace, value
    expected: dict[tuple[str, str, str], str | None]  # left key, right key, namespace → reason


def shared(namespace: str, keys: str, value: str = "v") -> list[tuple[str, str, str]]:
    """Every one of `keys` carries the same value."""
    return [(key, namespace, value) for key in keys]


def with_aino(other: Person, reason: str | None) -> Case:
    """Somebody shares an e-mail with Aino."""
    return Case({"a": AINO, "b": other}, shared("email", "ab"), {("a", "b", "email"): reason})


BARE = Person()  # a login, a payment token: nothing is known of whoever it is
AINO = Person("aino", "maria", "virtanen", "1980-01-01")
EERO = Person("eero", None, "laine", "1950-05-05")
TWO = {"a": BARE, "b": BARE}
NO = "needs_agreement"
HUB = "shared_by_too_many"

CASES: dict[str, Case] = {
    # always
    "always links all who carry the value, as a star": Case(
        {"a": AINO, "b": EERO, "c": BARE},  # nothing agrees, and it does not matter
        shared("member", "abc"),
        {("a", "b", "member"): None, ("a", "c", "member"): None},
    ),
    "a value of one record links nobody": Case(
        TWO, [("a", "member", "M1"), ("b", "member", "M2"), ("a", "email", "a@x.fi")], {}
    ),
    "a value in two namespaces is not shared": Case(TWO, [("a", "email", "v"), ("b", "phone", "v")], {}),
    "never gives no edge": Case(TWO, shared("card", "ab"), {}),
    "a record that may not be joined takes no part": Case(
        TWO,  # c is among the identifiers, but gate L kept its person record out
        shared("member", "abc"),
        {("a", "b", "member"): None},
    ),
    # with agreement: who shares an e-mail with Aino?
    "the same in everything": with_aino(AINO, None),
    "given name and nothing else": with_aino(Person("aino"), None),
    "given name, other family name, no birth date": with_aino(Person("aino", None, "laine"), None),
    "given and family name, birth date slipped": with_aino(Person("aino", None, "virtanen", "1980-01-10"), None),
    "given name, and another birth date": with_aino(Person("aino", None, "laine", "1955-03-03"), NO),
    "her second name as first": with_aino(Person("maria", None, "virtanen"), None),
    "her first name as second": with_aino(Person("liisa", "eeva aino", "virtanen"), None),
    "her first name inside another": with_aino(Person("ain", "ainoliisa", "virtanen"), NO),
    "birth date and family name (a nickname)": with_aino(Person("aikku", None, "virtanen", "1980-01-01"), None),
    "birth date alone": with_aino(Person("eero", None, "laine", "1980-01-01"), NO),
    "birth date without any name": with_aino(Person(born="1980-01-01"), NO),
    "family name alone (her husband)": with_aino(Person("eero", None, "virtanen", "1979-09-09"), NO),
    "family name, and neither given name nor birth date": with_aino(Person(family="virtanen"), None),
    "nothing at all (a login)": with_aino(BARE, None),
    "another person": with_aino(EERO, NO),
    # bare records among several
    "a family's e-mail links neither the parents nor a login": Case(
        {"a": AINO, "b": Person("eero", None, "virtanen", "1978-02-02"), "c": BARE},
        shared("email", "abc"),
        {("a", "b", "email"): NO, ("a", "c", "email"): NO, ("b", "c", "email"): NO},
    ),
    "one person's e-mail links her login": Case(
        {"a": AINO, "b": Person("aino", None, "laine"), "c": BARE},  # b: a contact by her married name
        shared("email", "abc"),
        {("a", "b", "email"): None, ("a", "c", "email"): None, ("b", "c", "email"): None},
    ),
    "two e-mails in common are one edge, and one agreed on is enough": Case(
        {"a": AINO, "b": Person("eero", None, "virtanen"), "c": BARE},
        # The family's says nothing of the login c; a and c also share one of their own.
        [*shared("email", "abc", "family@x.fi"), *shared("email", "ac", "aino@x.fi")],
        {("a", "b", "email"): NO, ("a", "c", "email"): None, ("b", "c", "email"): NO},
    ),
    # hubs
    "always, at the limit of four": Case(
        dict.fromkeys("abcd", AINO), shared("member", "abcd"), {("a", key, "member"): None for key in "bcd"}
    ),
    "always, above it: a hub, kept as a star": Case(
        dict.fromkeys("abcde", AINO), shared("member", "abcde"), {("a", key, "member"): HUB for key in "bcde"}
    ),
    "with agreement, at the limit of three: every pair": Case(
        dict.fromkeys("abc", AINO),
        shared("phone", "abc"),
        {(left, right, "phone"): None for left, right in combinations("abc", 2)},
    ),
    "with agreement, above it: a hub, whoever agrees": Case(
        dict.fromkeys("abcd", AINO), shared("phone", "abcd"), {("a", key, "phone"): HUB for key in "bcd"}
    ),
    "of a hub and a value of their own the better counts": Case(
        dict.fromkeys("abcd", AINO),
        [*shared("email", "abcd", "firm@x.fi"), *shared("email", "ab", "aino@x.fi")],
        {("a", "b", "email"): None, ("a", "c", "email"): HUB, ("a", "d", "email"): HUB},
    ),
    # blocked
    "blocked values give no edge at all": Case(
        {"a": AINO, "b": AINO},
        [*shared("email", "ab", "info@"), *shared("email", "ab", "@test.fi"), *shared("phone", "ab", "0000000")],
        {},
    ),
    "a pattern blocks in its own namespace, and as it is written": Case(
        {"a": AINO, "b": AINO},
        [*shared("member", "ab", "info@"), *shared("email", "ab", "my-info@")],
        {("a", "b", "member"): None, ("a", "b", "email"): None},
    ),
}  # fmt: skip
Found = dict[str, dict[tuple[str, str, str], str | None]]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> Found:
    """The edges of every case."""
    records, identifiers = [], []
    for case, (persons, carried, _) in CASES.items():
        for key, person in persons.items():
            born = None if person.born is None else dt.date.fromisoformat(person.born)
            records.append((case, key, *person[:3], born))
        # The hash stands for the value; what is hashed does not matter here.
        identifiers += [(case, key, name, value, f"{case}: {value}") for key, name, value in carried]
    edges = shared_identifier_edges(
        spark.createDataFrame(identifiers, IDENTIFIER),
        spark.createDataFrame(records, RECORD),
        namespaces=NAMESPACES,
    )
    told: Found = {case: {} for case in CASES}
    for row in edges.collect():
        assert row.source_l == row.source_r
        edge = (row.source_key_l, row.source_key_r, row.rule)
        assert edge not in told[row.source_l]  # never two edges for one pair and namespace
        told[row.source_l][edge] = row.reason
    return told


@pytest.mark.parametrize("case", CASES)
def test_shared_identifiers_link_as_the_hierarchy_says(found: Found, case: str):
    assert found[case] == CASES[case].expected


def test_what_an_edge_says(spark: SparkSession):
    keys = [("loyalty", "1"), ("crm", "2"), ("crm", "10")]
    records = spark.createDataFrame([(*key, None, None, None, None) for key in keys], RECORD)
    identifiers = spark.createDataFrame([(*key, "member", "v", "h") for key in keys], IDENTIFIER)
    edges = shared_identifier_edges(identifiers, records, namespaces=NAMESPACES)
    assert ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in edges.schema) == EDGE
    said = ("deterministic", "member", 2, None, None, None)
    # The first record by source and key, as text, is the middle of the star; left sorts before right.
    assert sorted(map(tuple, edges.collect())) == [
        ("crm", "10", "crm", "2", *said),
        ("crm", "10", "loyalty", "1", *said),
    ]

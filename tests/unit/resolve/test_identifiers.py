"""Who is linked by a shared identifier, and why not: families, hubs and blocked values worked by hand.

Every case is a village of its own: its records and values are told apart from those of the others by the case's
name, so that all of them go through Spark at once.
"""

import datetime as dt
import re
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.resolve.identifiers import EDGE, blocked_values, shared_identifier_edges

NAMESPACES = {
    "member": Namespace(level="identified", rank=2, links="always", max_persons=4, max_given_names=2),
    "card": Namespace(level="identified", rank=3, links="never", max_persons=50),
    "email": Namespace(
        level="identified", rank=6, links="with_agreement", max_persons=3, blocked=("^info@", r"@test\.fi$")
    ),
    "phone": Namespace(
        level="identified", rank=7, links="with_agreement", max_persons=3, blocked=(r"(\d)\1{6,}$",)
    ),
    "mail": Namespace(level="identified", rank=8, links="with_agreement", max_persons=9, max_given_names=3),
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
SON = Person("aino", "maria", "virtanen", "1995-01-01")  # fifteen years later, to the day
NO = "needs_agreement"
HUB = "shared_by_too_many"
NAMES = "too_many_given_names"

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
    "birth date and family name (the first letter slipped)": with_aino(Person("sino", None, "virtanen", "1980-01-01"), None),
    "birth date and family name, an unlike name (her twin)": with_aino(Person("eero", None, "virtanen", "1980-01-01"), NO),
    "birth date alone": with_aino(Person("eero", None, "laine", "1980-01-01"), NO),
    "birth date without any name": with_aino(Person(born="1980-01-01"), NO),
    "her name, born a generation later": with_aino(SON, NO),
    "her name, born a day less than a generation later": with_aino(SON._replace(born="1994-12-31"), None),
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
    "an e-mail of two generations of one name links no login": Case(
        {"a": AINO, "b": SON, "c": BARE},
        shared("email", "abc"),
        {("a", "b", "email"): NO, ("a", "c", "email"): NO, ("b", "c", "email"): NO},
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
    # given names
    "always, as many given names as may be, and nobody's counts for nothing": Case(
        {"a": AINO, "b": EERO, "c": BARE, "d": AINO},
        shared("member", "abcd"),
        {("a", key, "member"): None for key in "bcd"},
    ),
    "always, one given name more: nobody is joined, a star": Case(
        {"a": AINO, "b": EERO, "c": Person("liisa")},
        shared("member", "abc"),
        {("a", "b", "member"): NAMES, ("a", "c", "member"): NAMES},
    ),
    "with agreement, one given name more: not even who agrees": Case(
        {"a": AINO, "b": AINO, "c": EERO, "d": Person("liisa"), "e": Person("kari")},
        shared("mail", "abcde"),
        {("a", key, "mail"): NAMES for key in "bcde"},
    ),
    "too many records and too many given names: the records are told": Case(
        {"a": AINO, "b": EERO, "c": Person("liisa"), "d": BARE, "e": BARE},
        shared("member", "abcde"),
        {("a", key, "member"): HUB for key in "bcde"},
    ),
    "given names are not counted where no limit is set": Case(
        {"a": AINO, "b": EERO, "c": Person("liisa")},
        shared("phone", "abc"),
        {("a", "b", "phone"): NO, ("a", "c", "phone"): NO, ("b", "c", "phone"): NO},
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


HUB_SIZE = 40_000


def test_a_hub_costs_a_star_and_not_a_pair_of_everybody_with_everybody(
    spark: SparkSession,
):
    everybody = spark.range(HUB_SIZE).selectExpr("'crm' as source", "cast(id as string) as source_key")
    records = everybody.selectExpr(
        "*", "concat('name', source_key) as given_name", "null as other_given_names", "null as family_name",
        "cast(null as date) as birth_date",
    )  # fmt: skip
    identifiers = everybody.selectExpr("*", "'mail' as namespace", "'v' as value", "'h' as value_hmac")
    edges = shared_identifier_edges(identifiers, records, namespaces=NAMESPACES)
    told = [tuple(row) for row in edges.groupBy("source_key_l", "reason").count().collect()]
    assert told == [("0", HUB, HUB_SIZE - 1)]


def test_blocked_patterns_mean_in_java_what_they_mean_in_python(spark: SparkSession):
    conf = load_config(Path(__file__).parents[3] / "conf" / "local.yaml", need_model=False)
    patterns = [pattern for namespace in conf.namespaces.values() for pattern in namespace.blocked]
    # One of everything the configuration allows (tests/unit/test_config.py).
    patterns += [
        r"^(a|b)+?@x\.fi$",
        "[^a-c&.]{2,3}@",
        r"(?:i)(?=n)(?!x)n(?<=n)f",
        r"\w\S*\b-",
        "a++b",
        r"[\w.]{9,}",
    ]
    texts = [
        "info@firma.fi", "my-info@firma.fi", "xxxx@x.fi", "ei.ole@x.fi", "eixole@x.fi", "a@test.fi", "a@test.fi.fi",
        "abab@x.fi", "+358400000000", "+358000000", "+3584000000001", "+358407777777", "+358401234567", "aab", "a&b.c@",
    ]  # fmt: skip
    fits = [F.col("text").rlike(pattern).alias(str(place)) for place, pattern in enumerate(patterns)]
    rows = spark.createDataFrame([(text,) for text in texts], "text string").select("text", *fits).collect()
    assert {row[0]: row[1:] for row in rows} == {
        text: tuple(bool(re.search(pattern, text)) for pattern in patterns) for text in texts
    }


BLOCKED = (
    "namespace string, value_hmac string, persons bigint, given_names bigint, reason string, since_on date"
)
DAY, BEFORE = dt.date(2026, 2, 1), dt.date(2026, 1, 1)


def test_blocked_values_are_told_by_their_hash_with_the_reason_and_since_when(spark: SparkSession):
    names = ["aino", "eero", "liisa", "kari", None]
    keys = [("crm", str(place)) for place in range(len(names))]
    records = spark.createDataFrame(
        [(*key, name, None, None, None) for key, name in zip(keys, names, strict=True)], RECORD
    )
    carried = [
        (range(5), "member", "M1"),  # five records, of four at most
        (range(3), "member", "M2"),  # three given names, of two at most
        (range(2), "member", "M3"),  # two
        (range(1), "email", "info@firma.fi"),  # blocked, though one record alone has it
        (range(1), "mail", "info@firma.fi"),  # no pattern in this namespace
        (range(5), "card", "C1"),  # links nobody anyway
    ]
    rows = [(*keys[n], name, value, f"{name} {value}") for who, name, value in carried for n in who]
    # The address of the second record is known by its hash alone.
    rows.append((*keys[1], "email", "0f", "email info@firma.fi"))
    before = spark.createDataFrame(
        [
            ("member", "member M2", 3, 3, "too_many_given_names", BEFORE),
            ("member", "member M3", 3, 3, "too_many_given_names", BEFORE),
        ],
        BLOCKED,
    )
    found = blocked_values(
        spark.createDataFrame(rows, IDENTIFIER), records, before, namespaces=NAMESPACES, on=DAY
    )
    assert ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in found.schema) == BLOCKED
    assert found.columns == list(contract_of("id.blocked_value").columns)
    assert sorted(map(tuple, found.collect())) == [
        ("email", "email info@firma.fi", 2, 2, "pattern", DAY),
        ("member", "member M1", 5, 4, HUB, DAY),
        ("member", "member M2", 3, 3, NAMES, BEFORE),
    ]


def test_a_hash_of_a_blocked_address_links_no_logins(spark: SparkSession):
    keys = [("crm", "1"), ("web", "2"), ("web", "3")]
    records = spark.createDataFrame([(*key, None, None, None, None) for key in keys], RECORD)
    values = ["info@firma.fi", "0f", "0f"]
    rows = [(*key, "email", value, "h") for key, value in zip(keys, values, strict=True)]
    edges = shared_identifier_edges(spark.createDataFrame(rows, IDENTIFIER), records, namespaces=NAMESPACES)
    assert edges.collect() == []

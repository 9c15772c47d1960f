"""Who is linked by a shared identifier, and why not: families, hubs and blocked values worked by hand."""

import datetime as dt
from itertools import combinations

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
    "phone": Namespace(level="identified", rank=7, links="with_agreement", max_persons=3, blocked=(r"(\d)\1{6,}$",)),
}
# key: given, other given names, family name, birth date
Person = tuple[str | None, str | None, str | None, str | None]
# key: namespace, value
Carried = list[tuple[str, str, str]]
Found = dict[tuple[str, str, str], str | None]

BARE: Person = (None, None, None, None)


def edges(spark: SparkSession, persons: dict[str, Person], carried: Carried) -> Found:
    """Edges as (left key, right key, namespace) → reason; all records are of one source."""
    records = spark.createDataFrame(
        [
            ("s", key, given, other, family, None if born is None else dt.date.fromisoformat(born))
            for key, (given, other, family, born) in persons.items()
        ],
        "source string, source_key string, given_name string, other_given_names string, family_name string, "
        "birth_date date",
    )
    identifiers = spark.createDataFrame(
        # The hash stands for the value; what is hashed does not matter here.
        [("s", key, namespace, value, f"hmac of {value}") for key, namespace, value in carried],
        "source string, source_key string, namespace string, value string, value_hmac string",
    )
    found = shared_identifier_edges(identifiers, records, namespaces=NAMESPACES)
    rows = found.collect()
    told = {(row.source_key_l, row.source_key_r, row.rule): row.reason for row in rows}
    assert len(told) == len(rows)  # never two edges for one pair and namespace
    return told


def shared(namespace: str, keys: str, value: str = "v") -> Carried:
    """Every one of `keys` carries the same value."""
    return [(key, namespace, value) for key in keys]


# always


def test_always_links_whoever_carries_the_value_as_a_star(spark: SparkSession):
    persons: dict[str, Person] = {
        "a": ("aino", None, "virtanen", "1980-01-01"),
        "b": ("eero", None, "laine", "1950-05-05"),  # nothing agrees, and it does not matter
        "c": BARE,
    }
    assert edges(spark, persons, shared("member", "abc")) == {("a", "b", "member"): None, ("a", "c", "member"): None}


def test_a_value_of_one_record_links_nobody(spark: SparkSession):
    carried = [("a", "member", "M1"), ("b", "member", "M2"), ("a", "email", "a@x.fi")]
    assert edges(spark, {"a": BARE, "b": BARE}, carried) == {}


def test_the_same_value_in_two_namespaces_is_not_shared(spark: SparkSession):
    assert edges(spark, {"a": BARE, "b": BARE}, [("a", "email", "v"), ("b", "phone", "v")]) == {}


def test_never_gives_no_edge(spark: SparkSession):
    assert edges(spark, {"a": BARE, "b": BARE}, shared("card", "ab")) == {}


def test_a_record_that_may_not_be_joined_takes_no_part(spark: SparkSession):
    # c is in the identifiers, but gate L kept its person record out.
    assert edges(spark, {"a": BARE, "b": BARE}, shared("member", "abc")) == {("a", "b", "member"): None}


def test_what_an_edge_says(spark: SparkSession):
    records = spark.createDataFrame(
        [("crm", "2", None, None, None, None), ("loyalty", "1", None, None, None, None), ("crm", "10", *[None] * 4)],
        "source string, source_key string, given_name string, other_given_names string, family_name string, "
        "birth_date date",
    )
    identifiers = spark.createDataFrame(
        [("crm", "2", "v", "member", "h"), ("loyalty", "1", "v", "member", "h"), ("crm", "10", "v", "member", "h")],
        "source string, source_key string, value string, namespace string, value_hmac string",
    )
    found = shared_identifier_edges(identifiers, records, namespaces=NAMESPACES)
    assert ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in found.schema) == EDGE
    star = ("deterministic", "member", 2, None, None, None)
    # The first record in order of source and key (as text) is the middle of the star.
    assert sorted(map(tuple, found.collect())) == [
        ("crm", "10", "crm", "2", *star),
        ("crm", "10", "loyalty", "1", *star),
    ]


# with agreement

AINO: Person = ("aino", "maria", "virtanen", "1980-01-01")
AGREEMENTS: dict[str, tuple[Person, bool]] = {
    # who shares an e-mail with AINO: linked?
    "the same in everything": (AINO, True),
    "given name and nothing else": (("aino", None, None, None), True),
    "given name, other family name, no birth date": (("aino", None, "laine", None), True),
    "given and family name, birth date slipped": (("aino", None, "virtanen", "1980-01-10"), True),
    "given name only, and another birth date": (("aino", None, "laine", "1955-03-03"), False),
    "her second name as first": (("maria", None, "virtanen", None), True),
    "her first name as second": (("liisa", "aino", "virtanen", None), True),
    "her first name inside another": (("ain", "ainoliisa", "virtanen", None), False),
    "birth date and family name (a nickname)": (("aikku", None, "virtanen", "1980-01-01"), True),
    "birth date alone (a twin abroad)": (("eero", None, "laine", "1980-01-01"), False),
    "birth date without any name": ((None, None, None, "1980-01-01"), False),
    "family name alone (her husband)": (("eero", None, "virtanen", "1979-09-09"), False),
    "family name, nothing else known": ((None, None, "virtanen", None), True),  # neither given name nor birth date
    "nothing at all (a login)": (BARE, True),
    "another person": (("eero", None, "laine", "1950-05-05"), False),
}


def test_a_shared_email_links_whom_name_and_birth_date_agree_with(spark: SparkSession):
    persons: dict[str, Person] = {}
    carried: Carried = []
    for number, (person, _) in enumerate(AGREEMENTS.values()):
        pair = f"{number:02}"
        persons |= {f"{pair}a": AINO, f"{pair}b": person}
        carried += [(f"{pair}{side}", "email", f"{pair}@x.fi") for side in "ab"]
    found = edges(spark, persons, carried)
    told = {
        case: found[f"{number:02}a", f"{number:02}b", "email"] for number, case in enumerate(AGREEMENTS)
    }
    assert told == {case: None if linked else "needs_agreement" for case, (_, linked) in AGREEMENTS.items()}


def test_a_familys_email_links_each_with_herself_and_no_login(spark: SparkSession):
    persons: dict[str, Person] = {
        "a": ("aino", None, "virtanen", "1980-01-01"),  # mother, member
        "b": ("eero", None, "virtanen", "1978-02-02"),  # father, member
        "c": BARE,  # a login with the same e-mail: whose?
    }
    assert edges(spark, persons, shared("email", "abc")) == {
        ("a", "b", "email"): "needs_agreement",
        ("a", "c", "email"): "needs_agreement",
        ("b", "c", "email"): "needs_agreement",
    }


def test_one_persons_email_links_her_login(spark: SparkSession):
    persons: dict[str, Person] = {
        "a": ("aino", None, "virtanen", "1980-01-01"),  # member
        "b": ("aino", None, "laine", None),  # contact, married name
        "c": BARE,  # login
    }
    assert set(edges(spark, persons, shared("email", "abc")).items()) == {
        (("a", "b", "email"), None),
        (("a", "c", "email"), None),
        (("b", "c", "email"), None),
    }


def test_two_emails_in_common_are_one_edge_and_one_agreed_on_is_enough(spark: SparkSession):
    # The family's e-mail is no evidence for the login c, but a and c also share an e-mail of their own.
    persons: dict[str, Person] = {"a": AINO, "b": ("eero", None, "virtanen", None), "c": BARE}
    carried = [*shared("email", "abc", "family@x.fi"), *shared("email", "ac", "aino@x.fi")]
    assert edges(spark, persons, carried) == {
        ("a", "b", "email"): "needs_agreement",
        ("a", "c", "email"): None,
        ("b", "c", "email"): "needs_agreement",
    }


# hubs and blocked values


@pytest.mark.parametrize(("namespace", "limit"), [("member", 4), ("email", 3)])
def test_a_value_of_too_many_is_a_hub_and_links_nobody(spark: SparkSession, namespace: str, limit: int):
    keys = "abcdef"[: limit + 1]
    persons = dict.fromkeys(keys, AINO)
    at_limit = edges(spark, persons, shared(namespace, keys[:limit]))
    assert set(at_limit.values()) == {None}
    above = edges(spark, persons, shared(namespace, keys))
    # Kept as a star, not as every pair of everybody.
    assert above == {("a", key, namespace): "shared_by_too_many" for key in keys[1:]}


def test_below_the_limit_every_pair_that_needs_agreement_is_judged(spark: SparkSession):
    found = edges(spark, dict.fromkeys("abc", AINO), shared("phone", "abc"))
    assert found == {(a, b, "phone"): None for a, b in combinations("abc", 2)}


def test_blocked_values_give_no_edge_at_all(spark: SparkSession):
    carried = [
        *shared("email", "ab", "info@firma.fi"),
        *shared("email", "ab", "aino@test.fi"),
        *shared("phone", "ab", "+358400000000"),
    ]
    assert edges(spark, {"a": AINO, "b": AINO}, carried) == {}


def test_a_pattern_blocks_in_its_own_namespace_only(spark: SparkSession):
    carried = [*shared("member", "ab", "info@firma.fi"), *shared("email", "ab", "myinfo@firma.fi")]
    assert edges(spark, {"a": AINO, "b": AINO}, carried) == {("a", "b", "member"): None, ("a", "b", "email"): None}

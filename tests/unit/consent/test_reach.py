"""Whose words reach whom: one's own in full, from further off only a no, and that one for good."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Namespace
from identity.consent.reach import carried_refusals, contact_points, held, subjects
from identity.contracts import contract_of

D1, D2, D3 = (dt.date(2026, 2, day) for day in (1, 2, 3))
NAMESPACES = {
    "member": Namespace(level="identified", rank=2, links="always", max_persons=50),
    "email": Namespace(level="identified", rank=6, links="with_agreement", max_persons=2),
    "phone": Namespace(level="identified", rank=7, links="with_agreement", max_persons=2),
}
Records = dict[str, tuple[str, str, str, str | None, list[str]]]
# record: golden id, part, permission, given name, what it carries (the namespace by the first letter)
RECORDS: Records = {
    # A has two records; together they carry a member number, an e-mail and a phone
    "a1": ("A", "pa", "permitted", "aino", ["M1", "e-aino"]),
    "a2": ("A", "pa", "permitted", "aino", ["p1"]),
    # B forbade joining; shares Aino's e-mail and goes by her name
    "b1": ("B", "pb", "barred", "aino", ["M2", "e-aino"]),
    # C forbade joining too; shares the phone, but goes by another name
    "c1": ("C", "pc", "barred", "eero", ["M3", "p1"]),
    # D and E share an e-mail; E is barred and has no name
    "d1": ("D", "pd", "permitted", "oona", ["e-oona"]),
    "e1": ("E", "pe", "barred", None, ["M5", "e-oona"]),
    # F, G, H share an e-mail of three, one more than the limit: it reaches nobody
    "f1": ("F", "pf", "permitted", "iida", ["e-all"]),
    "g1": ("G", "pg", "barred", "iida", ["M7", "e-all"]),
    "h1": ("H", "ph", "barred", "iida", ["e-all"]),
    # I and J share a member number only, which is no contact point
    "i1": ("I", "pi", "permitted", "ulla", ["M9"]),
    "j1": ("J", "pj", "barred", "ulla", ["M9", "p9"]),
    # K was put together by resemblance: two parts
    "k1": ("K", "pk", "permitted", "outi", ["M11"]),
    "k2": ("K", "pl", "permitted", "outi", ["M12"]),
    # L may be K, by its second part; and N may be L, but that is a step too far
    "l1": ("L", "pm", "permitted", "outi", ["M13"]),
    "n1": ("N", "pn", "permitted", "outi", ["M14"]),
}
NAMESPACE_OF = {"M": "member", "e": "email", "p": "phone"}
EDGE = "source_l string, source_key_l string, source_r string, source_key_r string, kind string, fate string, reason string"
Edges = list[tuple[str, str, str, str | None]]
EDGES: Edges = [
    ("k1", "k2", "probabilistic", None),
    ("k2", "l1", "probabilistic", "weaker_than_threshold"),
    ("l1", "n1", "probabilistic", "outweighed"),
    ("a1", "n1", "probabilistic", "cannot_link"),  # a person decided
    ("a1", "d1", "deterministic", "needs_agreement"),  # a shared value that joins nobody
]


def holdings(spark: SparkSession, records: Records) -> DataFrame:
    members = spark.createDataFrame(
        [(golden, part, "s", key, may) for key, (golden, part, may, _, _) in records.items()],
        "golden_id string, part string, source string, source_key string, link_permission string",
    )
    identifiers = spark.createDataFrame(
        [(NAMESPACE_OF[value[0]], value, "s", key) for key, (*_, each) in records.items() for value in each],
        "namespace string, value_hmac string, source string, source_key string",
    )
    persons = spark.createDataFrame(
        [("s", key, name) for key, (_, _, _, name, _) in records.items()],
        "source string, source_key string, given_name string",
    )
    return held(members, identifiers, persons)


def edges_of(spark: SparkSession, edges: Edges) -> DataFrame:
    rows = [
        ("s", left, "s", right, kind, "rejected" if why else "used", why) for left, right, kind, why in edges
    ]
    return spark.createDataFrame(rows, EDGE)


def refusals(spark: SparkSession, *refusing: str) -> DataFrame:
    return spark.createDataFrame(
        [(NAMESPACE_OF[value[0]], value, "n") for value in refusing] + [("member", "M99", "y")],
        "subject_namespace string, subject_hmac string, value string",
    )


def carried(
    spark: SparkSession, before: list[Any], records: Records, edges: Edges, refusing: DataFrame, on: dt.date
) -> list[Any]:
    old = spark.createDataFrame(before, contract_of("consent.carried_refusal").spark_schema)
    found = carried_refusals(
        holdings(spark, records), edges_of(spark, edges), refusing, old, namespaces=NAMESPACES, on=on
    )
    return [
        (r.source, r.source_key, r.namespace, r.value_hmac, r.since_on, r.reached_on) for r in found.collect()
    ]


def who_hears(rows: list[Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, key, _, value, *_ in rows:
        found.setdefault(key, set()).add(value)
    return found


@pytest.fixture(scope="module")
def everybody_refuses(spark: SparkSession) -> list[Any]:
    every = {value for *_, values in RECORDS.values() for value in values}
    return carried(spark, [], RECORDS, EDGES, refusals(spark, *sorted(every)), D1)


def test_a_no_reaches_from_further_off(everybody_refuses: list[Any]):
    assert who_hears(everybody_refuses) == {
        # the other record of the id; B by the shared e-mail, not C, who goes by another name
        "a1": {"M1", "e-aino", "p1", "M2"},
        "a2": {"M1", "e-aino", "p1", "M2"},
        # a record without a name could be anybody's
        "d1": {"e-oona", "M5"},
        # the parts of one id hear each other, and whom either may be
        "k1": {"M11", "M12", "M13"},
        "k2": {"M11", "M12", "M13"},
        # L hears the part of K that it may be, and N; N hears L alone
        "l1": {"M12", "M13", "M14"},
        "n1": {"M13", "M14"},
        # who is reached by nobody else hears itself
        **{key: set(RECORDS[key][4]) for key in ("b1", "c1", "e1", "f1", "g1", "h1", "i1", "j1")},
    }
    assert {row[4:] for row in everybody_refuses} == {(D1, D1)}


def test_only_who_refused_is_heard(spark: SparkSession):
    rows = carried(spark, [], RECORDS, EDGES, refusals(spark, "M2", "M12"), D1)
    assert who_hears(rows) == {
        **{key: {"M2"} for key in ("a1", "a2", "b1")},
        **{key: {"M12"} for key in ("k1", "k2", "l1")},
    }


def test_a_yes_speaks_for_its_part_and_a_no_without_one(spark: SparkSession):
    few = {key: RECORDS[key] for key in ("k1", "k2", "l1")}
    rows = [("s", "k1", "member", "M13", D1, D3), ("s", "l1", "member", "M12", D1, D2)]
    told = spark.createDataFrame(rows, contract_of("consent.carried_refusal").spark_schema)
    found = subjects(holdings(spark, few), told, on=D3).collect()
    assert {(r.golden_id, r.part, r.value_hmac, r.heard_to) for r in found} == {
        ("K", "pk", "M11", None),
        ("K", "pl", "M12", None),
        ("L", "pm", "M13", None),
        ("K", None, "M13", None),  # reached today
        ("L", None, "M12", D2),  # no longer: what is said after the second is not heard
    }
    assert len(found) == 5


SPLIT: Records = {
    **{key: RECORDS[key] for key in ("k1", "l1")},
    "k2": ("Z", "pl", "permitted", "outi", ["M12"]),
}


def test_refusals_survive_a_split_and_the_end_of_a_doubt(spark: SparkSession):
    refusing = refusals(spark, "M11", "M12", "M13")
    first = carried(spark, [], {k: RECORDS[k] for k in ("k1", "k2", "l1")}, EDGES[:2], refusing, D1)
    after = carried(spark, first, SPLIT, [], refusing, D2)
    # Reached on the first, and so they stay; what a record carries itself it is reached by on the second, too.
    assert sorted(after) == sorted((*row[:5], D2 if row[3] in SPLIT[row[1]][4] else D1) for row in first)
    again = carried(spark, after, SPLIT, [], refusing, D2)
    assert sorted(again) == sorted(after)
    # Joined again: reached today, heard since the first.
    back = carried(spark, after, {k: RECORDS[k] for k in ("k1", "k2", "l1")}, EDGES[:2], refusing, D3)
    assert sorted(back) == sorted((*row[:5], D3) for row in first)


def test_who_was_decided_to_be_another_is_no_longer_heard(spark: SparkSession):
    refusing = refusals(spark, "M11", "M12", "M13")
    first = carried(spark, [], {k: RECORDS[k] for k in ("k1", "k2", "l1")}, EDGES[:2], refusing, D1)
    after = carried(spark, first, SPLIT, [("k1", "k2", "human", "cannot_link")], refusing, D2)
    assert who_hears(first)["k1"] == {"M11", "M12", "M13"}
    assert who_hears(after) == {"k1": {"M11", "M13"}, "k2": {"M12", "M13"}, "l1": {"M12", "M13"}}


def test_a_refusal_stays_when_the_record_stops_carrying_the_identifier(spark: SparkSession):
    with_number: Records = {"a1": ("A", "pa", "permitted", "aino", ["M1", "e-aino"])}
    without: Records = {"a1": ("A", "pa", "permitted", "aino", ["e-aino"])}
    first = carried(spark, [], with_number, [], refusals(spark, "M1"), D1)
    assert first == [("s", "a1", "member", "M1", D1, D1)]
    assert carried(spark, first, without, [], refusals(spark, "M1"), D2) == first


def test_what_an_id_goes_on_hearing_reaches_who_joins_it(spark: SparkSession):
    row = ("s", "a1", "member", "M1", D1, D1)  # no longer carried by anybody
    refusing = refusals(spark, "M1")
    joined: Records = {
        "a1": ("A", "pa", "permitted", "aino", ["e-aino"]),
        "a2": ("A", "pa", "permitted", "aino", ["e-aino"]),
    }
    second = carried(spark, [row], joined, [], refusing, D2)
    assert sorted(second) == [row, ("s", "a2", "member", "M1", D2, D1)]
    left = carried(spark, second, {"a2": joined["a2"]}, [], refusing, D3)
    assert left == [("s", "a2", "member", "M1", D2, D1)]


def test_a_record_that_is_gone_hears_nothing(spark: SparkSession):
    first = carried(spark, [], RECORDS, EDGES, refusals(spark, "M12"), D1)
    after = carried(spark, first, {"l1": RECORDS["l1"]}, [], refusals(spark, "M12"), D2)
    assert who_hears(after) == {"l1": {"M12"}}


def test_an_id_can_be_reached_at_the_contact_points_of_its_records(spark: SparkSession):
    rows = [tuple(row) for row in contact_points(holdings(spark, RECORDS)).collect()]
    assert sorted(rows) == sorted(
        {
            (golden, NAMESPACE_OF[value[0]], value)
            for golden, _, _, _, values in RECORDS.values()
            for value in values
            if value[0] != "M"
        }
    )

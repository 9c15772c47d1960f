"""Whose a device was, and when: logins that count, intervals, the look-back, and the shared tablet."""

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Namespace
from identity.resolve.devices import logins, owners, sole_owner

NAMESPACES = {
    "cookie": Namespace(level="cookie", rank=8, links="never", max_persons=2),
    "mobile_id": Namespace(level="mobile", rank=9, links="never", max_persons=1),
}


def at(text: str) -> dt.datetime:
    """`03 12:00` is the third of January at noon."""
    return dt.datetime.strptime(f"2026-01-{text}", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - Spark's zone is UTC


# device, when, who logged in
STORY = [
    # one person's phone, three logins
    ("mobile_id", "phone", "03 12:00", "aino"),
    ("mobile_id", "phone", "01 12:00", "aino"),
    ("mobile_id", "phone", "02 12:00", "aino"),
    # sold: Aino's until Eero logs in, then his
    ("cookie", "laptop", "01 08:00", "aino"),
    ("cookie", "laptop", "02 08:00", "aino"),
    ("cookie", "laptop", "05 08:00", "eero"),
    ("cookie", "laptop", "06 08:00", "eero"),
    # lent for a day and given back
    ("cookie", "lent", "01 08:00", "aino"),
    ("cookie", "lent", "02 08:00", "eero"),
    ("cookie", "lent", "03 08:00", "aino"),
    # the family's tablet: three persons, one more than a cookie allows
    ("cookie", "tablet", "01 08:00", "aino"),
    ("cookie", "tablet", "01 09:00", "eero"),
    ("cookie", "tablet", "01 10:00", "oona"),
    # a mobile id is one person's: two are one too many
    ("mobile_id", "shared phone", "01 08:00", "aino"),
    ("mobile_id", "shared phone", "02 08:00", "eero"),
    # the same value in another namespace is another device
    ("cookie", "phone", "04 12:00", "eero"),
]
# device → who, from, to, shared; the look-back is two days
Intervals = list[tuple[str, str, str | None, bool]]
OWNED: dict[tuple[str, str], Intervals] = {
    ("mobile_id", "phone"): [("aino", "2025-12-30 12:00", None, False)],
    ("cookie", "laptop"): [
        ("aino", "2025-12-30 08:00", "2026-01-05 08:00", False),
        ("eero", "2026-01-05 08:00", None, False),  # no look-back: before, it was hers
    ],
    ("cookie", "lent"): [
        ("aino", "2025-12-30 08:00", "2026-01-02 08:00", False),
        ("eero", "2026-01-02 08:00", "2026-01-03 08:00", False),
        ("aino", "2026-01-03 08:00", None, False),
    ],
    ("cookie", "tablet"): [
        ("aino", "2025-12-30 08:00", "2026-01-01 09:00", True),
        ("eero", "2026-01-01 09:00", "2026-01-01 10:00", True),
        ("oona", "2026-01-01 10:00", None, True),
    ],
    ("mobile_id", "shared phone"): [
        ("aino", "2025-12-30 08:00", "2026-01-02 08:00", True),
        ("eero", "2026-01-02 08:00", None, True),
    ],
    ("cookie", "phone"): [("eero", "2026-01-02 12:00", None, False)],
}


LOGIN = "namespace string, value_hmac string, at timestamp, cluster string, part string, is_barred boolean"


def found_logins(spark: SparkSession) -> DataFrame:
    rows = [(namespace, device, at(when), who, f"{who}'s", False) for namespace, device, when, who in STORY]
    return spark.createDataFrame(rows, LOGIN)


def told(rows: list[Any]) -> dict[tuple[str, str], Intervals]:
    found: dict[tuple[str, str], Intervals] = {}
    for row in sorted(rows, key=lambda r: r.from_at):
        interval = (row.cluster, f"{row.from_at:%Y-%m-%d %H:%M}", row.to_at and f"{row.to_at:%Y-%m-%d %H:%M}")
        found.setdefault((row.namespace, row.value_hmac), []).append((*interval, row.is_shared))
    return found


@pytest.fixture(scope="module")
def intervals(spark: SparkSession) -> DataFrame:
    found = owners(found_logins(spark), namespaces=NAMESPACES, look_back_days=2)
    return spark.createDataFrame(found.collect(), found.schema)


def test_a_device_is_whoever_logged_in_until_somebody_else_does(intervals: DataFrame):
    assert told(intervals.collect()) == OWNED


def test_intervals_of_a_device_follow_each_other_without_gap_or_overlap(intervals: DataFrame):
    for of_device in told(intervals.collect()).values():
        for (_, _, to, _), (_, start, _, _) in pairwise(of_device):
            assert to == start
        assert of_device[-1][2] is None


def test_without_look_back_a_device_begins_with_its_first_login(spark: SparkSession):
    found = owners(found_logins(spark), namespaces=NAMESPACES, look_back_days=0)
    assert told(found.collect())["cookie", "laptop"][0] == (
        "aino",
        "2026-01-01 08:00",
        "2026-01-05 08:00",
        False,
    )


def test_only_a_device_of_one_person_becomes_part_of_the_person(intervals: DataFrame):
    assert {tuple(row) for row in sole_owner(intervals).collect()} == {
        ("mobile_id", "phone", "aino", "aino's"),
        ("cookie", "phone", "eero", "eero's"),
    }


def test_a_device_of_two_parts_of_a_person_is_the_persons_and_of_neither_part(spark: SparkSession):
    rows = [
        ("cookie", "c", at("01 08:00"), "aino", "card", False),
        ("cookie", "c", at("02 08:00"), "aino", "e-mail", False),
    ]
    found = owners(spark.createDataFrame(rows, LOGIN), namespaces=NAMESPACES, look_back_days=2)
    parts = {(row.part, f"{row.from_at:%m-%d}", row.is_shared) for row in found.collect()}
    assert parts == {("card", "12-30", False), ("e-mail", "01-02", False)}
    assert [tuple(row) for row in sole_owner(found).collect()] == [("cookie", "c", "aino", None)]


def test_two_logins_at_one_time_are_told_the_same_whatever_the_order(spark: SparkSession):
    rows = [("cookie", "c", at("01 08:00"), who, who, False) for who in ("eero", "aino")]
    one, other = (
        told(owners(spark.createDataFrame(r, LOGIN), namespaces=NAMESPACES, look_back_days=2).collect())
        for r in (rows, rows[::-1])
    )
    assert one == other


def test_who_may_not_be_joined_ends_an_ownership_and_owns_nothing(spark: SparkSession):
    rows = [
        ("cookie", "lent", at("01 08:00"), "aino", "hers", False),
        ("cookie", "lent", at("02 08:00"), "eero", "his", True),
        ("cookie", "back", at("01 08:00"), "aino", "hers", False),
        ("cookie", "back", at("02 08:00"), "eero", "his", True),
        ("cookie", "back", at("03 08:00"), "aino", "hers", False),
        ("cookie", "his own", at("01 08:00"), "eero", "his", True),
        ("mobile_id", "one", at("01 08:00"), "aino", "hers", False),
        ("mobile_id", "one", at("02 08:00"), "eero", "his", True),
    ]
    found = owners(spark.createDataFrame(rows, LOGIN), namespaces=NAMESPACES, look_back_days=0).collect()
    assert told(found) == {
        ("cookie", "lent"): [
            ("aino", "2026-01-01 08:00", "2026-01-02 08:00", False),
            (None, "2026-01-02 08:00", None, False),
        ],
        ("cookie", "back"): [
            ("aino", "2026-01-01 08:00", "2026-01-02 08:00", False),
            (None, "2026-01-02 08:00", "2026-01-03 08:00", False),
            ("aino", "2026-01-03 08:00", None, False),
        ],
        ("cookie", "his own"): [(None, "2026-01-01 08:00", None, False)],
        ("mobile_id", "one"): [  # one person's at most
            ("aino", "2026-01-01 08:00", "2026-01-02 08:00", True),
            (None, "2026-01-02 08:00", None, True),
        ],
    }
    assert {row.part for row in found if row.cluster is None} == {None}
    assert sole_owner(spark.createDataFrame(found)).collect() == []


def test_only_logins_on_permitted_devices_count(spark: SparkSession):
    views = spark.createDataFrame(
        [
            ("cookie", "open", "u1", at("01 08:00")),  # counts
            ("cookie", "open", None, at("01 09:00")),  # not a login
            ("cookie", "barred", "u1", at("01 10:00")),  # the cookie said no
            ("cookie", "open", "u2", at("01 11:00")),  # the person said no, which ends what was before
            ("cookie", "open", "u3", at("01 12:00")),  # nobody knows this login
            ("mobile_id", "open", "u1", at("01 13:00")),  # permitted as a cookie, not as a mobile id
        ],
        "namespace string, value_hmac string, login_id string, occurred_at timestamp",
    )
    permission = spark.createDataFrame(
        [
            ("cookie", "open", "permitted"),
            ("cookie", "barred", "barred"),
            ("mobile_id", "open", "barred"),
            ("web_events", "u1", "permitted"),
            ("web_events", "u2", "barred"),
            ("crm", "u3", "permitted"),  # a contact that happens to have the key of a login
        ],
        "source string, source_key string, link_permission string",
    )
    clusters = spark.createDataFrame(
        [
            ("web_events", "u1", "A", "a"),
            ("web_events", "u2", "B", "b"),
            ("crm", "u3", "C", "c"),
            ("cookie", "open", "D", "d"),
        ],
        "source string, source_key string, cluster string, part string",
    )
    assert sorted(map(tuple, logins(views, permission, clusters).collect())) == [
        ("cookie", "open", at("01 08:00"), "A", "a", False),
        ("cookie", "open", at("01 11:00"), "B", "b", True),
    ]

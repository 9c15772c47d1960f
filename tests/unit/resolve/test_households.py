"""Households over three dates: who keeps which id, and what order, limits and an empty register do.

Who lives with whom is told case by case in tests/spec/persons_and_households.yaml; here loyalty accounts tie.
Every letter is a case of its own, so that all of them go through Spark together.
"""

import datetime as dt
import random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Household
from identity.contracts import contract_of
from identity.resolve.households import households

KEY = b"a key of the tests"
D1, D2, D3 = (dt.date(2026, 1, 31) + dt.timedelta(days=n) for n in range(3))
LIMITS = Household(max_persons=4, max_family_names=2)
MEMBER = "golden_id string, source string, source_key string, level string, link_permission string"
Rows = list[tuple[Any, ...]]

# By date the accounts, each as its holders, the principal first. A golden id is named by its member: the older, the
# earlier in the alphabet. `>`: a golden id that was merged since the day before, and the one it lives on as.
STORY = {
    "stays": (["a1 a2"], ["a1 a2"], ["a1 a2"]),
    "grows": (["b1 b2"], ["b1 b2 b3"], ["b1 b2 b3"]),
    "shrinks": (["c1 c2 c3"], ["c2 c3"], ["c2 c3"]),
    "the larger part keeps the id": (["d1 d2 d3 d4"], ["d2 d3 d4"], ["d2 d3", "d1 d4"]),
    "in halves, the older member's part keeps it": (["e1 e2 e3 e4"], ["e1 e4", "e2 e3"], ["e1 e4", "e2 e3"]),
    "two become one: the older household stays": (["f3 f4"], ["f3 f4", "f1 f2"], ["f1 f2 f3 f4"]),
    "ends, and begins anew": (["g1 g2"], [], ["g1 g2"]),
    "a member is merged into another golden id": (["h1 h2"], ["h2>h9", "h1 h9"], ["h1 h9"]),
    "two members are one person after all": (["i1 i2"], ["i2>i1"], []),
    "too many": (["j1 j2 j3 j4 j5"], ["j1 j2 j3 j4"], ["j1 j2 j3 j4 j5"]),
    "tied over a third": (["k1 k2", "k2 k3"], ["k1 k2", "k2 k3"], ["k1 k2"]),
}


def frame(spark: SparkSession, rows: Rows, table: str) -> DataFrame:
    columns = contract_of(table).columns
    return spark.createDataFrame(rows, ", ".join(f"{name} {column.type}" for name, column in columns.items()))


def accounts_of(day: int) -> tuple[list[list[str]], dict[str, str]]:
    told = [entry for days in STORY.values() for entry in days[day]]
    merged = dict(entry.split(">") for entry in told if ">" in entry)
    return [entry.split() for entry in told if ">" not in entry], merged


def everybody() -> list[str]:
    names = {
        name
        for days in STORY.values()
        for day in days
        for entry in day
        for name in entry.replace(">", " ").split()
    }
    return sorted(names)


def persons_of(spark: SparkSession) -> DataFrame:
    columns = contract_of("silver.person_record").columns
    rows = []
    for place, name in enumerate(everybody()):
        seen = dt.datetime(2020, 1, 1) + dt.timedelta(days=place)  # noqa: DTZ001
        row = dict.fromkeys(columns) | {
            "source": "loyalty", "source_key": name, "subject_kind": "customer", "linkage": "allowed",
            "emails": [], "phones": [], "valid_from": seen, "first_seen_at": seen,
        }  # fmt: skip
        rows.append(tuple(row.values()))
    return frame(spark, rows, "silver.person_record")


def day_of(
    spark: SparkSession, day: int, before: Rows, persons: DataFrame, *, shuffled: bool = False
) -> Rows:
    """id.household after a day, in the order of its key."""
    accounts, merged = accounts_of(day)
    members = [
        (name, "loyalty", name, "identified", "permitted") for name in everybody() if name not in merged
    ]
    cards = [
        (f"{name}{n}", f"A{n}", name, "parallel" if place else "principal", None, None)
        for n, holders in enumerate(accounts)
        for place, name in enumerate(holders)
    ]
    crosswalk = [(name, merged.get(name, name), D1, "live") for name in everybody()]
    if shuffled:
        for rows in (members, cards, crosswalk, before):
            random.Random(1).shuffle(rows)
    found = households(
        spark.createDataFrame(members, MEMBER),
        persons,
        frame(spark, cards, "silver.loyalty_card").repartition(3 if shuffled else 1),
        frame(spark, before, "id.household"),
        frame(spark, crosswalk, "id.crosswalk"),
        limits=LIMITS,
        key=KEY,
        on=(D1, D2, D3)[day],
    )
    assert found.columns == list(contract_of("id.household").columns)
    return sorted(map(tuple, found.collect()), key=lambda row: row[1])


@pytest.fixture(scope="module")
def persons(spark: SparkSession) -> DataFrame:
    return persons_of(spark).localCheckpoint()


@pytest.fixture(scope="module")
def story(spark: SparkSession, persons: DataFrame) -> list[Rows]:
    days: list[Rows] = []
    for day in range(3):
        days.append(day_of(spark, day, days[-1] if days else [], persons))
    return days


def place(story: list[Rows], day: int, name: str) -> tuple[Any, ...] | None:
    """Household, role, basis and since when, of a golden id on a day."""
    (*found,) = [row for row in story[day] if row[1] == name]
    assert len(found) <= 1  # in one household at most
    return None if not found else (found[0][0], *found[0][2:])


def house(story: list[Rows], day: int, *names: str) -> str | None:
    """The household of all of these, and of nobody else; None if none of them has one."""
    ids = {row[0] for row in story[day] if row[1] in names}
    if not ids:
        return None
    (found,) = ids
    assert {row[1] for row in story[day] if row[0] == found} == set(names)
    return str(found)


def test_a_household_that_stays_keeps_its_id_and_everybodys_first_day(story: list[Rows]):
    ids = {house(story, day, "a1", "a2") for day in range(3)}
    assert len(ids) == 1
    assert place(story, 2, "a1") == (*ids, "principal", "loyalty_account", D1)
    assert place(story, 2, "a2") == (*ids, "parallel", "loyalty_account", D1)


def test_who_joins_is_in_it_since_that_day(story: list[Rows]):
    assert (
        house(story, 0, "b1", "b2") == house(story, 1, "b1", "b2", "b3") == house(story, 2, "b1", "b2", "b3")
    )
    assert [row[4] for row in story[2] if row[1].startswith("b")] == [D1, D1, D2]


def test_an_id_stays_with_most_of_its_members(story: list[Rows]):
    assert house(story, 0, "c1", "c2", "c3") == house(story, 1, "c2", "c3")
    assert place(story, 1, "c1") is None
    # Three of four, then two of three: what leaves is a household of its own, with an id of its own.
    whole = house(story, 0, "d1", "d2", "d3", "d4")
    assert house(story, 1, "d2", "d3", "d4") == whole == house(story, 2, "d2", "d3")
    assert house(story, 2, "d1", "d4") not in {whole, None}
    # In halves: the part of the oldest member.
    assert house(story, 1, "e1", "e4") == house(story, 0, "e1", "e2", "e3", "e4")
    assert house(story, 2, "e2", "e3") == house(story, 1, "e2", "e3") != house(story, 1, "e1", "e4")


def test_of_two_households_that_become_one_the_older_stays(story: list[Rows]):
    older, younger = house(story, 0, "f3", "f4"), house(story, 1, "f1", "f2")
    assert house(story, 2, "f1", "f2", "f3", "f4") == older != younger
    assert [row[4] for row in story[2] if row[1].startswith("f")] == [D3, D3, D1, D1]


def test_a_household_that_ended_is_not_found_again(story: list[Rows]):
    assert house(story, 1, "g1", "g2") is None
    assert house(story, 2, "g1", "g2") not in {house(story, 0, "g1", "g2"), None}


def test_a_merged_golden_id_keeps_its_place(story: list[Rows]):
    assert house(story, 1, "h1", "h9") == house(story, 0, "h1", "h2")
    assert place(story, 1, "h9") == (house(story, 0, "h1", "h2"), "parallel", "loyalty_account", D1)
    # And nobody lives with themselves.
    assert house(story, 0, "i1", "i2") is not None
    assert place(story, 1, "i1") is None


def test_more_than_a_household_holds_is_none(story: list[Rows]):
    assert [house(story, day, "j1") for day in (0, 2)] == [None, None]
    assert house(story, 1, "j1", "j2", "j3", "j4") is not None


def test_what_is_tied_over_a_third_is_one(story: list[Rows]):
    whole = house(story, 0, "k1", "k2", "k3")
    assert whole == house(story, 1, "k1", "k2", "k3") == house(story, 2, "k1", "k2")
    # Parallel in one account and principal of another: principal.
    assert place(story, 0, "k2") == (whole, "principal", "loyalty_account", D1)


@pytest.mark.parametrize("day", range(3))
def test_a_repeat_and_another_order_of_rows_change_nothing(
    spark: SparkSession, persons: DataFrame, story: list[Rows], day: int
):
    before = list(story[day]) if day else []
    assert day_of(spark, day, before, persons.repartition(4), shuffled=True) == story[day]


def test_nobody_is_nobodys_household(spark: SparkSession):
    empty = {
        name: frame(spark, [], name)
        for name in ("silver.person_record", "silver.loyalty_card", "id.household", "id.crosswalk")
    }
    found = households(spark.createDataFrame([], MEMBER), *empty.values(), limits=LIMITS, key=KEY, on=D1)
    assert found.collect() == []


def test_another_key_makes_other_ids(spark: SparkSession, persons: DataFrame, story: list[Rows]):
    cards = [(name, "A", name, "parallel", None, None) for name in ("a1", "a2")]
    members = [(name, "loyalty", name, "identified", "permitted") for name in ("a1", "a2")]
    found = households(
        spark.createDataFrame(members, MEMBER),
        persons,
        frame(spark, cards, "silver.loyalty_card"),
        frame(spark, [], "id.household"),
        frame(spark, [], "id.crosswalk"),
        limits=LIMITS,
        key=b"another",
        on=D1,
    )
    ids = {row.household_id for row in found.collect()}
    assert len(ids) == 1
    assert house(story, 0, "a1", "a2") not in ids

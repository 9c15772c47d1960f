"""Golden ids over three dates: who keeps which id, what the ledger says, and that replaying it gives the membership.

One story, told in `clusters_of`: every letter is a case of its own, so that all of them go through Spark together.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections import Counter
from dataclasses import dataclass, field

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.contracts import contract_of
from identity.resolve import golden_id
from identity.resolve.ledger import replay
from tests.unit.resolve.golden_days import (
    CLUSTER,
    KEY,
    Of,
    Rows,
    State,
    frame,
    is_open,
    rows_of,
    run,
)

D1, D2, D3, D4 = (dt.date(2026, 1, 30) + dt.timedelta(days=n) for n in range(1, 5))
DATES = (D1, D2, D3)

# Oldest first: a record's age is its place here. `v2` is older than `v1`, and so on.
AGES = [
    "s1",
    "s2",
    "j1",
    "j2",
    "j3",
    "m1",
    "m2",
    "n1",
    "n2",
    "n3",
    "p4",
    "p5",
    "p1",
    "p2",
    "p3",
    "t1",
    "t2",
    "u2",
    "u1",
    "r1",
    "q1",
    "q2",
    "c1",
    "c2",
    "x1",
    "x2",
    "x3",
    "y1",
    "y2",
    "w1",
    "w2",
    "w3",
    "d1",
    "d2",
    "e1",
    "e2",
    "h1",
    "h2",
    "h3",
    "i1",
]
SEEN = {name: dt.datetime(2020, 1, 1) + dt.timedelta(days=place) for place, name in enumerate(AGES)}  # noqa: DTZ001
LEVELS = {"t2": "verified", **dict.fromkeys(["d1", "e1", "h2", "h3"], "cookie")}  # all others are identified

MEMBER = (
    "golden_id string, part string, source string, source_key string, level string, link_permission string, "
    "confidence double"
)


def edge(left: str, right: str, rule: str, rank: int, *, fate: str = "used") -> dict[str, object]:
    keys = {"source_l": "crm", "source_key_l": left, "source_r": "crm", "source_key_r": right}
    return {**keys, "kind": "deterministic", "rule": rule, "rank": rank, "fate": fate}


# What joined them; only where the story asks.
EDGES: dict[dt.date, Rows] = {
    D1: [edge("j1", "j2", "email", 6)],
    D2: [
        edge("j1", "j2", "email", 6),
        edge("j1", "j3", "phone", 7),
        edge("j2", "j3", "login", 4),
        edge("j3", "s1", "customer_number", 1, fate="rejected"),
    ],
    D3: [edge("n1", "n2", "login", 4), edge("m1", "n3", "phone", 7), edge("m2", "n2", "email", 6)],
}


@dataclass
class Story(State):
    """The tables after the last date, and what each date found."""

    found: dict[dt.date, Of] = field(default_factory=dict)
    links: dict[dt.date, dict[str, set[str]]] = field(default_factory=dict)  # record → those of its cluster


def clusters_of(date: dt.date, first_ids: Of) -> list[str]:
    """Which records are one on a date; `!` marks a record that gate L bars."""
    by_age = sorted(("w1", "w2", "w3"), key=lambda name: first_ids.get(name, name))
    least, middle, most = by_age  # ids born on one day: the least is the oldest
    story = {
        #                D1                        D2                        D3
        "unchanged": (["s1 s2"], ["s1 s2"], ["s1 s2"]),
        "joined by a new record": (["j1 j2"], ["j1 j2 j3"], ["j1 j2 j3"]),
        "merge: n is larger, m is older": (["m1 m2"], ["m1 m2", "n1 n2 n3"], ["m1 m2 n1 n2 n3"]),
        "split: the larger part keeps": (["p1 p2 p3 p4 p5"], ["p1 p2 p3", "p4 p5"], ["p1 p2 p3", "p4 p5"]),
        "split in halves: the higher level keeps": (["t1 t2"], ["t1", "t2"], ["t1", "t2"]),
        "split in halves: the older record keeps": (["u1 u2"], ["u1", "u2"], ["u1", "u2"]),
        "gone and back": (["r1"], [], ["r1"]),
        "merged, then gone": (["q1", "q2"], ["q1 q2"], []),
        "barred, then permitted": (["c1 c2"], ["c1", "c2!"], ["c1 c2"]),
        "one record moves over": (["x1 x2 x3", "y1 y2"], ["x1 x2", "x3 y1 y2"], ["x1 x2", "x3 y1 y2"]),
        "merged twice": (["w1", "w2", "w3"], [least, f"{middle} {most}"], ["w1 w2 w3"]),
        "a visitor of old logs in": (["d1"], ["d1", "d2"], ["d1 d2"]),
        "devices change hands": (["h1 h2 h3", "i1"], ["h1", "i1 h2 h3"], ["h1", "i1 h2 h3"]),
        "a visitor registers": (["e1"], ["e1 e2"], ["e1 e2"]),
    }
    return [cluster for told in story.values() for cluster in told[DATES.index(date)]]


def cluster_frame(spark: SparkSession, clusters: list[str]) -> DataFrame:
    rows = [
        (
            "crm",
            name.rstrip("!"),
            cluster,
            name.rstrip("!"),
            LEVELS.get(name.rstrip("!"), "identified"),
            "barred" if name.endswith("!") else "permitted",
            1.0,
            SEEN[name.rstrip("!")],
        )
        for cluster in clusters
        for name in cluster.split()
    ]
    return spark.createDataFrame(rows, CLUSTER).coalesce(1)


@pytest.fixture(scope="module")
def story(spark: SparkSession) -> Story:
    state, told = State(), Story()
    for date in DATES:
        clusters = clusters_of(date, told.found.get(D1, {}))
        state = run(spark, state, cluster_frame(spark, clusters), EDGES[date], date)
        told.found[date] = state.ids
        told.links[date] = {
            name: {n.rstrip("!") for n in cluster.split()}
            for cluster in clusters
            for name in cluster.replace("!", "").split()
        }
    return Story(**vars(state), found=told.found, links=told.links)


def id_of(story: Story, date: dt.date, *names: str) -> str:
    """The one id that all these records have on a date."""
    (found,) = {story.found[date][name] for name in names}
    return found


def events(story: Story, date: dt.date, golden: str) -> Counter[tuple[str, str | None, str]]:
    """What happened to an id on a date: event, record or other id, cause."""
    return Counter(
        (e["event"], e["source_key"] or e["other_golden_id"], e["cause"])
        for e in story.ledger
        if e["effective_on"] == date and e["golden_id"] == golden
    )


# Inheritance


@pytest.mark.parametrize("date", DATES, ids=str)
def test_records_share_an_id_exactly_where_they_share_a_cluster(story: Story, date: dt.date):
    for name, golden in story.found[date].items():
        assert {other for other, its in story.found[date].items() if its == golden} == story.links[date][name]


def test_what_does_not_change_keeps_its_id_and_is_not_mentioned_again(story: Story):
    first = id_of(story, D1, "s1", "s2")
    assert id_of(story, D2, "s1", "s2") == id_of(story, D3, "s1", "s2") == first
    assert events(story, D1, first) == Counter(
        [("minted", None, "new_record"), ("joined", "s1", "new_record"), ("joined", "s2", "new_record")]
    )
    assert not events(story, D2, first)
    assert not events(story, D3, first)


def test_a_new_record_joins_the_id_that_is_there(story: Story):
    first = id_of(story, D1, "j1", "j2")
    assert id_of(story, D2, "j1", "j2", "j3") == first
    assert events(story, D2, first) == Counter([("joined", "j3", "new_record")])


def test_when_two_ids_merge_the_oldest_survives_though_it_is_smaller(story: Story):
    old, young = id_of(story, D1, "m1", "m2"), id_of(story, D2, "n1", "n2", "n3")
    assert id_of(story, D3, "m1", "m2", "n1", "n2", "n3") == old
    moved = ("n1", "n2", "n3")
    assert events(story, D3, young) == Counter(
        [("merged", old, "edge"), *(("left", n, "edge") for n in moved)]
    )
    assert events(story, D3, old) == Counter(("joined", n, "edge") for n in moved)


def test_a_visitor_who_logs_in_goes_over_to_the_persons_id_though_the_device_is_older(story: Story):
    device, person = id_of(story, D1, "d1"), id_of(story, D2, "d2")
    assert id_of(story, D2, "d1") == device
    assert id_of(story, D3, "d1", "d2") == person
    assert events(story, D3, device) == Counter([("merged", person, "edge"), ("left", "d1", "edge")])


def test_devices_that_change_hands_take_no_id_along_though_they_are_more(story: Story):
    seller, buyer = id_of(story, D1, "h1"), id_of(story, D1, "i1")
    assert id_of(story, D2, "h1") == seller
    assert id_of(story, D2, "i1", "h2", "h3") == buyer
    assert events(story, D2, seller) == Counter([("left", "h2", "edge_lost"), ("left", "h3", "edge_lost")])


def test_a_visitor_whom_nobody_knew_brings_the_id_along(story: Story):
    assert id_of(story, D2, "e1", "e2") == id_of(story, D1, "e1")


def test_when_an_id_splits_the_largest_part_keeps_it(story: Story):
    first = id_of(story, D1, "p1", "p2", "p3", "p4", "p5")
    assert id_of(story, D2, "p1", "p2", "p3") == first  # though p4 is the oldest of all
    part = id_of(story, D2, "p4", "p5")
    assert part != first
    assert events(story, D2, part) == Counter(
        [
            ("minted", None, "edge_lost"),
            ("split", first, "edge_lost"),
            ("joined", "p4", "edge_lost"),
            ("joined", "p5", "edge_lost"),
        ]
    )
    assert events(story, D2, first) == Counter([("left", "p4", "edge_lost"), ("left", "p5", "edge_lost")])


def test_of_equal_parts_the_highest_level_keeps_the_id(story: Story):
    first = id_of(story, D1, "t1", "t2")
    assert id_of(story, D2, "t2") == first  # verified; t1 is older, but only identified
    assert id_of(story, D2, "t1") != first


def test_of_equal_parts_of_one_level_the_oldest_record_keeps_the_id(story: Story):
    first = id_of(story, D1, "u1", "u2")
    assert id_of(story, D2, "u2") == first
    assert id_of(story, D2, "u1") != first


def test_an_id_whose_records_are_gone_retires_and_does_not_come_back(story: Story):
    first = id_of(story, D1, "r1")
    assert "r1" not in story.found[D2]
    assert events(story, D2, first) == Counter(
        [("retired", None, "record_gone"), ("left", "r1", "record_gone")]
    )
    again = id_of(story, D3, "r1")
    assert again != first
    assert events(story, D3, again) == Counter(
        [("minted", None, "new_record"), ("joined", "r1", "new_record")]
    )


def test_a_record_that_is_barred_leaves_by_consent_and_comes_back_by_merging(story: Story):
    first = id_of(story, D1, "c1", "c2")
    alone = id_of(story, D2, "c2")
    assert id_of(story, D2, "c1") == first
    assert events(story, D2, first) == Counter([("left", "c2", "consent")])
    assert ("joined", "c2", "consent") in events(story, D2, alone)
    assert id_of(story, D3, "c1", "c2") == first
    assert events(story, D3, alone) == Counter([("merged", first, "edge"), ("left", "c2", "edge")])


def test_a_record_that_moves_over_takes_no_id_along(story: Story):
    left, right = id_of(story, D1, "x1", "x2", "x3"), id_of(story, D1, "y1", "y2")
    assert id_of(story, D2, "x1", "x2") == left
    assert id_of(story, D2, "x3", "y1", "y2") == right
    assert events(story, D2, left) == Counter([("left", "x3", "edge_lost")])
    assert events(story, D2, right) == Counter([("joined", "x3", "edge_lost")])


# Minting


def test_an_id_is_a_keyed_hash_of_the_oldest_record_and_the_date_in_the_shape_of_a_uuid(story: Story):
    text = hmac.new(
        KEY, "\x1f".join(("golden", "crm", "s1", "2026-01-31")).encode(), hashlib.sha256
    ).hexdigest()
    expected = f"{text[:8]}-{text[8:12]}-8{text[13:16]}-8{text[17:20]}-{text[20:32]}"
    assert id_of(story, D1, "s1") == expected
    shape = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(shape.fullmatch(golden) for ids in story.found.values() for golden in ids.values())


def test_another_key_makes_other_ids(spark: SparkSession, story: Story):
    nothing = frame(spark, [], "id.golden_member")
    born = spark.createDataFrame([], "golden_id string, born_on date")
    found = golden_id.inherit(cluster_frame(spark, ["s1 s2"]), nothing, born, key=b"another", on=D1).members
    assert {row.golden_id for row in found.collect()}.isdisjoint(story.found[D1].values())


def test_a_second_run_of_a_date_does_not_mint_an_id_twice(spark: SparkSession, story: Story):
    # A late file of the same day takes the oldest record, from which the id was minted, out of the cluster.
    was = [row for row in story.membership if row["source_key"] in ("j1", "j2", "j3")]
    assert [row["valid_to_on"] for row in was] == [None] * 3
    born = spark.createDataFrame([(was[0]["golden_id"], D1)], "golden_id string, born_on date")
    found = golden_id.inherit(
        cluster_frame(spark, ["j1", "j2 j3"]), frame(spark, was, "id.golden_member"), born, key=KEY, on=D1
    )
    ids = {row.source_key: row.golden_id for row in found.members.collect()}
    assert ids["j2"] == ids["j3"] == was[0]["golden_id"]
    assert ids["j1"] != ids["j2"]


# Membership over time


@pytest.mark.parametrize("date", DATES, ids=str)
def test_membership_tells_for_every_date_what_was_true_then(story: Story, date: dt.date):
    assert story.at(date) == story.found[date]


def test_only_what_changed_is_closed_and_opened(story: Story):
    history = {
        name: [(r["valid_from_on"], r["valid_to_on"]) for r in story.membership if r["source_key"] == name]
        for name in ("s1", "x1", "x3", "r1")
    }
    assert history["s1"] == [(D1, None)]
    assert history["x1"] == [(D1, None)]
    assert sorted(history["x3"], key=str) == [(D1, D2), (D2, None)]
    assert sorted(history["r1"], key=str) == [(D1, D2), (D3, None)]


def test_level_permission_and_confidence_of_an_open_row_are_todays(spark: SparkSession, story: Story):
    before = [row for row in story.membership if row["source_key"] == "s1"]
    was = {
        "golden_id": id_of(story, D1, "s1"),
        "part": before[0]["part"],
        "source": "crm",
        "source_key": "s1",
        "level": "identified",
        "link_permission": "permitted",
        "confidence": 1.0,
        "valid_from_on": D1,
        "valid_to_on": None,
    }
    assert before == [was]
    told = {"part": "part", "level": "verified", "link_permission": "barred", "confidence": 0.99}
    today = spark.createDataFrame([(was["golden_id"], "part", "crm", "s1", *list(told.values())[1:])], MEMBER)
    after = golden_id.membership(today, frame(spark, before, "id.golden_member"), on=D4)
    assert rows_of(after) == [was | told]  # and the membership goes on since D1


def test_a_membership_opened_and_closed_on_one_day_never_held(spark: SparkSession, story: Story):
    before = [row for row in story.membership if row["source_key"] == "x3" and is_open(row)]  # open since D2
    today = spark.createDataFrame(
        [("another id", "part", "crm", "x3", "identified", "permitted", 1.0)], MEMBER
    )
    (row,) = rows_of(golden_id.membership(today, frame(spark, before, "id.golden_member"), on=D2))
    assert (row["golden_id"], row["valid_from_on"], row["valid_to_on"]) == ("another id", D2, None)


def test_a_record_that_is_gone_keeps_to_its_part_as_long_as_it_is_one(spark: SparkSession):
    def row(name: str, part: str, to: dt.date | None = None) -> dict[str, object]:
        told = {"source": "crm", "source_key": name, "golden_id": "g", "part": part, "confidence": 1.0}
        times = {"valid_from_on": D1, "valid_to_on": to}
        return told | times | {"level": "identified", "link_permission": "permitted"}

    before = [
        row("gone1", "p1"), row("b", "p1"),
        row("gone2", "p2"), row("d", "p2"), row("e", "p2"),
        row("gone3", "p3"), row("gone3too", "p3"),
        row("gone4", "p4", D2), row("i", "p4"),
        row("gone5", "p5"), row("k", "p5"), row("device", "p5"),
        row("moved", "p6"),
    ]  # fmt: skip
    levels = {"device": "cookie"}
    parts = {"b": "n1", "d": "n2", "e": "n3", "i": "n4", "k": "n5", "device": "n9", "moved": "n7"}
    today = [
        ("h" if name == "moved" else "g", part, "crm", name, levels.get(name, "identified"), "permitted", 1.0)
        for name, part in parts.items()
    ]
    after = golden_id.membership(
        spark.createDataFrame(today, MEMBER), frame(spark, before, "id.golden_member"), on=D3
    )
    closed = {r["source_key"]: (r["part"], r["valid_to_on"]) for r in rows_of(after) if r["valid_to_on"]}
    alone = hashlib.sha256(b"crm\x1fgone2").hexdigest()[:16]
    assert closed == {
        "gone1": ("n1", D3),
        "gone2": (alone, D3),  # of one of the two, nobody knows which
        "gone3": ("p3", D3),
        "gone3too": ("p3", D3),
        "gone4": ("n4", D2),
        "gone5": ("n5", D3),  # the device has gone to somebody else
        "moved": ("p6", D3),
    }


# The ledger


@pytest.mark.parametrize("date", DATES, ids=str)
def test_replaying_the_ledger_gives_the_membership_of_every_date(story: Story, date: dt.date):
    replayed: Of = {}
    live: set[str] = set()
    for day in (d for d in DATES if d <= date):
        todays = [e for e in story.ledger if e["effective_on"] == day]
        for e in (e for e in todays if e["event"] == "left"):
            assert replayed.pop(e["source_key"]) == e["golden_id"]
        for e in (e for e in todays if e["event"] == "joined"):
            assert e["source_key"] not in replayed
            replayed[e["source_key"]] = e["golden_id"]
        live |= {e["golden_id"] for e in todays if e["event"] == "minted"}
        live -= {e["golden_id"] for e in todays if e["event"] in ("merged", "retired")}
    assert replayed == story.at(date)
    assert live == set(story.found[date].values())


def test_events_of_the_first_run_of_a_date_are_known_by_what_they_say(story: Story):
    for e in story.ledger:
        said = (
            str(e["effective_on"]),
            e["event"],
            e["golden_id"],
            e["other_golden_id"],
            e["source"],
            e["source_key"],
        )
        text = "\x1f".join(part or "" for part in said)
        assert e["event_id"] == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert len({e["event_id"] for e in story.ledger}) == len(story.ledger)


def details(story: Story, date: dt.date) -> dict[tuple[str, str | None], str | None]:
    return {
        (e["event"], e["source_key"] or e["golden_id"]): e["detail"]
        for e in story.ledger
        if e["effective_on"] == date
    }


def test_a_new_record_and_a_merge_say_by_which_rule(story: Story):
    first, then, last = (details(story, date) for date in DATES)
    assert first["joined", "j1"] == first["joined", "j2"] == "email"
    assert first["joined", "s1"] is None  # no edge; it is alone, or a device
    assert then["joined", "j3"] == "login"  # the strongest used one
    young = id_of(story, D2, "n1", "n2", "n3")
    assert last["merged", young] == "email"  # the login is between records that were one before
    assert {last["joined", name] for name in ("n1", "n2", "n3")} == {"email"}
    others = {e["detail"] for e in story.ledger if e["event"] not in ("merged", "joined")}
    assert others == {None}


@pytest.mark.parametrize("date", DATES, ids=str)
def test_replay_tells_the_membership_of_every_date(spark: SparkSession, story: Story, date: dt.date):
    told = replay(frame(spark, story.ledger, "id.golden_history"), on=date).collect()
    assert {row.source_key: row.golden_id for row in told} == story.at(date)
    assert len(told) == len(story.at(date))


def test_events_keep_their_contract(story: Story):
    for name, column in contract_of("id.golden_history").columns.items():
        said = {e[name] for e in story.ledger}
        assert None not in said or not column.required
        assert not column.values or said <= set(column.values)


# The crosswalk


def test_the_crosswalk_knows_every_id_ever_published_and_where_it_lives(story: Story):
    minted = {e["golden_id"] for e in story.ledger if e["event"] == "minted"}
    assert Counter(row["golden_id"] for row in story.crosswalk) == Counter(minted)
    live = set(story.found[D3].values())
    for row in story.crosswalk:
        expected = {"live": row["golden_id"], "retired": None, "merged": row["live_golden_id"]}[row["why"]]
        assert row["live_golden_id"] == expected
        assert row["live_golden_id"] is None or row["live_golden_id"] in live


def lives(story: Story, golden: str) -> tuple[str | None, str, dt.date]:
    (row,) = (row for row in story.crosswalk if row["golden_id"] == golden)
    return row["live_golden_id"], row["why"], row["since_on"]


def test_the_crosswalk_follows_merges_to_their_end(story: Story):
    least, middle, most = sorted(story.found[D1][name] for name in ("w1", "w2", "w3"))
    assert {story.found[D2][name] for name in ("w1", "w2", "w3")} == {
        least,
        middle,
    }  # most went into middle ...
    assert id_of(story, D3, "w1", "w2", "w3") == least  # ... and that into least
    assert lives(story, most) == (least, "merged", D3)
    assert lives(story, middle) == (least, "merged", D3)
    assert lives(story, least) == (least, "live", D1)


def test_an_id_merged_into_one_that_retired_is_retired_too(story: Story):
    one, other = story.found[D1]["q1"], story.found[D1]["q2"]
    assert lives(story, one) == (None, "retired", D3)
    assert lives(story, other) == (None, "retired", D3)


# Again


def test_a_repeated_run_changes_nothing(spark: SparkSession, story: Story):
    clusters = cluster_frame(spark, clusters_of(D3, story.found[D1]))
    again = run(spark, story, clusters, EDGES[D3], D3)
    assert again.ids == story.found[D3]
    assert again.ledger == story.ledger
    assert sorted(again.membership, key=str) == sorted(story.membership, key=str)
    assert sorted(again.crosswalk, key=str) == sorted(story.crosswalk, key=str)

"""Any days: ids are inherited as the rules say, the ledger replays to the membership of each date, order changes nothing.

Lives run side by side, for a run of thousands costs no more than one of a few: every life that three records can have
over three runs, and some longer ones of more records, drawn at random. Each life is a world of its own.
"""

import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise, product
from typing import NamedTuple

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.config import STRENGTHS, Level
from identity.resolve.ledger import replay
from tests.unit.resolve.golden_days import Of, State, frame, run

# A late file has the same date run again, be it once or twice.
DATES = [dt.date(2026, 1, 31) + dt.timedelta(days=n) for n in (0, 1, 1, 1, 3)]
EXHAUSTIVE = 3  # runs
ALL = 15**EXHAUSTIVE  # lives; three records may be there or not, and be one or not, in 15 ways
DRAWN, MOST_RECORDS = 150, 7
ABSENT = None
SEEN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)

Groups = tuple[int | None, ...]  # by record of a life, its group; None if it is not there
Life = list[Groups]


def groupings(records: int) -> list[Groups]:
    """All ways in which records may be there or not, and be one or not."""
    ways: list[Groups] = [()]
    for _ in range(records):
        ways = [
            (*way, group)
            for way in ways
            for group in (ABSENT, *range(1 + max((g for g in way if g is not None), default=-1) + 1))
        ]
    return ways


def lives() -> Iterator[Life]:
    """Every life of three records over the first runs, which then goes on at random; and longer ones."""
    chance = random.Random(2026)
    ways = groupings(3)
    assert len(ways) ** EXHAUSTIVE == ALL
    for life in product(ways, repeat=EXHAUSTIVE):
        yield [*life, *chance.choices(ways, k=len(DATES) - EXHAUSTIVE)]
    for _ in range(DRAWN):
        records = chance.randint(4, MOST_RECORDS)
        yield [tuple(chance.choices([ABSENT, 0, 0, 1, 2], k=records)) for _ in DATES]


class Record(NamedTuple):
    """A record of a life: cookie, verified or neither; some are equally old."""

    name: str
    source: str
    level: Level
    seen: dt.datetime


class Told(NamedTuple):
    """All lives: every record there ever is, and run by run the cluster of each that is there, and who is barred."""

    records: dict[str, Record]
    clusters: list[Of]
    barred: list[set[str]]


def told() -> Told:
    chance = random.Random(7)
    records: dict[str, Record] = {}
    clusters: list[Of] = [{} for _ in DATES]
    barred: list[set[str]] = [set() for _ in DATES]
    for number, life in enumerate(lives()):
        devices = chance.sample(range(len(life[0])), k=len(life[0]) // 2)
        for place in range(len(life[0])):
            name, is_device = f"{number}.{place}", place in devices
            level: Level = "cookie" if is_device else chance.choice(["verified", "identified", "identified"])
            seen = SEEN + dt.timedelta(days=chance.randrange(9))
            records[name] = Record(name, "cookie" if is_device else "crm", level, seen)
        for nth, groups in enumerate(life):
            for place, group in enumerate(groups):
                name = f"{number}.{place}"
                if group is ABSENT:
                    continue
                is_barred = number >= ALL and chance.random() < 0.1
                clusters[nth][name] = f"{name} alone" if is_barred else f"{number} {group}"
                barred[nth] |= {name} if is_barred else set()
    return Told(records, clusters, barred)


def cluster_frame(spark: SparkSession, lives: Told, nth: int) -> DataFrame:
    rows = [
        {
            "source": record.source, "source_key": name, "cluster": cluster, "part": name, "level": record.level,
            "link_permission": "barred" if name in lives.barred[nth] else "permitted", "confidence": 1.0,
            "first_seen_at": record.seen,
        }
        for name, cluster in lives.clusters[nth].items()
        for record in [lives.records[name]]
    ]  # fmt: skip
    return spark.createDataFrame(pa.Table.from_pylist(rows)).coalesce(1)


def heirs(before: Of, clusters: Of, born: dict[str, dt.date], records: dict[str, Record]) -> dict[str, str]:
    """The old id of each cluster that keeps one, by the rules of docs/resolution.md."""
    parts: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for name in set(before) & set(clusters):
        parts[before[name]][clusters[name]].append(records[name])

    def strength(part: list[Record]) -> int:
        return max(STRENGTHS[record.level] for record in part)

    def of_devices(part: list[Record]) -> bool:
        return strength(part) < STRENGTHS["identified"]

    def oldest(part: list[Record]) -> tuple[dt.datetime, str, str]:
        return min((record.seen, record.source, record.name) for record in part)

    claims: dict[str, list[tuple[bool, dt.date, str]]] = defaultdict(list)
    for old, by_cluster in parts.items():
        goes_to, part = min(
            by_cluster.items(),
            key=lambda item: (of_devices(item[1]), -len(item[1]), -strength(item[1]), oldest(item[1])),
        )
        claims[goes_to].append((of_devices(part), born[old], old))
    return {cluster: min(those)[2] for cluster, those in claims.items()}


class Lived(NamedTuple):
    """What the runs left: the lives, and the tables before the first run and after each."""

    lives: Told
    states: list[State]


@pytest.fixture(scope="module")
def lived(spark: SparkSession) -> Lived:
    lives, states = told(), [State()]
    for nth, date in enumerate(DATES):
        states.append(run(spark, states[-1], cluster_frame(spark, lives, nth), [], date))
    return Lived(lives, states)


def test_ids_are_inherited_as_the_rules_say(lived: Lived) -> None:
    for clusters, before, after in zip(lived.lives.clusters, lived.states, lived.states[1:], strict=False):
        assert set(after.ids) == set(clusters)
        born = {e["golden_id"]: e["effective_on"] for e in before.ledger if e["event"] == "minted"}
        kept = heirs(before.ids, clusters, born, lived.lives.records)
        ids = {cluster: after.ids[name] for name, cluster in clusters.items()}
        assert all(after.ids[name] == ids[cluster] for name, cluster in clusters.items())
        assert len(set(ids.values())) == len(ids)
        assert {cluster: golden for cluster, golden in ids.items() if golden in born} == kept


def test_whom_nothing_happened_to_keeps_the_id(lived: Lived) -> None:
    """It follows from the rules, and is what they are for."""
    stayed = 0
    for nth in range(1, len(DATES)):
        was, now = (mates(clusters) for clusters in lived.lives.clusters[nth - 1 : nth + 1])
        before, after = lived.states[nth].ids, lived.states[nth + 1].ids
        for name in set(was) & set(now):
            if was[name] == now[name]:
                assert before[name] == after[name]
                stayed += 1
    assert stayed > 1000


def mates(clusters: Of) -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name, cluster in clusters.items():
        groups[cluster].add(name)
    return {name: frozenset(groups[cluster]) for name, cluster in clusters.items()}


def test_every_move_is_told_and_nothing_else(lived: Lived) -> None:
    for before, after in pairwise(lived.states):
        events = after.ledger[len(before.ledger) :]
        moves = Counter(
            (event, name, ids[name])
            for event, ids, others in (("left", before.ids, after.ids), ("joined", after.ids, before.ids))
            for name in ids
            if others.get(name) != ids[name]
        )
        assert moves == Counter(
            (e["event"], e["source_key"], e["golden_id"]) for e in events if e["event"] in ("left", "joined")
        )


def test_the_ledger_replays_to_the_membership_of_every_date(spark: SparkSession, lived: Lived) -> None:
    last = lived.states[-1]
    history = frame(spark, last.ledger, "id.golden_history").cache()
    for on, ids in {date: state.ids for date, state in zip(DATES, lived.states[1:], strict=True)}.items():
        assert last.at(on) == ids
        replayed = replay(history, on=on).toArrow().to_pylist()
        assert sorted((row["source_key"], row["golden_id"]) for row in replayed) == sorted(ids.items())
    history.unpersist()


def test_ids_are_minted_once_and_lead_to_one_that_lives(lived: Lived) -> None:
    last = lived.states[-1]
    minted = [e["golden_id"] for e in last.ledger if e["event"] == "minted"]
    assert len(minted) == len(set(minted))
    assert len({e["event_id"] for e in last.ledger}) == len(last.ledger)
    assert Counter(row["golden_id"] for row in last.crosswalk) == Counter(minted)
    live = {row["golden_id"] for row in last.crosswalk if row["why"] == "live"}
    assert live == set(last.ids.values())
    assert {row["live_golden_id"] for row in last.crosswalk} <= live | {None}


def test_the_order_of_rows_and_partitions_changes_nothing(spark: SparkSession, lived: Lived) -> None:
    def scattered(df: DataFrame) -> DataFrame:
        return df.orderBy(F.xxhash64(*df.columns)).repartition(3)

    nth = len(DATES) - 1
    found = run(
        spark, lived.states[nth], cluster_frame(spark, lived.lives, nth), [], DATES[nth], order=scattered
    )
    last = lived.states[-1]
    assert found.ids == last.ids
    for one, other in (
        (found.membership, last.membership),
        (found.ledger, last.ledger),
        (found.crosswalk, last.crosswalk),
    ):
        assert sorted(map(str, one)) == sorted(map(str, other))

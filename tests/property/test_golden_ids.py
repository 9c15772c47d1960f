"""Any days: the ledger replays to the membership of each, and nobody gets another id without a reason in it."""

import datetime as dt
from collections import Counter
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.resolve.ledger import replay
from tests.unit.resolve.golden_days import CLUSTER, Of, State, frame, run

BLOCK = 6  # records that may ever be one; a run does several blocks, for it costs the same
BLOCKS = 7
RECORDS = BLOCK * BLOCKS
START = dt.date(2026, 1, 31)


class Day(NamedTuple):
    """Days since the run before (0: the same date again), and every record's group, None if it is not there."""

    after: int
    groups: list[int | None]
    barred: set[int]


GROUPS = st.lists(st.none() | st.integers(0, 2), min_size=RECORDS, max_size=RECORDS)
DAYS = st.lists(
    st.builds(Day, st.integers(0, 2), GROUPS, st.sets(st.integers(0, RECORDS - 1), max_size=5)),
    min_size=3, max_size=3,
)  # fmt: skip
# Late files of one date: what is merged and parted by turns, and an oldest record that goes and comes.
TURNS = [
    Day(0, [*parted, *oldest, *[None] * (RECORDS - 2 * BLOCK)], set())
    for parted, oldest in zip(
        [[0] * 4 + [1] * 2, [0] * 6, [0] * 4 + [1] * 2, [0] * 6],
        [[0] * 6, [None] + [0] * 5, [1] + [0] * 5, [None] + [0] * 5],
        strict=True,
    )
]


def clusters_of(day: Day) -> dict[str, str]:
    return {
        f"r{n}": f"alone {n}" if n in day.barred else f"block {n // BLOCK} group {group}"
        for n, group in enumerate(day.groups)
        if group is not None
    }


def cluster_frame(spark: SparkSession, day: Day) -> DataFrame:
    seen = dt.datetime(2020, 1, 1)  # noqa: DTZ001
    rows = [
        (
            "crm" if int(name[1:]) % 3 else "cookie", name, cluster, "identified",
            "barred" if int(name[1:]) in day.barred else "permitted", 1.0, seen + dt.timedelta(days=int(name[1:])),
        )
        for name, cluster in clusters_of(day).items()
    ]  # fmt: skip
    return spark.createDataFrame(rows, CLUSTER).coalesce(1)


def mates(clusters: dict[str, str], name: str) -> set[str]:
    return {other for other, cluster in clusters.items() if cluster == clusters[name]}


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(days=TURNS)
@given(days=DAYS)
def test_any_days(spark: SparkSession, days: list[Day]):
    state, date = State(), START
    found: dict[dt.date, Of] = {}
    was: dict[str, str] = {}
    for day in days:
        date += dt.timedelta(days=day.after)
        before, state = state, run(spark, state, cluster_frame(spark, day), [], date)
        found[date] = state.ids
        clusters = clusters_of(day)
        assert_ids_are_clusters(state.ids, clusters)
        for name in set(was) & set(clusters):
            if mates(was, name) == mates(clusters, name):
                assert state.ids[name] == before.ids[name]  # nothing happened to it
        assert_every_move_is_told(before, state)
        was = clusters
    minted = [e["golden_id"] for e in state.ledger if e["event"] == "minted"]
    assert len(minted) == len(set(minted))
    assert len({e["event_id"] for e in state.ledger}) == len(state.ledger)
    assert Counter(row["golden_id"] for row in state.crosswalk) == Counter(minted)
    live = {row["golden_id"] for row in state.crosswalk if row["why"] == "live"}
    assert live == set(state.ids.values())
    assert {row["live_golden_id"] for row in state.crosswalk} <= live | {None}
    told = replayed(spark, state, list(found))
    for on, ids in found.items():
        assert state.at(on) == ids
        assert told[on] == sorted(ids.items())


def assert_ids_are_clusters(ids: Of, clusters: dict[str, str]) -> None:
    assert set(ids) == set(clusters)
    pairs = {(clusters[name], golden) for name, golden in ids.items()}
    assert len(pairs) == len(set(clusters.values())) == len(set(ids.values()))


def assert_every_move_is_told(before: State, after: State) -> None:
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


def replayed(spark: SparkSession, state: State, dates: list[dt.date]) -> dict[dt.date, list[tuple[str, str]]]:
    """Members of every date by the ledger alone, record and id, sorted."""
    history = frame(spark, state.ledger, "id.golden_history").cache()
    frames = [replay(history, on=on).withColumn("on", F.lit(on)) for on in dates]
    union = frames[0]
    for more in frames[1:]:
        union = union.unionByName(more)
    told: dict[dt.date, list[tuple[str, str]]] = {on: [] for on in dates}
    for row in union.collect():
        told[row.on].append((row.source_key, row.golden_id))
    history.unpersist()
    return {on: sorted(rows) for on, rows in told.items()}

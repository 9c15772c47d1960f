"""What a run changes about yesterday's ids: one story, worked by hand, each letter a person of its own."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Publication
from identity.errors import BlastRadiusError
from identity.resolve.blast_radius import fates, totals
from identity.run import BLAST_RADIUS
from identity.stages.blast_radius import require_within_limit
from tests.unit.resolve.golden_days import CLUSTER, State, inherited, open_members, run

D1, D2 = dt.date(2026, 1, 31), dt.date(2026, 2, 1)
# `!`: barred by gate L; `@`: a cookie; all others are contacts.
YESTERDAY = [
    "same1 same2",
    "grows1 grows2",  # a new record joins
    "m1 m2", "n1",  # merged by new evidence
    "p1 p2 p3",  # parted by lost evidence
    "x1 x2 x3", "y1 y2",  # x3 goes over
    "w1 w2 w3",  # w2, which held them together, withdraws; w3 is not like w1
    "g1 g2 g3",  # g2 is deleted; g3 is not like g1
    "r1",  # deleted
    "b1!", "q1",  # b1 permits and joins q1
    "d1", "@d2",  # a visitor logs in
    "@e1",  # a visitor stays one
]  # fmt: skip
TODAY = [
    "same1 same2", "grows1 grows2 grows3", "m1 m2 n1", "p1 p2", "p3", "x1 x2", "x3 y1 y2",
    "w1", "w2!", "w3", "g1", "g3", "b1 q1", "d1 @d2", "@e1",
]  # fmt: skip


def cluster_frame(spark: SparkSession, clusters: list[str]) -> DataFrame:
    seen = dt.datetime(2020, 1, 1)  # noqa: DTZ001
    names = sorted({name.strip("!@") for cluster in YESTERDAY + TODAY for name in cluster.split()})
    rows = [
        (
            "cookie" if name.startswith("@") else "crm", name.strip("!@"), cluster, name,
            "cookie" if name.startswith("@") else "identified",
            "barred" if name.endswith("!") else "permitted", 1.0,
            seen + dt.timedelta(days=names.index(name.strip("!@"))),
        )
        for cluster in clusters
        for name in cluster.split()
    ]  # fmt: skip
    return spark.createDataFrame(rows, CLUSTER).coalesce(1)


@pytest.fixture(scope="module")
def told(spark: SparkSession) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Rows of `fates` by the first record of the id, and `totals`."""
    state = run(spark, State(), cluster_frame(spark, YESTERDAY), [], D1)
    today = inherited(spark, state, cluster_frame(spark, TODAY), D2)
    ids = fates(today, open_members(spark, state)).cache()
    first = {
        state.ids[cluster.split()[0].strip("!@")]: cluster.split()[0].strip("!@") for cluster in YESTERDAY
    }
    rows = {first[row.golden_id]: row.asDict() for row in ids.collect()}
    row = totals(ids).head()
    assert row is not None
    return rows, row.asDict()


def having(rows: dict[str, dict[str, Any]], **what: object) -> set[str]:
    return {name for name, row in rows.items() if all(row[key] == value for key, value in what.items())}


def test_every_id_of_yesterday_has_a_fate(told: Any) -> None:
    rows, _ = told
    assert len(rows) == len(YESTERDAY)
    merged = having(rows, fate="merged")
    assert merged - {"m1", "n1", "b1", "q1"} == {"d2"}  # the visitor goes over to the person
    assert len(merged) == 3  # one of each pair, whichever was minted as the greater
    assert having(rows, fate="retired") == {"r1"}
    assert having(rows, is_split=True) == {"p1", "w1", "g1"}
    assert having(rows, is_person=False) == {"d2", "e1"}


def test_only_what_matching_did_to_persons_counts_as_change(told: Any) -> None:
    rows, _ = told
    assert having(rows, is_changed=True) == {"m1", "n1", "p1", "x1", "y1"}


def test_what_people_asked_for_is_told_and_not_counted(told: Any) -> None:
    rows, total = told
    moved = {why: total[f"moved_{why}"] for why in ("matching", "departure", "consent", "device")}
    assert rows["w1"]["moved_departure"] + rows["w1"]["moved_consent"] == 2  # two of three got new ids
    assert rows["g1"]["moved_departure"] == 1
    # Of the merge the one or the other, and the two that left what they were part of.
    assert moved["matching"] == 2 + (2 if rows["m1"]["fate"] == "merged" else 1)
    assert rows["r1"]["is_changed"] is False
    assert moved["device"] == 1  # the visitor's id went into the person's


def test_totals_add_up(told: Any) -> None:
    _, total = told
    assert total["before"] == len(YESTERDAY) == total["kept"] + total["merged"] + total["retired"]
    assert total["persons_before"] == len(YESTERDAY) - 2
    assert (total["changed"], total["split"], total["retired"]) == (5, 3, 1)


class Limited:
    """As much of a run as the limit looks at."""

    def __init__(self, share: float, never: int, *, accept: bool = False) -> None:
        self.config = self
        self.publication = Publication(max_changed_ids_share=share, changed_ids_never_stopped=never)
        self.accept_blast_radius = accept


COUNTS = {"persons_before": 200, "changed": 21, "moved_matching": 30, "rows gold.profile_core": 17}
TOLD = {f"{BLAST_RADIUS}{name}": n for name, n in COUNTS.items()}


def test_beyond_the_limit_the_run_stops_and_says_how_to_go_on() -> None:
    with pytest.raises(BlastRadiusError) as stopped:
        require_within_limit(Limited(0.1, 20), TOLD)  # type: ignore[arg-type]
    said = str(stopped.value)
    assert "21 of 200 golden ids of persons (10.5%, limit 10.0%), and with them 17 gold rows" in said
    assert "--accept-blast-radius" in said
    assert "\n" not in said
    assert stopped.value.exit_code == 11


@pytest.mark.parametrize(
    ("limited", "counts"),
    [
        (Limited(0.105, 20), TOLD),  # at the limit
        (Limited(0.1, 21), TOLD),  # so few never stop a run
        (Limited(0, 0, accept=True), TOLD),  # somebody said yes
        (Limited(0, 0), {}),  # the first run has no yesterday
        (Limited(0, 0), {**TOLD, f"{BLAST_RADIUS}changed": 0}),
    ],
    ids=["at the limit", "few", "accepted", "first run", "nothing changed"],
)
def test_within_the_limit_the_run_goes_on(limited: Any, counts: dict[str, int]) -> None:
    require_within_limit(limited, counts)

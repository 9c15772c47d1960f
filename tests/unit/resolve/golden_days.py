"""Days in the life of golden ids: what the stage `resolve` does about them, on tables of a few rows held in Python."""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from identity.contracts import contract_of
from identity.resolve import golden_id
from identity.resolve.golden_id import Inheritance
from identity.resolve.ledger import ledger

KEY = b"a key of the tests"
CLUSTER = (
    "source string, source_key string, cluster string, part string, level string, link_permission string, "
    "confidence double, first_seen_at timestamp"
)
BEGAN = dt.datetime(2026, 2, 1, 5, 10)  # noqa: DTZ001

Of = dict[str, str]  # record → golden id
Rows = list[dict[str, Any]]
Order = Callable[[DataFrame], DataFrame]


@dataclass
class State:
    """The tables as they stand, and which id every record has."""

    membership: Rows = field(default_factory=list)
    ledger: Rows = field(default_factory=list)
    crosswalk: Rows = field(default_factory=list)
    ids: Of = field(default_factory=dict)
    runs: int = 0

    def at(self, date: dt.date) -> Of:
        """Who belonged to which id on a date, by id.golden_member."""
        rows = [
            row
            for row in self.membership
            if row["valid_from_on"] <= date and (row["valid_to_on"] is None or date < row["valid_to_on"])
        ]
        assert len({row["source_key"] for row in rows}) == len(rows)  # a record has one id at a time
        return {row["source_key"]: row["golden_id"] for row in rows}


def as_they_come(df: DataFrame) -> DataFrame:
    """In one partition, as small tables are read: no exchanges."""
    return df.coalesce(1)


def frame(spark: SparkSession, rows: Rows, table: str) -> DataFrame:
    """Rows in the shape of their contract."""
    told = pa.Table.from_pylist(rows, contract_of(table).arrow_schema.remove_metadata())
    return as_they_come(spark.createDataFrame(told))


def rows_of(df: DataFrame) -> Rows:
    return [row.asDict() for row in df.collect()]


def is_open(row: dict[str, Any]) -> bool:
    return row["valid_to_on"] is None


def collected(frames: list[DataFrame]) -> list[pa.Table]:
    """Rows of several frames at once: most of the time goes into planning, and two can plan side by side."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(DataFrame.toArrow, frames))


def inherited(
    spark: SparkSession, state: State, clusters: DataFrame, on: dt.date, order: Order = as_they_come
) -> Inheritance:
    """Which cluster is which golden id, computed once."""
    minted = [e for e in state.ledger if e["event"] == "minted"]
    born = frame(spark, minted, "id.golden_history").selectExpr("golden_id", "effective_on as born_on")
    before = open_members(spark, state)
    lazy = golden_id.inherit(order(clusters), order(before), order(born), key=KEY, on=on)
    found = collected([lazy.members, lazy.merged, lazy.minted])
    return Inheritance(*(order(spark.createDataFrame(told)) for told in found))


def open_members(spark: SparkSession, state: State) -> DataFrame:
    return frame(spark, [row for row in state.membership if is_open(row)], "id.golden_member")


def run(
    spark: SparkSession,
    state: State,
    clusters: DataFrame,
    edges: Rows,
    on: dt.date,
    *,
    order: Order = as_they_come,
) -> State:
    """The tables after one more run; the old state stays as it was. `order` is how rows and partitions lie."""
    today = inherited(spark, state, clusters, on, order)
    told = {
        name: order(frame(spark, rows, f"id.{name}"))
        for name, rows in (
            ("golden_member", state.membership),
            ("edge", edges),
            ("golden_history", state.ledger),
            ("crosswalk", state.crosswalk),
        )
    }
    members, events, crosswalk, ids = collected(
        [
            golden_id.membership(today.members, told["golden_member"], on=on),
            ledger(
                today,
                order(open_members(spark, state)),
                told["edge"],
                told["golden_history"],
                run_id=f"run {state.runs}",
                recorded_at=BEGAN + dt.timedelta(hours=state.runs),
                on=on,
            ),
            golden_id.crosswalk(told["crosswalk"], today, on=on),
            today.members.select("source_key", "golden_id"),
        ]
    )
    return State(
        membership=members.to_pylist(),
        ledger=state.ledger + events.to_pylist(),
        crosswalk=crosswalk.to_pylist(),
        ids={row["source_key"]: row["golden_id"] for row in ids.to_pylist()},
        runs=state.runs + 1,
    )

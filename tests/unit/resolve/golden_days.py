"""Days in the life of golden ids: what the stage `resolve` does about them, on tables of a few rows held in Python."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from identity.contracts import contract_of
from identity.resolve import golden_id
from identity.resolve.golden_id import Inheritance
from identity.resolve.ledger import ledger

KEY = b"a key of the tests"
CLUSTER = (
    "source string, source_key string, cluster string, level string, link_permission string, confidence double, "
    "first_seen_at timestamp"
)
BEGAN = dt.datetime(2026, 2, 1, 5, 10)  # noqa: DTZ001

Of = dict[str, str]  # record → golden id
Rows = list[dict[str, Any]]


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


def frame(spark: SparkSession, rows: Rows, table: str) -> DataFrame:
    """Rows in the shape of their contract."""
    columns = contract_of(table).columns
    ddl = ", ".join(f"{name} {column.type}" for name, column in columns.items())
    # In one partition, as small tables are read: no exchanges.
    return spark.createDataFrame([tuple(row.get(name) for name in columns) for row in rows], ddl).coalesce(1)


def rows_of(df: DataFrame) -> Rows:
    return [row.asDict() for row in df.collect()]


def is_open(row: dict[str, Any]) -> bool:
    return row["valid_to_on"] is None


def collected(frames: list[DataFrame]) -> list[list[Row]]:
    """Rows of several frames at once: most of the time goes into planning, and two can plan side by side."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(DataFrame.collect, frames))


def inherited(spark: SparkSession, state: State, clusters: DataFrame, on: dt.date) -> Inheritance:
    """Which cluster is which golden id, computed once."""
    born = spark.createDataFrame(
        [(e["golden_id"], e["effective_on"]) for e in state.ledger if e["event"] == "minted"],
        "golden_id string, born_on date",
    ).coalesce(1)
    lazy = golden_id.inherit(clusters, open_members(spark, state), born, key=KEY, on=on)
    found = [lazy.members, lazy.merged, lazy.minted]
    return Inheritance(
        *(
            spark.createDataFrame(r, df.schema).coalesce(1)
            for df, r in zip(found, collected(found), strict=True)
        )
    )


def open_members(spark: SparkSession, state: State) -> DataFrame:
    return frame(spark, [row for row in state.membership if is_open(row)], "id.golden_member")


def run(spark: SparkSession, state: State, clusters: DataFrame, edges: Rows, on: dt.date) -> State:
    """The tables after one more run; the old state stays as it was."""
    today = inherited(spark, state, clusters, on)
    members, events, crosswalk, ids = collected(
        [
            golden_id.membership(today.members, frame(spark, state.membership, "id.golden_member"), on=on),
            ledger(
                today,
                open_members(spark, state),
                frame(spark, edges, "id.edge"),
                frame(spark, state.ledger, "id.golden_history"),
                run_id=f"run {state.runs}",
                recorded_at=BEGAN + dt.timedelta(hours=state.runs),
                on=on,
            ),
            golden_id.crosswalk(frame(spark, state.crosswalk, "id.crosswalk"), today, on=on),
            today.members,
        ]
    )
    return State(
        membership=[row.asDict() for row in members],
        ledger=state.ledger + [row.asDict() for row in events],
        crosswalk=[row.asDict() for row in crosswalk],
        ids={row.source_key: row.golden_id for row in ids},
        runs=state.runs + 1,
    )

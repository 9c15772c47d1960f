"""Writing a block's tables as landing files and truth."""

# ruff: noqa: S608 (the queries are made of our own constants)

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.random import Generator

from data_samples.arrays import Column, Frame, World, nothing, objects, stack
from data_samples.bad_rows import spoil
from data_samples.deliveries import Calendar
from data_samples.feeds import FEEDS, MACROS, TOTALS, TRUTH, Feed
from data_samples.traps import trap

COPY_OPTIONS = {
    ".csv": "FORMAT csv, HEADER true",
    ".jsonl": "FORMAT json",
    ".log": "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER ''",
    ".parquet": "FORMAT parquet",
}


@dataclass(frozen=True)
class Place:
    """Where the files of a block go."""

    folder: Path
    calendar: Calendar
    part: str  # "_p0001", or nothing in a small world

    def file(self, delivery: int, source: str, name: str, extension: str) -> Path:
        """The path of a landing file, its folder made."""
        day = self.calendar.start + np.timedelta64(delivery, "D")
        folder = self.folder / "landing" / str(day) / source
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}{self.part}.{extension}"


def connect() -> duckdb.DuckDBPyConnection:
    """A database of one thread: a world must not depend on the machine."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET enable_progress_bar = false")
    connection.execute(MACROS)
    return connection


def arrow(column: Column) -> pa.Array:
    """A column with None, NaN and NaT as missing, and text as text even where nothing is in it."""
    values = pa.array(column.astype(object) if column.dtype.kind == "U" else column, from_pandas=True)
    return values.cast(pa.string()) if pa.types.is_null(values.type) else values


def load(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Make the block's tables known under their names."""
    for name, frame in world.items():
        connection.register(name, pa.table({column: arrow(values) for column, values in frame.items()}))


def copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query in the format the file's name tells."""
    target = str(path).replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{target}' ({COPY_OPTIONS[path.suffix]})")


def write_block(rng: Generator, world: World, place: Place) -> pa.Table:
    """Write all files of a block; the result is what it adds to the control totals."""
    for name in ("hits", "bots"):
        day = world[name]["at"].astype("datetime64[D]")
        world[name]["log_delivery"] = np.maximum(0, (day - place.calendar.start).astype(np.int64) + 1)
    with connect() as connection:
        load(connection, world)
        bad = [
            row
            for feed in FEEDS
            for delivery, path in write_feed(connection, feed, place)
            for row in spoil(rng, path, feed, delivery)
        ]
        deliveries = {"deliveries": place.calendar.deliveries}
        totals = connection.sql(TOTALS, params=deliveries).to_arrow_table()
    columns = TRUTH["bad_rows"].split(", ")
    bad_rows = {name: objects(values) for name, values in zip(columns, zip(*bad, strict=True), strict=True)}
    write_truth_parts(world | {"trap": stack([world["trap"], redeliver(place)]), "bad_rows": bad_rows}, place)
    return totals


def write_feed(connection: duckdb.DuckDBPyConnection, feed: Feed, place: Place) -> Iterator[tuple[int, Path]]:
    """Write the deliveries of a feed that have rows."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE feed AS {feed.select} ORDER BY {feed.order}")
    found = connection.execute("SELECT DISTINCT delivered_in FROM feed ORDER BY 1").fetchall()
    for (delivery,) in found:
        if delivery < place.calendar.deliveries:
            path = place.file(delivery, feed.source, feed.name, feed.extension)
            rows = f"SELECT * EXCLUDE (delivered_in) FROM feed WHERE delivered_in = {delivery}"
            copy(connection, rows, path)
            yield delivery, path


def redeliver(place: Place) -> Frame:
    """Send the contact centre's first file a second time with the second delivery."""
    name = "receipt_lines_contact_centre"
    first = place.file(0, "tills", name, "csv")
    sent = place.calendar.deliveries > 1 and place.part in {"", "_p0001"} and first.exists()
    if sent:
        shutil.copyfile(first, place.file(1, "tills", f"{name}_again", "csv"))
    files = objects([first.name] if sent else [])
    return trap("redelivered_file", nothing(len(files)), None, "tills", files)


def write_truth_parts(world: World, place: Place) -> None:
    """Keep a block's truth until all blocks are there."""
    with connect() as connection:
        load(connection, {name: world[name] for name in TRUTH})
        for name, columns in TRUTH.items():
            folder = place.folder / "truth" / f"{name}.parts"
            folder.mkdir(parents=True, exist_ok=True)
            copy(connection, f"SELECT {columns} FROM {name}", folder / f"part{place.part}.parquet")


def join_truth(folder: Path) -> None:
    """One sorted file of each truth table, so that nothing tells the blocks."""
    with connect() as connection:
        for name, columns in TRUTH.items():
            parts = folder / "truth" / f"{name}.parts"
            connection.read_parquet(str(parts / "*.parquet")).create_view("parts", replace=True)
            if name == "bad_rows":
                columns_summed = columns.replace("rows", "sum(rows)::BIGINT AS rows")
                query = f"SELECT {columns_summed} FROM parts GROUP BY ALL ORDER BY ALL"
            else:
                query = f"SELECT {columns} FROM parts ORDER BY ALL"
            copy(connection, query, folder / "truth" / f"{name}.parquet")
            shutil.rmtree(parts)


def write_totals(changes: list[pa.Table], place: Place) -> None:
    """The tills' control totals: a row a store and day whenever a delivery changes it."""
    with connect() as connection:
        connection.register("changes", pa.concat_tables(changes))
        connection.execute("""
            CREATE TABLE totals AS
            SELECT store_id, business_date, sum(sum(lines)) OVER known AS lines,
                money(sum(sum(cents)) OVER known) AS net_amount, 'EUR' AS currency, delivery
            FROM changes GROUP BY store_id, business_date, delivery
            WINDOW known AS (PARTITION BY store_id, business_date ORDER BY delivery)
        """)
        for delivery in range(place.calendar.deliveries):
            rows = f"SELECT * EXCLUDE (delivery) FROM totals WHERE delivery = {delivery} ORDER BY ALL"
            copy(connection, rows, place.file(delivery, "tills", "till_totals", "csv"))

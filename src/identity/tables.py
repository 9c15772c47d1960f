"""The only place that reads and writes: landing text, Delta tables, and staged Parquet.

Whatever becomes a table is staged first, checked where it lies, and then committed: a gate that fails leaves every
table as it was (see docs/adr/0004).
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.contracts import TableContract, conform, contract_of
from identity.delta import (
    Delta,
    Mode,
    columns_of,
    compact_here,
    delta_of,
    read_parquet,
    rewrite_here,
    rows_of,
    version_of,
    write_here,
)
from identity.delta import forget_history as forget
from identity.errors import PlatformError, SourceError

# Small writes wait on the driver more than on executors; more threads than this gain nothing (docs/adr/0004).
_WRITERS = 3

# A table of as many files is written together by maintenance; every file is an open and a footer to read.
_MANY_FILES = 8

# A frame and the contract it fulfils or is to be put into.
Contracted = tuple[DataFrame, TableContract]


@dataclass(frozen=True)
class Tables:
    """The tables below one warehouse folder, addressed as `layer.name`."""

    spark: SparkSession
    root: Path

    @cached_property
    def delta(self) -> Delta:
        """The Delta engine."""
        return delta_of(self.spark)

    def exists(self, name: str) -> bool:
        """Whether the table has been written."""
        return self.delta.exists(self._address(name))

    def read(self, name: str, *, version: int | None = None) -> DataFrame:
        """Read a table, or one version of it; a table never written yet reads as empty."""
        if not self.exists(name):
            return self.spark.createDataFrame([], contract_of(name).spark_schema)
        return self.delta.read(self._address(name), version=version)

    def version(self, name: str) -> int:
        """The newest version of a table."""
        return self.delta.version(self._address(name))

    def delete(self, name: str, condition: str) -> None:
        """Delete rows by a condition on keys; never on a personal value, for it would stay in Delta's log."""
        if self.exists(name):
            self.delta.delete(self._address(name), condition)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a register, which is small; none when it was never written."""
        return self.delta.rows(self._address(name)) if self.exists(name) else []

    def append_rows(self, rows: Iterable[Mapping[str, Any]], contract: TableContract) -> None:
        """Add a few rows to a register."""
        self.delta.append_rows(rows, self._address(contract.name), contract)

    def staged(self, df: DataFrame, name: str) -> DataFrame:
        """Write a frame to staging and read it back: plain Parquet, for staging has no readers and needs no history.

        What is read back forgets how it was made, so that Spark plans it once and not for every use.
        """
        address = self._address(f"staging.{name}")
        df.write.mode("overwrite").parquet(address)
        return read_parquet(self.spark, [address], df.schema)

    def stage(self, df: DataFrame, contract: TableContract) -> Contracted:
        """Write a frame to staging in its contract's shape, to be checked and committed; reads it back."""
        return self.staged(conform(df, contract), contract.name), contract

    def stage_all(self, frames: Iterable[Contracted]) -> list[Contracted]:
        """Stage frames side by side; reads them back."""
        return in_parallel(partial(self.stage, *frame) for frame in frames)

    def at_hand(self, contract: TableContract) -> pa.Table | None:
        """A staged table's rows in this process, where they are few; None where they are Spark's to read."""
        return self.delta.at_hand(self._address(f"staging.{contract.name}"))

    def from_staging(self, contract: TableContract) -> DataFrame:
        """Read a staged frame."""
        return read_parquet(self.spark, [self._address(f"staging.{contract.name}")], contract.spark_schema)

    def commit(self, contracts: Iterable[TableContract], *, mode: Mode = "overwrite") -> None:
        """Make staged frames the rows of their tables, or append them."""
        in_parallel(
            partial(
                self.delta.commit, self._address(f"staging.{c.name}"), self._address(c.name), c, mode=mode
            )
            for c in contracts
        )

    def commit_as_one(self, modes: Mapping[str, Mode]) -> None:
        """Make staged frames the rows of their tables, all of them or none.

        What is to be done is written down before it begins. If this process dies on the way, `finish_commit` of the
        next one does the rest (docs/adr/0013).

        Args:
            modes: By table, whether its staged rows replace it or are added to it.
        """
        steps = [
            {"table": name, "mode": mode, "was": self._version_or_none(name)} for name, mode in modes.items()
        ]
        draft = self._begun.with_suffix(".draft")
        draft.write_text(json.dumps(steps), encoding="utf-8")
        draft.rename(self._begun)  # there as a whole, or not at all
        self.finish_commit()

    def finish_commit(self) -> bool:
        """Do what is left of a commit that was begun as one; returns whether there was one."""
        if not is_committing(self.root):
            return False
        steps = json.loads(self._begun.read_text(encoding="utf-8"))
        left = [step for step in steps if self._version_or_none(step["table"]) == step["was"]]
        in_parallel(partial(self.commit, [contract_of(s["table"])], mode=s["mode"]) for s in left)
        self._begun.unlink()
        return True

    @property
    def _begun(self) -> Path:
        return _begun(self.root)

    def _version_or_none(self, name: str) -> int | None:
        return self.version(name) if self.exists(name) else None

    def clear_staging(self, *names: str) -> None:
        """Remove everything from staging, or what was staged for some tables."""
        for address in [self._address(f"staging.{name}") for name in names] or [self._address("staging")]:
            shutil.rmtree(address, ignore_errors=True)

    def _address(self, name: str) -> str:
        return _address(self.root, name)


def _address(root: Path, name: str) -> str:
    return str(root.joinpath(*name.split(".")))


def _begun(root: Path) -> Path:
    return root / "staging" / "commit.json"


def is_committing(root: Path) -> bool:
    """Whether a process that died left a commit of several tables half done, which `Tables.finish_commit` finishes."""
    return _begun(root).is_file()


def by_table(frames: Iterable[Contracted]) -> dict[str, Contracted]:
    """Frames by the tables they are to become."""
    return {contract.name: (frame, contract) for frame, contract in frames}


def in_parallel(tasks: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run independent reads and writes at once; the first error is raised after all have ended."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        futures = [pool.submit(task) for task in tasks]
    return [future.result() for future in futures]


def rows_at(root: Path, name: str, where: ds.Expression | None = None) -> list[dict[str, Any]]:
    """Rows of a table below a warehouse, read without Spark; none when it was never written.

    Args:
        root: The warehouse.
        name: The table, as `layer.name`.
        where: Which rows; all by default.
    """
    return rows_of(_address(root, name), where)


def columns_at(root: Path, name: str, names: list[str], where: ds.Expression | None = None) -> pa.Table:
    """Columns of a table below a warehouse, read without Spark; without rows when it was never written.

    Args:
        root: The warehouse.
        name: The table, as `layer.name`.
        names: Its columns.
        where: Which rows; all by default.
    """
    found = columns_of(_address(root, name), names, where=where)
    if found is not None:
        return found
    contract = contract_of(name)
    # Only the columns asked for: a schema with others may need a running Spark.
    asked = contract.model_copy(update={"columns": {column: contract.columns[column] for column in names}})
    return asked.arrow_schema.empty_table()


def among(column: str, values: Iterable[str]) -> ds.Expression:
    """A condition for `columns_at` and `rows_at`: the column holds one of the values."""
    return ds.field(column).isin(pa.array(sorted(values), pa.string()))


def replace_at(root: Path, rows: Iterable[Mapping[str, Any]], contract: TableContract) -> None:
    """Make rows the rows of a small table below a warehouse, in one commit and without Spark."""
    table = pa.Table.from_pylist(list(rows), contract.arrow_schema)
    write_here(table, _address(root, contract.name), contract, "overwrite")


def append_at(root: Path, rows: Iterable[Mapping[str, Any]], contract: TableContract) -> None:
    """Add rows to a small table below a warehouse, in one commit and without Spark; no rows are no commit."""
    table = pa.Table.from_pylist(list(rows), contract.arrow_schema)
    if table.num_rows:
        write_here(table, _address(root, contract.name), contract, "append")


def version_at(root: Path, name: str) -> int | None:
    """The newest version of a table below a warehouse, without Spark; None when it was never written."""
    return version_of(_address(root, name))


def rewrite_at(root: Path, name: str, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> None:
    """Write a table below a warehouse anew, batch by batch, if it is there; its log names no row."""
    address = _address(root, name)
    if columns_of(address, []) is not None:
        rewrite_here(address, contract_of(name), change)


def compact(root: Path) -> None:
    """Write small files of tables below a warehouse together; gold is written whole and named by version, and stays."""
    found = sorted(log.parent for log in root.glob("*/*/_delta_log") if log.parent.parent.name != "gold")
    in_parallel(partial(compact_here, str(address), from_files=_MANY_FILES) for address in found)


def forget_history(root: Path) -> int:
    """Remove all but the newest version of every table below a warehouse; returns how many tables there are."""
    found = sorted(log.parent for log in root.glob("*/*/_delta_log"))
    in_parallel(partial(forget, str(address)) for address in found)
    return len(found)


def forget_history_of(root: Path, name: str) -> None:
    """Remove all but the newest version of one table below a warehouse, if it is there."""
    # By its log: a table that lost its last row has no file, and its older versions have all of them.
    if (root.joinpath(*name.split(".")) / "_delta_log").is_dir():
        forget(_address(root, name))


def read_lines(spark: SparkSession, paths: list[str]) -> DataFrame:
    """Read text files: a row is a line, with `path` (as given), `row_no` (from 1) and `line`.

    Lines are numbered without a shuffle: Spark numbers them within a split, and a first pass over the files
    tells how many lines lie before each split.
    """
    numbered = spark.read.text(paths).select(
        F.col("_metadata.file_path").alias("path"),
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("id"),
        F.col("value").alias("line"),
    )
    splits = (
        numbered.groupBy("path", "block")
        .agg(F.count("*").alias("lines"), F.min("id").alias("first"))
        .collect()
    )
    before: dict[str, int] = {}
    offsets = []
    for split in sorted(splits, key=lambda s: (s["path"], s["block"])):
        offset = before.get(split["path"], 0)
        offsets.append((split["path"], split["block"], offset + 1 - split["first"], _local(split["path"])))
        before[split["path"]] = offset + split["lines"]
    lost = sorted(set(paths) - {given for *_, given in offsets})
    if lost:
        raise SourceError(f"Spark read no line of {', '.join(lost)}")
    offset_frame = spark.createDataFrame(offsets, "path string, block bigint, shift bigint, given string")
    return numbered.join(F.broadcast(offset_frame), on=["path", "block"], how="inner").select(
        F.col("given").alias("path"), (F.col("id") + F.col("shift")).alias("row_no"), "line"
    )


def _local(uri: str) -> str:
    """Hadoop's `file:/a%20b` as the path it was made from."""
    return unquote("/" + uri.removeprefix("file:").lstrip("/"))


def prepare_warehouse(root: Path) -> None:
    """Make sure the warehouse can be written.

    Raises:
        PlatformError: It cannot; the message names the folder.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".writable"
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise PlatformError(f"warehouse {root} cannot be written: {error.strerror}") from None


def bytes_delivered(landing: Path, warehouse: Path) -> int:
    """Bytes of the files that landed and of bronze: about how much the warehouse holds."""
    files = (path for folder in (landing, warehouse / "bronze") for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())


def write_json_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line to a log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(record, sort_keys=True, default=str) + "\n")

"""The only place that reads and writes: landing text, Delta tables, and staged Parquet.

Tables are created as erasure and outside readers need them: no column statistics on personal columns (Delta
would copy minima and maxima into its log), no deletion vectors, no column mapping (see docs/adr/0004).
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.contracts import TableContract, conform, contract_of
from identity.errors import PlatformError, SourceError

# Small commits wait on the driver more than on executors; more threads than this gain nothing (docs/adr/0004).
_WRITERS = 3


@dataclass(frozen=True)
class Tables:
    """The tables below one warehouse folder, addressed as `layer.name`."""

    spark: SparkSession
    root: Path

    def exists(self, name: str) -> bool:
        """Whether the table has been written."""
        return DeltaTable.isDeltaTable(self.spark, self._address(name))

    def read(self, name: str, *, version: int | None = None) -> DataFrame:
        """Read a table, or one version of it; a table never written yet reads as empty."""
        if not self.exists(name):
            return self.spark.createDataFrame([], contract_of(name).spark_schema)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self._address(name))

    def overwrite(self, df: DataFrame, contract: TableContract) -> None:
        """Replace a table's rows."""
        self._write(df, contract, mode="overwrite")

    def append(self, df: DataFrame, contract: TableContract) -> None:
        """Add rows to a table."""
        self._write(df, contract, mode="append")

    def delete(self, name: str, condition: str) -> None:
        """Delete rows by a condition on keys; never on a personal value, for it would stay in Delta's log."""
        if self.exists(name):
            DeltaTable.forPath(self.spark, self._address(name)).delete(condition)

    def version(self, name: str) -> int:
        """The newest version of a table."""
        row = DeltaTable.forPath(self.spark, self._address(name)).history(1).select("version").head()
        assert row is not None
        return int(row["version"])

    def staged(self, df: DataFrame, name: str) -> DataFrame:
        """Write a frame to staging and read it back: plain Parquet, for staging has no readers and needs no history.

        What is read back forgets how it was made, so that Spark plans it once and not for every use.
        """
        address = self._address(f"staging.{name}")
        df.write.mode("overwrite").parquet(address)
        return self.spark.read.schema(df.schema).parquet(address)

    def stage(self, df: DataFrame, contract: TableContract) -> None:
        """Write a frame to staging in its contract's shape, for a later job to read."""
        conform(df, contract).write.mode("overwrite").parquet(self._address(f"staging.{contract.name}"))

    def from_staging(self, contract: TableContract) -> DataFrame:
        """Read a staged frame."""
        return self.spark.read.schema(contract.spark_schema).parquet(
            self._address(f"staging.{contract.name}")
        )

    def clear_staging(self) -> None:
        """Remove everything from staging."""
        shutil.rmtree(self._address("staging"), ignore_errors=True)

    def rows(self, rows: Iterable[Mapping[str, Any]], contract: TableContract) -> DataFrame:
        """Make a small frame in a contract's shape out of mappings."""
        data = [tuple(row[name] for name in contract.columns) for row in rows]
        return self.spark.createDataFrame(data, contract.spark_schema)

    def _write(self, df: DataFrame, contract: TableContract, *, mode: str) -> None:
        conformed = conform(df, contract).select(
            *(
                F.col(name).alias(name, metadata={"comment": c.meaning})
                for name, c in contract.columns.items()
            )
        )
        (
            conformed.write.format("delta")
            .mode(mode)
            .option("delta.enableDeletionVectors", "false")
            .option("delta.columnMapping.mode", "none")
            .option("delta.dataSkippingStatsColumns", ",".join(contract.statistics_columns))
            .save(self._address(contract.name))
        )

    def _address(self, name: str) -> str:
        return str(self.root.joinpath(*name.split(".")))


def in_parallel(tasks: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run independent reads and writes at once; the first error is raised after all have ended."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        futures = [pool.submit(task) for task in tasks]
    return [future.result() for future in futures]


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


def write_json_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line to a log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(record, sort_keys=True, default=str) + "\n")

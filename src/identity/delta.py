"""The one door to Delta: reading a table's files, committing what was staged, and asking a log for its version.

There are two engines behind one set of verbs. On one machine the log is read and written by delta-rs: Delta on Spark
plans and runs Spark jobs to read a log of a few lines, and a run has hundreds of them. On a cluster the executors
write, by Delta on Spark. `docs/adr/0011-delta-log-by-delta-rs.md` has the measurements.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import deltalake
import pyarrow as pa
import pyarrow.dataset as ds
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from identity.contracts import TableContract, conform

Mode = Literal["overwrite", "append"]

# What is smaller is checked quicker in this process than by Spark jobs (docs/adr/0003).
_AT_HAND_BYTES = 4 * 2**20
# Joining and grouping what lies in one partition needs no exchange, which costs more than it gains below this size.
_ONE_PARTITION_BYTES = 16 * 2**20


class Delta(Protocol):
    """What the rest of the project asks of Delta; an address is a path."""

    def exists(self, address: str) -> bool:
        """Whether a table is there."""

    def read(self, address: str, *, version: int | None = None) -> DataFrame:
        """Read a table that is there, or one version of it."""

    def rows(self, address: str) -> list[dict[str, Any]]:
        """All rows of a small table that is there."""

    def at_hand(self, staged: str) -> pa.Table | None:
        """Staged rows in this process; None when they are many, or lie where only executors see them."""

    def commit(self, staged: str, address: str, contract: TableContract, *, mode: Mode) -> None:
        """Commit staged Parquet in the contract's shape; the table is created when it is not there."""

    def append_rows(self, rows: Iterable[Mapping[str, Any]], address: str, contract: TableContract) -> None:
        """Commit a few rows of a register."""

    def delete(self, address: str, condition: str) -> None:
        """Delete rows."""

    def version(self, address: str) -> int:
        """The newest version of a table."""


def delta_of(spark: SparkSession) -> Delta:
    """The engine that fits where Spark runs: a local master sees the same files as this process."""
    is_local = (spark.sparkContext.master or "").startswith("local")
    return LocalDelta(spark) if is_local else ClusterDelta(spark)


def read_parquet(spark: SparkSession, files: list[str], schema: StructType) -> DataFrame:
    """Read Parquet files of a known schema, small ones into a single partition."""
    frame = spark.read.schema(schema).parquet(*files)
    return frame.coalesce(1) if _bytes_of(files) <= _ONE_PARTITION_BYTES else frame


def rows_of(address: str, where: ds.Expression | None = None) -> list[dict[str, Any]]:
    """Rows of a table, read by this process without Spark; none when it is not there."""
    found = columns_of(address, where=where)
    return [] if found is None else list(found.to_pylist(maps_as_pydicts="strict"))


def columns_of(
    address: str, names: list[str] | None = None, *, where: ds.Expression | None = None
) -> pa.Table | None:
    """Columns of a table, all by default, read by this process without Spark; None when it is not there or empty."""
    if not deltalake.DeltaTable.is_deltatable(address):
        return None
    files = sorted(deltalake.DeltaTable(address).file_uris())
    if not files:
        return None
    dataset = ds.dataset(files, format="parquet")
    if where is None or not any(_views(fragment.physical_schema) for fragment in dataset.get_fragments()):
        return dataset.to_table(columns=names, filter=where)
    # delta-rs writes texts as views where it deletes and compacts, and Arrow's conditions do not know those.
    plain = dataset.schema
    for place, field in enumerate(plain):
        if pa.types.is_string_view(field.type):
            plain = plain.set(place, field.with_type(pa.string()))
    found = ds.dataset(files, schema=plain, format="parquet").to_table().filter(where)
    return found if names is None else found.select(names)


def _views(schema: pa.Schema) -> bool:
    return any(pa.types.is_string_view(field.type) for field in schema)


def version_of(address: str) -> int | None:
    """The newest version of a table, without Spark; None when it is not there."""
    if not deltalake.DeltaTable.is_deltatable(address):
        return None
    return int(deltalake.DeltaTable(address).version())


def write_here(
    data: pa.RecordBatchReader | pa.Table, address: str, contract: TableContract, mode: Mode
) -> None:
    """Commit rows by this process, without Spark."""
    Path(address).parent.mkdir(parents=True, exist_ok=True)
    # What is replaced whole may have another shape than before: its contract's of today.
    shape: Literal["overwrite"] | None = "overwrite" if mode == "overwrite" else None
    deltalake.write_deltalake(
        address, data, mode=mode, schema_mode=shape, configuration=_properties(contract)
    )


def rewrite_here(
    address: str, contract: TableContract, change: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> None:
    """Write a table anew, batch by batch; the log names no row and no predicate."""
    schema = contract.arrow_schema
    files = sorted(deltalake.DeltaTable(address).file_uris())
    batches = ds.dataset(files, schema=schema, format="parquet").to_batches() if files else iter(())
    reader = pa.RecordBatchReader.from_batches(schema, (change(batch).cast(schema) for batch in batches))
    write_here(reader, address, contract, "overwrite")


def compact_here(address: str, *, from_files: int) -> None:
    """Write the small files of a table together, where it has as many; its rows stay."""
    table = deltalake.DeltaTable(address)
    if len(table.file_uris()) >= from_files:
        table.optimize.compact()


def forget_history(address: str) -> None:
    """Remove every file and log entry that only older versions of a table need; the newest version stays as it is."""
    # Not by vacuum: it commits, and the version that a publication names would be an older one.
    table = deltalake.DeltaTable(address)
    version = int(table.version())
    table.create_checkpoint()
    for path in (Path(address) / "_delta_log").iterdir():
        number = path.name.lstrip(".").split(".", 1)[0]
        is_older = number.isdigit() and int(number) < version
        if path.is_file() and (is_older or path.suffix == ".crc"):
            path.unlink()
    named = {Path(file).name for file in deltalake.DeltaTable(address).file_uris()}
    for path in Path(address).iterdir():
        if path.is_file() and path.name not in named:
            path.unlink()


@dataclass(frozen=True)
class LocalDelta:
    """Delta on one machine: Spark reads and writes Parquet, delta-rs reads and writes the log."""

    spark: SparkSession

    def exists(self, address: str) -> bool:
        """Whether a table is there."""
        return deltalake.DeltaTable.is_deltatable(address)

    def read(self, address: str, *, version: int | None = None) -> DataFrame:
        """Read a table that is there, or one version of it."""
        table = deltalake.DeltaTable(address, version=version)
        schema = StructType.fromJson(json.loads(table.schema().to_json()))
        files = sorted(table.file_uris())
        return read_parquet(self.spark, files, schema) if files else self.spark.createDataFrame([], schema)

    def rows(self, address: str) -> list[dict[str, Any]]:
        """All rows of a small table that is there, without Spark."""
        return rows_of(address)

    def at_hand(self, staged: str) -> pa.Table | None:
        """Staged rows in this process; None when they are many."""
        if _bytes_of([staged]) > _AT_HAND_BYTES:
            return None
        return ds.dataset(staged, format="parquet").to_table()

    def commit(self, staged: str, address: str, contract: TableContract, *, mode: Mode) -> None:
        """Commit staged Parquet in the contract's shape; no rows to append are no commit."""
        found = ds.dataset(staged, format="parquet")
        if mode == "append" and self.exists(address) and found.count_rows() == 0:
            return
        schema = contract.arrow_schema
        batches = (
            batch.select(schema.names).cast(schema)
            for batch in found.scanner(columns=schema.names).to_batches()
        )
        write_here(pa.RecordBatchReader.from_batches(schema, batches), address, contract, mode)

    def append_rows(self, rows: Iterable[Mapping[str, Any]], address: str, contract: TableContract) -> None:
        """Commit a few rows of a register, without Spark."""
        write_here(pa.Table.from_pylist(list(rows), contract.arrow_schema), address, contract, "append")

    def delete(self, address: str, condition: str) -> None:
        """Delete rows; the files that held them are rewritten."""
        deltalake.DeltaTable(address).delete(condition)

    def version(self, address: str) -> int:
        """The newest version of a table."""
        return int(deltalake.DeltaTable(address).version())


@dataclass(frozen=True)
class ClusterDelta:
    """Delta on a cluster: everything by Delta on Spark."""

    spark: SparkSession

    def exists(self, address: str) -> bool:
        """Whether a table is there."""
        return DeltaTable.isDeltaTable(self.spark, address)

    def read(self, address: str, *, version: int | None = None) -> DataFrame:
        """Read a table that is there, or one version of it."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(address)

    def rows(self, address: str) -> list[dict[str, Any]]:
        """All rows of a small table that is there."""
        return [row.asDict() for row in self.read(address).collect()]

    def at_hand(self, staged: str) -> pa.Table | None:  # noqa: ARG002 - the signature is the protocol's
        """None: staged rows lie where executors see them."""
        return None

    def commit(self, staged: str, address: str, contract: TableContract, *, mode: Mode) -> None:
        """Commit staged Parquet in the contract's shape."""
        self._write(self.spark.read.schema(contract.spark_schema).parquet(staged), address, contract, mode)

    def append_rows(self, rows: Iterable[Mapping[str, Any]], address: str, contract: TableContract) -> None:
        """Commit a few rows of a register."""
        data = [tuple(row[name] for name in contract.columns) for row in rows]
        self._write(self.spark.createDataFrame(data, contract.spark_schema), address, contract, "append")

    def delete(self, address: str, condition: str) -> None:
        """Delete rows; the files that held them are rewritten."""
        DeltaTable.forPath(self.spark, address).delete(condition)

    def version(self, address: str) -> int:
        """The newest version of a table."""
        row = DeltaTable.forPath(self.spark, address).history(1).select("version").head()
        assert row is not None
        return int(row["version"])

    def _write(self, df: DataFrame, address: str, contract: TableContract, mode: Mode) -> None:
        told = (
            F.col(name).alias(name, metadata={"comment": c.meaning}) for name, c in contract.columns.items()
        )
        writer = conform(df, contract).select(*told).write.format("delta").mode(mode)
        writer.options(**_properties(contract), overwriteSchema=str(mode == "overwrite")).save(address)


def _properties(contract: TableContract) -> dict[str, str]:
    """Tables as erasure and outside readers need them (docs/adr/0004)."""
    return {
        "delta.enableDeletionVectors": "false",
        "delta.columnMapping.mode": "none",
        "delta.dataSkippingStatsColumns": ",".join(contract.statistics_columns),
    }


def _bytes_of(files: Iterable[str]) -> int:
    """What Parquet files, or folders of them, weigh."""
    paths = (
        path for file in map(Path, files) for path in (file.glob("*.parquet") if file.is_dir() else (file,))
    )
    return sum(path.stat().st_size for path in paths)

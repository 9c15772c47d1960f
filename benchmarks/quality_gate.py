"""What a table's gate costs: as Great Expectations documents it, by Spark our way, and in this process.

`python -m benchmarks.quality_gate [--rows N] [--rounds N]` checks every contract's table, made up, in turn.
"""

import argparse
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.contracts import TableContract, all_contracts
from identity.quality import check_table, suite_of, write_docs
from identity.quality_docs import KEY_TO_BE_UNIQUE
from identity.session import build_session, stop_session


def gated_contracts() -> list[TableContract]:
    """The contracts of tables that stand at a gate."""
    return [
        c for c in all_contracts() if c.layer not in {"ops", "bronze"} and not c.name.endswith("__purpose")
    ]


def made_up(spark: SparkSession, contract: TableContract, *, rows: int) -> DataFrame:
    """Rows that keep the contract."""
    i = F.col("id")
    cells = []
    for name, column in contract.columns.items():
        if column.values:
            cell = F.element_at(F.lit(list(column.values)), (i % len(column.values) + 1).cast("int"))
        elif column.type in {"int", "bigint", "double"} and (
            name not in contract.key or column.max is not None
        ):
            low, high = column.min or 0, 1000 if column.max is None else column.max
            cell = low + i % int(high - low + 1)
        elif column.type == "date":
            cell = F.date_add(F.lit("2026-01-01").cast("date"), i.cast("int"))
        elif column.type == "timestamp":
            cell = F.timestamp_seconds(i)
        elif column.type in {"boolean", "array<string>"} or column.type.startswith("map"):
            cell = {"b": i % 2 == 0, "a": F.array(i.cast("string"))}.get(
                column.type[0], F.create_map(F.lit("k"), i)
            )
        elif column.type.startswith("array"):
            cell = F.array()
        else:
            cell = i
        cells.append(cell.cast(column.type).alias(name))
    return spark.range(rows).select(*cells)


def as_documented(df: DataFrame, contract: TableContract, *, name: str) -> Any:
    """A suite of stock expectations, run by a validation definition, sequentially, in one context."""
    gx: Any = importlib.import_module("great_expectations")
    gxe: Any = importlib.import_module("great_expectations.expectations")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    suite = suite_of(contract)
    stock = [e for e in suite.expectations if e.expectation_type != KEY_TO_BE_UNIQUE]
    key = list(contract.key)
    unique = (
        gxe.ExpectCompoundColumnsToBeUnique(column_list=key)
        if key[1:]
        else gxe.ExpectColumnValuesToBeUnique(column=key[0])
    )
    asked = context.suites.add(gx.ExpectationSuite(name=name, expectations=[unique, *stock]))
    source = context.data_sources.add_spark("frames", persist=False)
    whole = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
    definition = gx.ValidationDefinition(name=name, data=whole, suite=asked)
    form = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
    return definition.run(batch_parameters={"dataframe": df}, result_format=form)


def main() -> None:
    """Print seconds a table, round by round, and the ratio to the documented way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000, help="rows of every table")
    parser.add_argument("--rounds", type=int, default=6, help="the first, which warms up, is not counted")
    arguments = parser.parse_args()
    spark = build_session(app_name="identity-benchmark")
    with tempfile.TemporaryDirectory() as folder:
        _compare(spark, Path(folder), rows=arguments.rows, rounds=arguments.rounds)
    stop_session(spark)


def _compare(spark: SparkSession, folder: Path, *, rows: int, rounds: int) -> None:
    contracts = gated_contracts()
    for contract in contracts:
        made_up(spark, contract, rows=rows).coalesce(1).write.parquet(str(folder / contract.name))

    def read(contract: TableContract) -> DataFrame:
        return spark.read.schema(contract.spark_schema).parquet(str(folder / contract.name)).coalesce(1)

    def documented(contract: TableContract) -> None:
        kept = read(contract).persist()
        kept.count()
        assert as_documented(kept, contract, name=f"{contract.name} {time.monotonic()}").success
        kept.unpersist()

    def by_spark(contract: TableContract) -> None:
        assert all(r.success for r in check_table(gate="silver", rows=read(contract), contract=contract))

    def here(contract: TableContract) -> None:
        table = pq.read_table(folder / contract.name)
        assert all(r.success for r in check_table(gate="silver", rows=table, contract=contract))

    ways: dict[str, Callable[[TableContract], None]] = {
        "documented": documented, "by Spark": by_spark, "in this process": here,
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.monotonic()
            for contract in contracts:
                way(contract)
            seconds[name].append((time.monotonic() - began) / len(contracts))
    results = [r for c in contracts for r in check_table(gate="silver", rows=read(c), contract=c)]
    began = time.monotonic()
    write_docs(results=results, folder=folder / "docs", title="run")
    docs = time.monotonic() - began
    print(f"{len(contracts)} tables of {rows} rows, {len(results)} expectations; docs {docs:.2f} s")
    first = statistics.median(seconds["documented"][1:])
    for name, found in seconds.items():
        median = statistics.median(found[1:])
        told = " ".join(f"{s:.3f}" for s in found)
        print(f"{name:>16}: {told}  median of the warm {median:.3f} s a table, ratio {median / first:.2f}")


if __name__ == "__main__":
    main()

"""A gate beside the staging of its tables: all are checked, in one order, and none passes alone."""

import datetime as dt
import io
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from benchmarks.quality_gate import made_up
from identity import delta
from identity.config_reading import load_config
from identity.contracts import TableContract, contract_of
from identity.errors import QualityGateError
from identity.run import Run
from identity.stages.gates import TableGate, id_facts
from identity.tables import Tables

CONTRACTS = [contract_of(f"silver.{name}") for name in ("store", "product", "till_total", "loyalty_card")]


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Run:
    config = load_config(Path(__file__).parents[2] / "conf" / "local.yaml", warehouse=tmp_path)
    console = Console(file=io.StringIO())
    return Run(config, Tables(spark, tmp_path), dt.date(2026, 1, 31), config.secret(), console)


@pytest.mark.parametrize("most_bytes", [0, 2**20])  # checked by Spark, checked in this process
def test_every_table_is_checked_against_its_own_contract(
    run: Run, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    monkeypatch.setattr(delta, "_AT_HAND_BYTES", most_bytes)
    assert (run.tables.at_hand(_staged(run, spark)) is None) == (most_bytes == 0)
    with TableGate(run, "silver") as gate:
        staged = [gate.stage(made_up(spark, c, rows=n), c) for n, c in enumerate(CONTRACTS, 5)]
        rows = gate.settle()
    assert rows == {c.name: n for n, c in enumerate(CONTRACTS, 5)}
    assert {contract.name: frame.count() for frame, contract in staged} == rows
    tables = [check.table for check in run.checks]
    assert tables == sorted(tables)
    assert {check.gate for check in run.checks} == {"silver"}


def test_a_hidden_number_of_rows_is_told_nowhere(run: Run, spark: SparkSession) -> None:
    store, product, *_ = CONTRACTS
    with TableGate(run, "gold") as gate:
        for contract in (store, product):
            gate.check(
                run.tables.stage(made_up(spark, contract, rows=3), contract), is_hidden={3}.__contains__
            )
        gate.stage(made_up(spark, CONTRACTS[2], rows=3), CONTRACTS[2])
        rows = gate.settle()
    assert rows == {store.name: None, product.name: None, CONTRACTS[2].name: 3}
    assert {check.checked for check in run.checks if check.table == store.name} == {None}
    assert all(check.success for check in run.checks)


def test_what_fails_stops_at_settle_and_is_kept(run: Run, spark: SparkSession) -> None:
    store, product, *_ = CONTRACTS
    twice = made_up(spark, product, rows=3)
    with TableGate(run, "silver") as gate:
        gate.stage(made_up(spark, store, rows=3), store)
        gate.stage(twice.unionByName(twice), product)
        with pytest.raises(QualityGateError, match=r"silver\.product expect_key_to_be_unique.*: 3 of 6"):
            gate.settle()
    assert {check.table for check in run.checks if not check.success} == {"silver.product"}


def test_a_fact_that_does_not_hold_fails_with_its_count(run: Run, spark: SparkSession) -> None:
    with TableGate(run, "id") as gate, pytest.raises(QualityGateError, match=r"id\.facts .*\(strays\): 2"):
        gate.settle({"strays": spark.range(2), "none": spark.range(3).where(F.col("id") > 5)})
    assert [(check.column, check.unexpected) for check in run.checks] == [("strays", 2), ("none", 0)]


def test_households_are_of_two_live_ids_at_least_whose_records_may_be_joined(spark: SparkSession) -> None:
    members = [
        ("crm", key, key, permission, closed)
        for key, permission, closed in (
            ("a", "permitted", None), ("b", "permitted", None), ("c", "permitted", None), ("d", "barred", None),
            ("gone", "permitted", dt.date(2026, 1, 1)),
        )
    ]  # fmt: skip
    homes = {"h1": "ab", "h2": "c", "h3": ["a", "d"], "h4": ["b", "gone"]}
    facts = id_facts(
        spark.createDataFrame(
            members,
            "source string, source_key string, golden_id string, link_permission string, valid_to_on date",
        ),
        spark.createDataFrame([], contract_of("id.edge").spark_schema),
        spark.createDataFrame([], contract_of("id.crosswalk").spark_schema),
        spark.createDataFrame([], "source string, source_key string"),
        spark.createDataFrame([], "golden_id string, source string, source_key string"),
        spark.createDataFrame(
            [(home, who) for home, those in homes.items() for who in those],
            "household_id string, golden_id string",
        ),
    )
    told = {
        name: sorted(row["household_id"] for row in df.collect())
        for name, df in facts.items()
        if "household" in name
    }
    assert told == {
        "household_ids_not_live": ["h4"],
        "household_ids_barred": ["h3"],
        "households_of_one": ["h2"],
    }


def _staged(run: Run, spark: SparkSession) -> TableContract:
    contract = CONTRACTS[0]
    run.tables.stage(made_up(spark, contract, rows=2), contract)
    return contract

"""Both Delta engines keep the same promises, and each reads what the other wrote."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from identity.contracts import ColumnContract, TableContract
from identity.delta import ClusterDelta, Delta, LocalDelta, columns_of, delta_of, rows_of
from identity.tables import Tables

COLUMN: dict[str, Any] = {"category": "reference", "purposes": ("service",), "retention_days": 30}
CONTRACT = TableContract(
    name="silver.thing",
    meaning="A thing.",
    key=("thing_id",),
    columns={
        "thing_id": ColumnContract(type="string", meaning="Its key.", **COLUMN),
        "who": ColumnContract(type="string", meaning="A name.", personal=True, **COLUMN),
        "at": ColumnContract(type="timestamp", meaning="When.", **COLUMN),
        "amount": ColumnContract(type="decimal(18,2)", meaning="How much.", **COLUMN),
        "counts": ColumnContract(type="map<string,bigint>", meaning="How many of what.", **COLUMN),
        "names": ColumnContract(type="array<string>", meaning="Called.", **COLUMN),
        "steps": ColumnContract(
            type="array<struct<comparison:string,level:int,label:string,bits:double>>",
            meaning="Why.",
            **COLUMN,
        ),
    },
)
AT = dt.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=dt.UTC)


def thing(key: str) -> dict[str, Any]:
    return {
        "thing_id": key, "who": "Aino", "at": AT, "amount": Decimal("1.50"), "counts": {"a": 1}, "names": ["x", None],
        "steps": [{"comparison": "given", "level": None, "label": "equal", "bits": 1.5}],
    }  # fmt: skip


@pytest.fixture(params=[LocalDelta, ClusterDelta])
def delta(request: pytest.FixtureRequest, spark: SparkSession) -> Delta:
    engine: Delta = request.param(spark)
    return engine


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "silver" / "thing")


def staged(spark: SparkSession, folder: Path, *keys: str) -> str:
    """Things in Parquet, as a stage leaves them."""
    rows = [tuple(thing(key).values()) for key in keys]
    frame = spark.createDataFrame(rows, CONTRACT.spark_schema)
    frame.write.mode("overwrite").parquet(str(folder / "staged"))
    return str(folder / "staged")


def keys(delta: Delta, address: str, version: int | None = None) -> list[str]:
    return sorted(row["thing_id"] for row in delta.read(address, version=version).collect())


def test_versions_replace_and_add(spark: SparkSession, delta: Delta, address: str, tmp_path: Path):
    assert not delta.exists(address)
    delta.commit(staged(spark, tmp_path, "a", "b"), address, CONTRACT, mode="overwrite")
    delta.commit(staged(spark, tmp_path, "c"), address, CONTRACT, mode="append")
    delta.commit(staged(spark, tmp_path, "d"), address, CONTRACT, mode="overwrite")
    delta.append_rows([thing("e")], address, CONTRACT)
    assert delta.exists(address)
    assert delta.version(address) == 3
    assert [keys(delta, address, v) for v in range(4)] == [["a", "b"], ["a", "b", "c"], ["d"], ["d", "e"]]
    delta.delete(address, "thing_id = 'd'")
    assert keys(delta, address) == ["e"]


def test_values_come_back_as_they_went(spark: SparkSession, delta: Delta, address: str, tmp_path: Path):
    delta.commit(staged(spark, tmp_path, "a"), address, CONTRACT, mode="overwrite")
    delta.append_rows([thing("b")], address, CONTRACT)
    for reader in (LocalDelta(spark), ClusterDelta(spark)):
        frame = reader.read(address)
        assert [(f.name, f.dataType) for f in frame.schema] == [
            (f.name, f.dataType) for f in CONTRACT.spark_schema
        ]
        found = {row["thing_id"]: row.asDict(recursive=True) for row in frame.collect()}
        assert {key: row | {"at": AT} for key, row in found.items()} == {k: thing(k) for k in "ab"}
        # Spark gives times in the zone of this process, without saying so; the instants must agree.
        same = frame.selectExpr("count(distinct unix_micros(at)) = 1", "min(unix_micros(at))").collect()[0]
        assert tuple(same) == (True, int(AT.timestamp()) * 1_000_000 + 123456)
    assert sorted(row["counts"]["a"] for row in delta.rows(address)) == [1, 1]


def test_tables_are_as_erasure_and_readers_need_them(
    spark: SparkSession, delta: Delta, address: str, tmp_path: Path
):
    delta.commit(staged(spark, tmp_path, "a"), address, CONTRACT, mode="overwrite")
    table = deltalake.DeltaTable(address)
    assert table.protocol().min_reader_version == 1
    assert not table.protocol().reader_features
    assert [field.metadata["comment"] for field in table.schema().fields] == [
        column.meaning for column in CONTRACT.columns.values()
    ]
    logged = "".join(path.read_text() for path in Path(address, "_delta_log").glob("*.json"))
    assert "thing_id" in logged
    assert "Aino" not in logged  # a name must not be a minimum or a maximum of a column


def test_what_is_replaced_takes_the_shape_its_contract_has_today(
    spark: SparkSession, delta: Delta, address: str, tmp_path: Path
):
    columns = dict(CONTRACT.columns)
    del columns["amount"]
    earlier = CONTRACT.model_copy(update={"columns": columns})
    delta.commit(staged(spark, tmp_path, "a"), address, earlier, mode="overwrite")
    assert "amount" not in delta.read(address).columns
    delta.commit(staged(spark, tmp_path, "b"), address, CONTRACT, mode="overwrite")
    assert [row["amount"] for row in delta.read(address).collect()] == [Decimal("1.50")]
    assert delta.read(address, version=0).columns == list(columns)


def test_a_register_of_nothing_new_is_not_committed(spark: SparkSession, address: str, tmp_path: Path):
    delta = LocalDelta(spark)
    delta.commit(staged(spark, tmp_path), address, CONTRACT, mode="append")
    delta.commit(staged(spark, tmp_path), address, CONTRACT, mode="append")
    assert delta.version(address) == 0  # created, and left alone
    assert delta.read(address).count() == 0


def test_a_local_master_gets_the_engine_for_one_machine(spark: SparkSession, tmp_path: Path):
    assert isinstance(delta_of(spark), LocalDelta)
    tables = Tables(spark, tmp_path)
    assert tables.rows("ops.file") == []
    assert tables.read("ops.file").count() == 0


def test_many_files_are_read_into_one_partition_while_small(spark: SparkSession, tmp_path: Path):
    frame = Tables(spark, tmp_path).staged(spark.range(1000).repartition(8), "many")
    assert (frame.rdd.getNumPartitions(), frame.count()) == (1, 1000)


def test_a_condition_holds_also_where_delta_rs_wrote_texts_as_views(tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    deltalake.write_deltalake(address, pa.table({"a": ["x", "y"], "n": [1, 2]}))
    deltalake.write_deltalake(address, pa.table({"a": ["x", "z"], "n": [3, 4]}), mode="append")
    deltalake.DeltaTable(address).delete("n = 2")
    files = deltalake.DeltaTable(address).file_uris()
    kinds = {str(pq.read_schema(file).field("a").type) for file in files}
    assert kinds == {"string", "string_view"}  # or this test tells nothing
    is_x = ds.field("a") == "x"
    for where in (is_x, ds.field("a").isin(pa.array(["x"], pa.string()))):
        found = columns_of(address, ["n"], where=where)
        assert found is not None
        assert sorted(found["n"].to_pylist()) == [1, 3]
    assert sorted(row["n"] for row in rows_of(address, is_x)) == [1, 3]

"""Tables that belong together are committed together, wherever the process dies on the way."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from identity.contracts import TableContract, contract_of
from identity.delta import LocalDelta, Mode
from identity.erasure.plan import writing
from identity.errors import LockError
from identity.tables import Tables

MODES: dict[str, Mode] = {
    "id.golden_history": "append",
    "id.golden_member": "overwrite",
    "id.crosswalk": "overwrite",
}


def stage(tables: Tables, value: str) -> None:
    """A row a table, told apart by its first column."""
    for name in MODES:
        contract = contract_of(name)
        row = (value, *[None] * (len(contract.columns) - 1))
        tables.stage(tables.spark.createDataFrame([row], contract.spark_schema), contract)


def values(tables: Tables) -> dict[str, list[str]]:
    return {name: sorted(row[0] for row in tables.read(name).collect()) for name in MODES}


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, *at: str) -> Iterator[None]:
    """Commits to these tables do not take place, and end the process."""

    def commit(self: LocalDelta, staged: str, address: str, contract: TableContract, **more: Any) -> None:
        if contract.name in at:
            raise KeyboardInterrupt
        whole(self, staged, address, contract, **more)

    whole = LocalDelta.commit
    with monkeypatch.context() as patched:
        patched.setattr(LocalDelta, "commit", commit)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize(
    "at",
    [[name] for name in MODES] + [list(MODES), ["id.golden_history", "id.crosswalk"]],
    ids="+".join,
)
def test_what_died_on_the_way_is_finished_by_the_next(
    spark: SparkSession, warehouse: Path, monkeypatch: pytest.MonkeyPatch, at: list[str]
) -> None:
    tables = Tables(spark, warehouse)
    stage(tables, "first")
    tables.commit_as_one(MODES)
    stage(tables, "second")
    with dying(monkeypatch, *at):
        tables.commit_as_one(MODES)
    assert values(tables) != {
        "id.golden_history": ["first", "second"],
        "id.golden_member": ["second"],
        "id.crosswalk": ["second"],
    }
    assert tables.finish_commit()
    whole = {
        "id.golden_history": ["first", "second"],
        "id.golden_member": ["second"],
        "id.crosswalk": ["second"],
    }
    assert values(tables) == whole
    assert not tables.finish_commit()
    assert values(tables) == whole


def test_the_first_commit_of_a_warehouse_is_finished_too(
    spark: SparkSession, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables(spark, warehouse)
    stage(tables, "first")
    with dying(monkeypatch, "id.golden_member"):
        tables.commit_as_one(MODES)
    assert tables.finish_commit()
    assert values(tables) == {name: ["first"] for name in MODES}


def test_dead_after_the_last_commit_means_nothing_is_left_to_do(spark: SparkSession, warehouse: Path) -> None:
    tables = Tables(spark, warehouse)
    stage(tables, "first")
    begun = warehouse / "staging" / "commit.json"
    kept = warehouse / "kept.json"
    finish = Tables.finish_commit
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Tables, "finish_commit", lambda _: bool(shutil.copy(begun, kept)))
        tables.commit_as_one(MODES)
    assert finish(tables)
    shutil.copy(kept, begun)
    assert tables.finish_commit()
    assert values(tables) == {name: ["first"] for name in MODES}


def test_a_draft_that_was_not_finished_is_no_commit(spark: SparkSession, warehouse: Path) -> None:
    tables = Tables(spark, warehouse)
    (warehouse / "staging").mkdir()
    (warehouse / "staging" / "commit.draft").write_text('[{"table": "id.', encoding="utf-8")
    assert not tables.finish_commit()


def test_who_cannot_finish_a_commit_does_not_write_beside_it(
    spark: SparkSession, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row appended, and the table's staged rows would pass for written."""
    tables = Tables(spark, warehouse)
    stage(tables, "first")
    tables.commit_as_one(MODES)
    stage(tables, "second")
    with dying(monkeypatch, "id.golden_history"):
        tables.commit_as_one(MODES)
    with pytest.raises(LockError, match="half written"), writing(warehouse):
        pytest.fail("the warehouse was held")
    with writing(warehouse, finish=tables.finish_commit):
        assert values(tables)["id.golden_history"] == ["first", "second"]
    with writing(warehouse):
        pass

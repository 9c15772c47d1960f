"""The scan finds a value wherever it hides; the plan is its owner's, and stops runs while it is there."""

import gzip
from collections.abc import Collection
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from identity.erasure.plan import Plan, load_plan, plan_file, remove_plan, require_whole, save_plan
from identity.erasure.scan import Sought, scan
from identity.errors import ErasureError
from identity.sources.landing import checksum
from identity.tables import forget_history

HASH = "a" * 64


def hits(
    root: Path, *values: str, strong: Collection[str] = (), taken: Collection[str] | None = None
) -> dict[str, int]:
    known = [checksum(path) for path in (root / "l").rglob("*")] if taken is None else taken
    return scan(root / "w", root / "l", Sought(values, [HASH], strong, known), lambda _: None).hits


def test_the_scan_reads_what_is_packed_and_what_is_nested(tmp_path: Path):
    warehouse, landing = tmp_path / "w", tmp_path / "l"
    for folder in (warehouse / "a", warehouse / "consent/suppression", landing):
        folder.mkdir(parents=True)
    nested = pa.table(
        {"n": [[{"k": "Nieminen"}]], "m": pa.array([[("k", "Virtanen")]], pa.map_("string", "string"))}
    )
    pq.write_table(nested, warehouse / "a/n.parquet", compression="zstd")
    pq.write_table(pa.table({"h": [HASH]}), warehouse / "consent/suppression/s.parquet", compression="zstd")
    pq.write_table(pa.table({"h": [HASH]}), warehouse / "a/h.parquet", compression="zstd")
    (landing / "x.jsonl.gz").write_bytes(gzip.compress(b'{"a":"virtanen"}'))
    (landing / "y.csv").write_text("a\n\n", encoding="utf-8")
    assert hits(tmp_path, "Nieminen", "Virtanen", HASH) == {
        "a/n.parquet": 2,
        "a/h.parquet": 1,
        "x.jsonl.gz": 1,
    }
    assert hits(tmp_path, "Korhonen") == {}


def test_neighbours_in_a_packed_page_are_not_taken_for_one_name(tmp_path: Path):
    (tmp_path / "w").mkdir()
    (tmp_path / "l").mkdir()
    path = tmp_path / "w/n.parquet"
    apart = pa.table({"a": ["Brown", "susan"]}, metadata={"made by": "Nieminen, Anna"})
    pq.write_table(apart, path, compression="none")
    assert b"Brown\x05\0\0\0susan" in path.read_bytes()
    assert hits(tmp_path, "Brown Susan") == {}
    assert hits(tmp_path, "Brown", "Susan", "anna") == {"n.parquet": 3}
    (tmp_path / "w/cut.parquet").write_bytes(path.read_bytes()[:-1])
    assert hits(tmp_path, "Brown")["cut.parquet"] == 1


def test_of_files_that_no_run_has_taken_identifiers_alone_are_looked_for(tmp_path: Path):
    (tmp_path / "w").mkdir()
    landing = tmp_path / "l"
    landing.mkdir()
    (landing / "name.csv").write_text("Virtanen\n", encoding="utf-8")
    (landing / "mail.csv").write_text("Virtanen,a@b.example\n", encoding="utf-8")
    values = ("Virtanen", "a@b.example")
    assert hits(tmp_path, *values) == {"name.csv": 1, "mail.csv": 2}
    assert hits(tmp_path, *values, strong=["a@b.example"], taken=[]) == {"mail.csv": 1}
    assert hits(tmp_path, *values, strong=["a@b.example"], taken=[checksum(landing / "name.csv")]) == {
        "name.csv": 1, "mail.csv": 1,
    }  # fmt: skip


def test_older_versions_are_forgotten_with_their_log_and_what_no_version_names(tmp_path: Path):
    table = tmp_path / "w/id/t"
    for value in ("Nieminen", "Virtanen"):
        deltalake.write_deltalake(table, pa.table({"a": [value]}), mode="overwrite")
    (table / "part-left.parquet").write_bytes((next(table.glob("*.parquet"))).read_bytes())
    (table / "_delta_log/00000000000000000000.crc").write_text("Nieminen", encoding="utf-8")
    (tmp_path / "l").mkdir()
    assert hits(tmp_path, "Nieminen")
    assert forget_history(tmp_path / "w") == 1
    assert hits(tmp_path, "Nieminen") == {}
    kept = deltalake.DeltaTable(table)
    assert (kept.version(), kept.to_pyarrow_table()["a"].to_pylist()) == (1, ["Virtanen"])
    forget_history(tmp_path / "w")
    deltalake.write_deltalake(table, pa.table({"a": ["Korhonen"]}), mode="append")
    assert deltalake.DeltaTable(table).to_pyarrow_table().num_rows == 2


def test_an_unfinished_erasure_stops_a_run_until_it_is_done(tmp_path: Path):
    plan = Plan(
        "id", "2026-02-01", "/landing", "asked", [], 1, [["crm", "C1"]], [], [], {"f": [2]}, {}, [], [], ["value"], [], [], 0
    )  # fmt: skip
    require_whole(tmp_path)
    save_plan(plan, tmp_path)
    assert plan_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert load_plan(tmp_path) == plan
    with pytest.raises(ErasureError, match="--resume"):
        require_whole(tmp_path)
    plan.state = "landing"
    assert (plan.is_done("suppressed"), plan.is_done("landing"), plan.is_done("tables")) == (
        True,
        True,
        False,
    )
    remove_plan(tmp_path)
    assert load_plan(tmp_path) is None

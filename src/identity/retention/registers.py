"""What ages without Spark: registers, golden ids that ended, corrections of records that did, and files."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from identity.config import Config
from identity.contracts import TableContract, all_contracts, contract_of
from identity.sources.landing import feed_of
from identity.tables import among, columns_at, rewrite_at, rows_at

# What is published rests on the newest row of these.
_NEWEST_STAYS: Final = ("ops.publication", "ops.run")
# A row of these holds until the next one of its key: it is over when that is expired.
_UNTIL_THE_NEXT: Final = ("consent.history",)
_IDS: Final = ("id.golden_history", "id.golden_member", "id.crosswalk")  # the one that tells of the end, last


def oldest_kept(contract: TableContract, on: dt.date) -> dt.date:
    """The oldest day whose rows stay in a table that counts days."""
    return on - dt.timedelta(days=contract.days)


def aging_registers() -> list[TableContract]:
    """The registers that age by a column."""
    return [c for c in all_contracts() if c.ages_by is not None and c.layer in ("ops", "consent")]


def age_registers(warehouse: Path, *, on: dt.date, dry_run: bool) -> list[dict[str, Any]]:
    """Remove expired rows of registers; a row without a date is not over yet and stays.

    Args:
        warehouse: The warehouse; the caller holds its lock.
        on: Run date: a row is expired when it is older than its days on that date.
        dry_run: Only count.

    Returns:
        A row a table: `table_name`, `kept_from`, `gone`.
    """
    told = []
    for contract in sorted(aging_registers(), key=lambda c: c.name):
        kept_from = oldest_kept(contract, on)
        stays = partial(_stays, column=str(contract.ages_by), kept_from=kept_from)
        if contract.name in _NEWEST_STAYS:
            newest = pc.max(columns_at(warehouse, contract.name, [str(contract.ages_by)]).column(0)).as_py()
            stays = partial(
                _stays_or_newest, column=str(contract.ages_by), kept_from=kept_from, newest=newest
            )
        columns = [str(contract.ages_by)]
        if contract.name in _UNTIL_THE_NEXT:
            columns = list(contract.key)
            stays = partial(
                _decision_stays, kept_from=kept_from, in_force=_in_force(warehouse, contract, kept_from)
            )
        gone = _age(warehouse, contract.name, columns, stays, dry_run=dry_run)
        told.append({"table_name": contract.name, "kept_from": kept_from, "gone": gone})
    return told


def age_files_register(config: Config, *, on: dt.date, dry_run: bool) -> dict[str, Any]:
    """Forget landing files that are not there any more and that no line of bronze came from: `age_registers`' row."""
    contract = contract_of("ops.file")
    kept_from = oldest_kept(contract, on)
    needed = {
        file_id
        for source in config.sources
        for file_id in columns_at(config.warehouse, f"bronze.{source}", ["file_id"])["file_id"].to_pylist()
    }

    def stays(batch: pa.RecordBatch | pa.Table) -> Any:
        rows = zip(*(batch[name].to_pylist() for name in ("file_id", "file", "delivered_on")), strict=True)
        return pa.array(
            [
                day >= kept_from or file_id in needed or (config.landing / file).exists()
                for file_id, file, day in rows
            ],
            pa.bool_(),
        )

    names = ["file_id", "file", "delivered_on"]
    gone = _age(config.warehouse, contract.name, names, stays, dry_run=dry_run)
    return {"table_name": contract.name, "kept_from": kept_from, "gone": gone}


def age_ids(warehouse: Path, *, on: dt.date, dry_run: bool) -> list[dict[str, Any]]:
    """Forget golden ids that live on nowhere since longer than may be told; their ledger goes as a whole.

    So membership can be told as of any later date, and of living ids as of any date.

    Returns:
        A row a table, as `age_registers`.
    """
    kept_from = oldest_kept(contract_of("id.crosswalk"), on)
    over = [
        row["golden_id"]
        for row in rows_at(warehouse, "id.crosswalk", pc.field("live_golden_id").is_null())
        if row["since_on"] < kept_from
    ]
    ended = pa.array(over, pa.string())

    def stays(batch: pa.RecordBatch | pa.Table) -> Any:
        return pc.invert(pc.is_in(batch["golden_id"], ended))

    return [
        {
            "table_name": name,
            "kept_from": kept_from,
            "gone": _age(warehouse, name, ["golden_id"], stays, dry_run=dry_run),
        }
        for name in _IDS
    ]


def age_corrections(warehouse: Path, *, on: dt.date, dry_run: bool) -> dict[str, Any]:
    """Forget corrections whose record ended longer ago than they may be kept: `age_registers`' row.

    Until then the record may come back, and what was put right holds again.
    """
    contract = contract_of("silver.correction")
    kept_from = oldest_kept(contract, on)
    names = ["source", "source_key"]
    keys = columns_at(warehouse, contract.name, names)["source_key"].to_pylist()
    has_stood = pc.field("valid_to_on").is_null() | (pc.field("valid_to_on") >= kept_from)
    found = columns_at(warehouse, "id.golden_member", names, among("source_key", keys) & has_stood)
    standing = set(zip(*(found[name].to_pylist() for name in names), strict=True))

    def stays(batch: pa.RecordBatch | pa.Table) -> Any:
        records = zip(*(batch[name].to_pylist() for name in names), strict=True)
        return pa.array([record in standing for record in records], pa.bool_())

    gone = _age(warehouse, contract.name, names, stays, dry_run=dry_run)
    return {"table_name": contract.name, "kept_from": kept_from, "gone": gone}


def age_landing(config: Config, *, on: dt.date, dry_run: bool) -> dict[str, Any]:
    """Remove landing files that were taken, copies too, and whose lines are expired; bronze has what stays of them."""
    register = [r for r in rows_at(config.warehouse, "ops.file") if r["status"] in ("taken", "rewritten")]
    files, ids = {row["file"] for row in register}, {row["file_id"] for row in register}
    paths = []
    for name, source in sorted(config.sources.items()):
        for path in sorted(config.landing.glob(f"????-??-??/{name}/**/*")):
            relative = path.relative_to(config.landing)
            kept_from = source.kept_from(feed_of(path.name, source), on).isoformat()
            if path.is_file() and relative.parts[0] < kept_from:
                with path.open("rb") as file:
                    # The second of two files with the same bytes is known by these alone.
                    is_taken = (
                        relative.as_posix() in files or hashlib.file_digest(file, "sha256").hexdigest() in ids
                    )
                paths += [path] if is_taken else []
    if not dry_run:
        _remove(paths, upto=config.landing)
    return {"table_name": "landing", "kept_from": None, "gone": len(paths)}


def age_pages(warehouse: Path, *, on: dt.date, dry_run: bool) -> dict[str, Any]:
    """Remove logs and reports of runs that ops.run no longer tells of; their names begin with the run date."""
    kept_from = oldest_kept(contract_of("ops.run"), on)
    paths = [
        path
        for folder in ("logs", "reports")
        for path in sorted((warehouse / folder).glob("????-??-??-*"))
        if path.is_file() and path.name[:10] < kept_from.isoformat()
    ]
    if not dry_run:
        _remove(paths, upto=warehouse)
    return {"table_name": "logs, reports", "kept_from": kept_from, "gone": len(paths)}


def _age(
    warehouse: Path,
    name: str,
    columns: list[str],
    stays: Callable[[pa.RecordBatch | pa.Table], Any],
    *,
    dry_run: bool,
) -> int:
    """Rewrite a table without what does not stay, and only if something does not; returns how many rows that is."""
    gone = pc.sum(pc.invert(stays(columns_at(warehouse, name, columns)))).as_py() or 0
    if gone and not dry_run:
        rewrite_at(warehouse, name, lambda batch: batch.filter(stays(batch)))
    return int(gone)


def _stays(rows: pa.RecordBatch | pa.Table, *, column: str, kept_from: dt.date) -> Any:
    days = pc.cast(rows[column], pa.date32(), safe=False)
    return pc.fill_null(pc.greater_equal(days, pa.scalar(kept_from)), fill_value=True)


def _stays_or_newest(rows: pa.RecordBatch | pa.Table, *, column: str, kept_from: dt.date, newest: Any) -> Any:
    is_newest = pc.equal(rows[column], pa.scalar(newest, rows[column].type))
    return pc.or_(_stays(rows, column=column, kept_from=kept_from), pc.fill_null(is_newest, fill_value=True))


def _in_force(warehouse: Path, contract: TableContract, kept_from: dt.date) -> set[tuple[Any, ...]]:
    """Keys of the rows of consent.history that held when the oldest day that may be kept began."""
    day = contract.key[-1]
    old = columns_at(
        warehouse, contract.name, [*contract.key, "decision"], pc.field(day) < pa.scalar(kept_from)
    )
    newest: dict[tuple[Any, ...], tuple[dt.date, str]] = {}
    for *key, decided_on, decision in zip(*(column.to_pylist() for column in old.columns), strict=True):
        newest[tuple(key)] = max(newest.get(tuple(key), (decided_on, decision)), (decided_on, decision))
    # That something had ended before then need not be told any more.
    return {(*key, decided_on) for key, (decided_on, decision) in newest.items() if decision != "ended"}


def _decision_stays(
    rows: pa.RecordBatch | pa.Table, *, kept_from: dt.date, in_force: Collection[tuple[Any, ...]]
) -> Any:
    keys = zip(*(rows[name].to_pylist() for name in contract_of("consent.history").key), strict=True)
    return pa.array([key[-1] >= kept_from or key in in_force for key in keys], pa.bool_())


def _remove(paths: list[Path], *, upto: Path) -> None:
    for path in paths:
        path.unlink()
        for folder in path.parents:
            if folder == upto or any(folder.iterdir()):
                break
            folder.rmdir()

"""Retention: rows that are older than may be kept leave bronze and the registers of refused rows and of checks."""

import datetime as dt
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from identity.config import SourceContract
from identity.contracts import contract_of
from identity.tables import columns_at, forget_history_of, rewrite_at

# The registers that age, and the column by which they do. ops.file does not: what it forgets would be taken again.
_REGISTERS: Final = {"ops.quarantine": "delivered_on", "ops.dq_result": "checked_at"}


def limits(sources: Mapping[str, SourceContract]) -> dict[str, tuple[str, int]]:
    """Tables that age, each with the column it ages by and the days its rows are kept.

    Bronze of a source that asks for consent is not among them: a refusal would go with its row, and refusals stay.
    """
    bronze = {
        f"bronze.{name}": ("delivered_on", source.retention_days)
        for name, source in sources.items()
        if not source.consent.asked
    }
    registers = {
        name: (column, contract_of(name).columns[column].retention_days)
        for name, column in _REGISTERS.items()
    }
    return {**bronze, **registers}


def maintain(
    warehouse: Path, sources: Mapping[str, SourceContract], *, on: dt.date, dry_run: bool
) -> list[dict[str, Any]]:
    """Remove expired rows, and the older versions that hold them; a repeat removes nothing more. Needs no Spark.

    Args:
        warehouse: The warehouse; the caller holds its lock.
        sources: Source contracts by name.
        on: Run date: a row is expired when it is older than its days on that date.
        dry_run: Only count.

    Returns:
        A row a table that ages: `table`, `kept_from` (the oldest day that stays), `expired` rows.
    """
    told = []
    for name, (column, days) in sorted(limits(sources).items()):
        kept_from = on - dt.timedelta(days=days)
        ages = columns_at(warehouse, name, [column])
        expired = pc.sum(pc.invert(_stays(ages[column], kept_from))).as_py() or 0
        if expired and not dry_run:
            rewrite_at(warehouse, name, partial(_kept, column=column, kept_from=kept_from))
        if not dry_run:
            # Even with nothing expired: a process that died before this left the older versions.
            forget_history_of(warehouse, name)
        told.append({"table": name, "kept_from": kept_from, "expired": expired})
    return told


def _kept(batch: pa.RecordBatch, *, column: str, kept_from: dt.date) -> pa.RecordBatch:
    return batch.filter(_stays(batch[column], kept_from))


def _stays(ages: Any, kept_from: dt.date) -> Any:
    return pc.greater_equal(pc.cast(ages, pa.date32(), safe=False), pa.scalar(kept_from))

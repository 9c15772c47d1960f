"""Rows of tables written by hand: a test tells what it is about, and the rest is as a contract allows."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from identity.contracts import TableContract
from identity.tables import replace_at

_EMPTY = {
    "string": "x", "int": 1, "bigint": 1, "double": 1.0, "boolean": False, "array<string>": [],
    "decimal(18,2)": Decimal(1), "date": dt.date(2026, 2, 1), "timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
}  # fmt: skip


def filled(contract: TableContract, **told: Any) -> dict[str, Any]:
    """A row; what is not told is null, or what a required column may hold."""
    row = {name: _EMPTY[c.type] if c.required else None for name, c in contract.columns.items()}
    return row | told


def write(warehouse: Path, contract: TableContract, *rows: dict[str, Any]) -> None:
    """Make a table of these rows alone."""
    replace_at(warehouse, [filled(contract, **row) for row in rows], contract)

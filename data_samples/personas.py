"""The three customers with names (and a grandmother), the same in every world."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from data_samples.arrays import Column, Frame, World, objects
from data_samples.deliveries import Calendar

FILE = Path(__file__).parent / "reference" / "personas.json"
WRITTEN_FOR = np.datetime64("2026-01-31")
"""The first delivery date the times in the file assume."""


def with_personas(world: World, calendar: Calendar) -> World:
    """The world with the personas' rows behind its own."""
    rows: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
    shift = calendar.start - WRITTEN_FOR
    return world | {name: append(world[name], added, shift) for name, added in rows.items()}


def append(frame: Frame, rows: list[dict[str, Any]], shift: np.timedelta64) -> Frame:
    """Rows behind a frame; what a row does not say is missing, false or 0."""
    unknown = {name for row in rows for name in row} - set(frame)
    if unknown:
        raise ValueError(f"personas.json has columns a table has not: {sorted(unknown)}")
    return {
        name: np.concatenate([column, typed(column, [row.get(name) for row in rows], shift)])
        for name, column in frame.items()
    }


def typed(column: Column, values: list[Any], shift: np.timedelta64) -> Column:
    """Values of a column's type; times (not dates) move with the first delivery date."""
    if column.dtype.kind == "M":
        moved = shift if column.dtype == np.dtype("datetime64[s]") else np.timedelta64(0, "D")
        return np.array([np.datetime64(value) for value in values], dtype=column.dtype) + moved
    if column.dtype.kind == "f":
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    if column.dtype.kind in "bi":
        return np.array([value or 0 for value in values], dtype=column.dtype)
    return objects(values)

"""What becomes of a register record from delivery to delivery."""

from dataclasses import dataclass

import numpy as np

from data_samples.arrays import Column, Frame, Ints, Mask, nothing, some, stack, take
from data_samples.block import Block


@dataclass(frozen=True)
class Life:
    """In which delivery each record first comes, is corrected and is deleted (-1: never)."""

    first: Ints
    corrected: Ints
    deleted: Ints


def live(block: Block, eligible: Mask) -> Life:
    """Most records come first and stay; with a second delivery at least one is new, corrected and deleted."""
    rng, calendar, rates = block.rng, block.calendar, block.rates
    size = len(eligible)
    never = np.full(size, -1)
    if calendar.deliveries == 1:
        return Life(np.zeros(size, dtype=np.int64), never, never)
    later = rng.integers(1, calendar.deliveries, size=size)
    new = some(rng, eligible, rates.new_later)
    corrected = some(rng, eligible & ~new, rates.corrected)
    deleted = some(rng, eligible & ~new & ~corrected, rates.deleted)
    return Life(np.where(new, later, 0), np.where(corrected, later, never), np.where(deleted, later, never))


def versions(block: Block, key: str, rows: Frame, current: Frame, life: Life) -> Frame:
    """All rows of a register: each record, its correction with current values, its deletion (key only)."""
    rng, calendar = block.rng, block.calendar
    size = len(life.first)
    updated_at = calendar.before_delivery(rng, life.first, 1500)
    alive = np.zeros(size, dtype=bool)
    first = rows | {"updated_at": updated_at, "deleted": alive, "delivery": life.first}
    corrected, deleted = life.corrected >= 0, life.deleted >= 0
    again = (
        rows
        | current
        | {
            "updated_at": calendar.on_delivery(rng, life.corrected),
            "deleted": alive,
            "delivery": life.corrected,
        }
    )
    gone = {name: blank(column) for name, column in rows.items()} | {
        key: rows[key],
        "updated_at": calendar.on_delivery(rng, life.deleted),
        "deleted": ~alive,
        "delivery": life.deleted,
    }
    return stack([first, take(again, corrected), take(gone, deleted)])


def blank(column: Column) -> Column:
    """A column of the same type with nothing in it."""
    return (
        np.full(len(column), np.datetime64("NaT"), column.dtype)
        if column.dtype.kind == "M"
        else nothing(len(column))
    )

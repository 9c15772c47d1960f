"""Columns and keys: the few array helpers all sources are made with."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.random import Generator
from numpy.typing import NDArray

Column: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Frame: TypeAlias = dict[str, Column]
"""A table: equally long columns by name. Missing strings are None, missing times NaT."""
World: TypeAlias = dict[str, Frame]
"""The tables of one block of persons by name."""

Weights: TypeAlias = Column | Sequence[float] | None
"""How often each of several values comes; None: all alike."""

RESERVED = 100
"""The lowest numbers of each key are kept for the personas."""


def chance(rng: Generator, size: int, rate: float | Column) -> Mask:
    """True for each row with its probability."""
    return np.asarray(rng.random(size) < rate)


def some(rng: Generator, among: Mask, rate: float) -> Mask:
    """True for that share of the rows that qualify, and for one at least if any does."""
    rows = np.flatnonzero(among)
    chosen = np.zeros(len(among), dtype=bool)
    if len(rows):
        chosen[rng.choice(rows, size=min(len(rows), max(1, round(rate * len(rows)))), replace=False)] = True
    return chosen


def pick(rng: Generator, values: Sequence[Any] | Column, size: int, weights: Weights = None) -> Column:
    """One of the values for each row, by weight where weights are given."""
    pool = values if isinstance(values, np.ndarray) else objects(values)
    if weights is None:
        return np.asarray(pool[rng.integers(0, len(pool), size)])
    cumulative = np.cumsum(np.asarray(weights, dtype=float))
    return np.asarray(pool[np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right")])


def objects(values: Iterable[Any]) -> Column:
    """A column of Python objects, lists included."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def nothing(size: int) -> Column:
    """A column of missing strings."""
    return np.full(size, None, dtype=object)


def either(mask: Column, yes: object, no: object) -> Column:
    """One value or the other for each row; both may be columns, text or None."""
    return np.where(mask, np.asarray(yes), np.asarray(no))


def take(frame: Frame, rows: Column) -> Frame:
    """Those rows (a mask or positions) of every column."""
    return {name: column[rows] for name, column in frame.items()}


def stack(frames: Sequence[Frame]) -> Frame:
    """Frames of the same columns below each other."""
    return {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}


def rank(sorted_groups: Column) -> Ints:
    """0, 1, 2 … within each run of equal values."""
    size = len(sorted_groups)
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]][:size])
    return np.arange(size) - np.repeat(starts, np.diff(np.r_[starts, size]))


def digits(numbers: Column, width: int) -> Column:
    """Numbers as strings with leading zeros."""
    text = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return np.asarray(text.to_numpy(zero_copy_only=False))


def hexadecimal(numbers: Column) -> Column:
    """64-bit numbers as 16 hexadecimal digits each."""
    text = numbers.astype(">u8").tobytes().hex().encode()
    return np.frombuffer(text, dtype="S16").astype("U16").astype(object)


@dataclass(frozen=True)
class Keys:
    """Opaque unique keys: a one-to-one scramble of running numbers, different for each name and seed."""

    seed: int

    def number(self, name: str, index: Column, size: int) -> Ints:
        """Distinct numbers below size for distinct indices below size."""
        rng = np.random.default_rng([self.seed, crc32(name.encode())])
        factor = int(rng.integers(min(size, 2**31) // 3, min(size, 2**31)))
        while math.gcd(factor, size) != 1:
            factor += 1
        return np.asarray((index * factor + int(rng.integers(size))) % size, dtype=np.int64)

    def text(self, name: str, prefix: str, index: Column, width: int) -> Column:
        """Keys such as M00001234, never one of the reserved lowest numbers."""
        number = self.number(name, index, 10**width - RESERVED) + RESERVED
        return np.asarray(prefix + digits(number, width))

    def hexadecimal(self, name: str, index: Column) -> Column:
        """Keys of 16 hexadecimal digits (the splitmix64 finaliser is one-to-one)."""
        salt = np.random.default_rng([self.seed, crc32(name.encode())]).integers(2**63, dtype=np.uint64)
        mixed = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + salt
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return hexadecimal(mixed ^ (mixed >> np.uint64(31)))

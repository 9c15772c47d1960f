"""The few rows a contract must refuse: broken copies of good rows, at the end of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from numpy.random import Generator

from data_samples.feeds import Feed
from data_samples.rates import RATES

BadRow: TypeAlias = tuple[str, str, int, str, int]
"""Source, feed, delivery, reason and number of rows."""


@dataclass(frozen=True)
class Damage:
    """One way in which rows of a feed are broken."""

    reason: str
    broken: Callable[[str], str]


def cells(row: str, changes: dict[int, str]) -> str:
    """A CSV row (of a feed that quotes nothing) with some cells changed."""
    values = row.split(",")
    return ",".join(changes.get(at, value) for at, value in enumerate(values))


DAMAGES = {
    "receipt_lines": (
        Damage("amount_not_a_number", lambda row: cells(row, {1: "91", 9: "12;9O"})),
        Damage("sold_at_not_a_timestamp", lambda row: cells(row, {1: "92", 4: "eilen"})),
    ),
    "members": (Damage("key_missing", lambda row: cells(row, {0: ""})),),
    "events": (Damage("json_truncated", lambda row: row[: len(row) // 2]),),
}


def spoil(rng: Generator, path: Path, feed: Feed, delivery: int) -> list[BadRow]:
    """Append broken rows to a file, where its feed has any, and say how many."""
    damages = DAMAGES.get(feed.name, ())
    if not damages:
        return []
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    count = round(RATES.bad_rows * len(rows)) or int(delivery == 0)
    told = []
    with path.open("a", encoding="utf-8", newline="\n") as file:
        for damage in damages if count and rows else ():
            chosen = rng.integers(len(rows), size=max(1, count // len(damages)))
            file.writelines(damage.broken(rows[at]) + "\n" for at in chosen)
            told.append((feed.source, feed.name, delivery, damage.reason, len(chosen)))
    return told

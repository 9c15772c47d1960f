"""What a person wrote into a table of pairs, and what is stored after it."""

import datetime as dt
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from identity.linkage.known import CANNOT_LINK
from identity.resolve.decisions import MUST_LINK, PAIR, Pair, Record, contradictions

WITHDRAWN: Final = "withdrawn"
COLUMNS: Final = (*PAIR, "decision", "reviewer")
_FIRST_ROW: Final = 2  # as a spreadsheet counts: the header is row 1
_MOST_ROWS_TOLD: Final = 10

# A row of id.review_pair by its pair.
Stored = Mapping[Pair, Mapping[str, Any]]


class Said(NamedTuple):
    """One pair's decision (None: a former one is taken back) and who made it."""

    decision: str | None
    reviewer: str


class Read(NamedTuple):
    """A file of decisions.

    Attributes:
        said: What is said of each pair, without the rows at fault.
        undecided: Rows without a decision.
        faults: What is wrong, a line each; nothing of the file is quoted but keys that the warehouse knows.
    """

    said: dict[Pair, Said]
    undecided: int
    faults: list[str]


class Known(NamedTuple):
    """What the warehouse knows.

    Attributes:
        stored: What was decided before.
        records: Every record that ever had a golden id.
        devices: Sources whose records are devices.
    """

    stored: Stored
    records: Container[Record]
    devices: Container[str]


def by_pair(rows: Iterable[Mapping[str, Any]]) -> dict[Pair, Mapping[str, Any]]:
    """Rows of id.review_pair by their pair."""
    return {
        ((row["source_l"], row["source_key_l"]), (row["source_r"], row["source_key_r"])): row for row in rows
    }


def read_decisions(table: pd.DataFrame, known: Known, *, on: dt.date) -> Read:
    """Read what was decided; everything wrong is told at once, contradictions with what is stored among it.

    Args:
        table: `COLUMNS` as texts; the two records of a pair in either order.
        known: What the warehouse knows.
        on: Date of the decisions.
    """
    texts = table[[*COLUMNS]].astype(object)
    rows = texts.where(texts.notna(), "").itertuples(index=False, name=None)
    faults: dict[str, set[int]] = defaultdict(set)
    said: dict[Pair, Said] = {}
    row_of: dict[Pair, int] = {}
    undecided = 0
    for number, (source_l, key_l, source_r, key_r, told, by) in enumerate(rows, _FIRST_ROW):
        word, reviewer = told.strip(), by.strip()
        if not word:
            undecided += 1
            continue
        pair = _in_order((source_l, key_l), (source_r, key_r))
        wrong = _wrong(pair, word, reviewer, known, on)
        for fault in wrong:
            faults[fault].add(number)
        if wrong:
            continue
        new = Said(None if word == WITHDRAWN else word, reviewer)
        old = said.setdefault(pair, new)
        if old.decision != new.decision:
            faults["one pair decided in two ways"] |= {row_of[pair], number}
        said[pair] = min(old, new, key=lambda s: s.reviewer)
        row_of.setdefault(pair, number)
    lines = [f"{fault}: {_told(places)}" for fault, places in sorted(faults.items())]
    return Read(said, undecided, lines + contradictions(_frame(known.stored, said)))


class Merged(NamedTuple):
    """What is stored after an import.

    Attributes:
        rows: `decision`, `reviewer`, `decided_on` of every pair that is new or says something else than before.
        new: Pairs nobody had decided.
        replaced: Pairs whose decision is another now, with the one before (None: it had been taken back).
        unchanged: Pairs that were stored as they are said.
    """

    rows: dict[Pair, dict[str, Any]]
    new: list[Pair]
    replaced: dict[Pair, str | None]
    unchanged: int


def merged(stored: Stored, said: Mapping[Pair, Said], *, on: dt.date) -> Merged:
    """Put what is said in the place of what is stored; what is said again stays as it was, its date too."""
    rows: dict[Pair, dict[str, Any]] = {}
    new: list[Pair] = []
    replaced: dict[Pair, str | None] = {}
    for pair, (decision, reviewer) in sorted(said.items()):
        before = stored.get(pair)
        if before is None:
            new.append(pair)
        elif before["decision"] != decision:
            replaced[pair] = before["decision"]
        elif decision is None or before["reviewer"] == reviewer:
            continue
        rows[pair] = {"decision": decision, "reviewer": reviewer, "decided_on": on}
    return Merged(rows, new, replaced, len(said) - len(rows))


def _wrong(pair: Pair, word: str, reviewer: str, known: Known, on: dt.date) -> list[str]:
    """What is wrong with a row that decides something."""
    before = known.stored.get(pair)
    decision = None if word == WITHDRAWN else word
    checks = {
        f"decision is none of {MUST_LINK}, {CANNOT_LINK}, {WITHDRAWN}, and not empty": word
        not in (MUST_LINK, CANNOT_LINK, WITHDRAWN),
        "decided, and no reviewer": not reviewer,
        "a record that no run has seen": any(record not in known.records for record in pair),
        "a device: it belongs to whoever logs in on it": any(source in known.devices for source, _ in pair),
        "a record with itself": pair[0] == pair[1],
        "taken back, and nobody had decided it": word == WITHDRAWN and before is None,
        f"decided otherwise after {on}": before is not None
        and before["decided_on"] > on
        and before["decision"] != decision,
    }
    return [fault for fault, is_so in checks.items() if is_so]


def _in_order(one: Record, other: Record) -> Pair:
    return (one, other) if one <= other else (other, one)


def _frame(stored: Stored, said: Mapping[Pair, Said]) -> pd.DataFrame:
    """All decisions as they would be."""
    decisions = {pair: row["decision"] for pair, row in stored.items()}
    decisions |= {pair: new.decision for pair, new in said.items()}
    rows = [(*left, *right, decision) for (left, right), decision in decisions.items()]
    return pd.DataFrame(rows, columns=[*PAIR, "decision"], dtype=object)


def _told(places: Iterable[int]) -> str:
    """Row numbers, of many the first ones."""
    numbers = sorted(places)
    more = f" and {len(numbers) - _MOST_ROWS_TOLD:,} more" if len(numbers) > _MOST_ROWS_TOLD else ""
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:_MOST_ROWS_TOLD]))}{more}"

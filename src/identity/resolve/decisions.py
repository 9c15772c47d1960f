"""What persons decided about pairs of records: which decisions hold, what follows from them, whether they contradict.

A decision is about two source records and never about golden ids. So it holds whatever becomes of ids: after merges
and splits, with another model, after everything was loaded anew. A decision on a record that is gone, or may not be
joined, is kept and not used; when the record comes back, so does the decision.
"""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Final

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.linkage.known import CANNOT_LINK

MUST_LINK: Final = "must_link"
LEFT: Final = ("source_l", "source_key_l")
RIGHT: Final = ("source_r", "source_key_r")
PAIR: Final = (*LEFT, *RIGHT)

# A record is its source and its key; of a pair the left one sorts before the right.
Record = tuple[str, str]
Pair = tuple[Record, Record]


def usable(decisions: DataFrame, permission: DataFrame, *, on: dt.date) -> DataFrame:
    """The decisions that hold on a date: made by then, between records that are there and may be joined.

    Decisions are stored only if they do not contradict; fewer of them do not either.

    Args:
        decisions: id.review_pair.
        permission: A row a record that is there: `source`, `source_key`, `link_permission`.
        on: The run date.

    Returns:
        `PAIR`, `decision` (`must_link` or `cannot_link`), in the order of `PAIR`.
    """
    may = permission.where("link_permission = 'permitted'").select("source", "source_key")
    return (
        decisions.where(F.col("decision").isNotNull() & (F.col("decided_on") <= F.lit(on)))
        .join(may.toDF(*LEFT), on=[*LEFT], how="left_semi")
        .join(may.toDF(*RIGHT), on=[*RIGHT], how="left_semi")
        .select(*PAIR, "decision")
        .orderBy(*PAIR)
    )


def contradictions(decisions: pd.DataFrame) -> list[str]:
    """Every cannot-link between records that must-links make one, with the shortest way of must-links between them.

    Args:
        decisions: `PAIR`, `decision`; a pair without a decision says nothing.

    Returns:
        A line each, ordered by pair, records named by source and key; none where all is well.
    """
    groups = must_groups(decisions)
    neighbours: dict[Record, set[Record]] = defaultdict(set)
    for left, right in _decided(decisions, MUST_LINK):
        neighbours[left].add(right)
        neighbours[right].add(left)
    return [
        f"must-link {'–'.join(named(record) for record in _way(neighbours, left, right))} "
        f"contradicts cannot-link {named(left)}–{named(right)}"
        for left, right in sorted(set(_decided(decisions, CANNOT_LINK)))
        if left in groups and groups[left] == groups.get(right)
    ]


def must_groups(decisions: pd.DataFrame) -> dict[Record, Record]:
    """Every record of a must-link, with the first record of those that must-links make one with it."""
    parent: dict[Record, Record] = {}

    def root(record: Record) -> Record:
        while parent.setdefault(record, record) != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for left, right in _decided(decisions, MUST_LINK):
        first, second = sorted((root(left), root(right)))
        parent[second] = first
    return {record: root(record) for record in sorted(parent)}


def settled(pairs: pd.DataFrame, decisions: pd.DataFrame) -> "pd.Series[bool]":
    """Which pairs need no answer: they are decided, or their answer follows from what is.

    Args:
        pairs: `PAIR`.
        decisions: `PAIR`, `decision`.
    """
    groups = must_groups(decisions)

    def ends(left: Record, right: Record) -> frozenset[Record]:
        return frozenset((groups.get(left, left), groups.get(right, right)))

    apart = {ends(*pair) for pair in _decided(decisions, CANNOT_LINK)}
    both = [ends(*pair) for pair in pairs_of(pairs)]
    return pd.Series([len(e) == 1 or e in apart for e in both], index=pairs.index, dtype=bool)


def pairs_of(table: pd.DataFrame) -> Iterator[Pair]:
    """The pairs of a table with the columns `PAIR`."""
    for source_l, key_l, source_r, key_r in table[[*PAIR]].itertuples(index=False, name=None):
        yield (source_l, key_l), (source_r, key_r)


def named(record: Record) -> str:
    """A record in a message: source and key are references and no personal values."""
    return ":".join(record)


def _decided(decisions: pd.DataFrame, word: str) -> Iterator[Pair]:
    return pairs_of(decisions[decisions["decision"] == word])


def _way(neighbours: Mapping[Record, set[Record]], start: Record, end: Record) -> list[Record]:
    """The shortest way from record to record; of several, the first by keys."""
    came_from = {start: start}
    waiting = deque([start])
    while end not in came_from:
        record = waiting.popleft()
        for other in sorted(neighbours[record]):
            if other not in came_from:
                came_from[other] = record
                waiting.append(other)
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]

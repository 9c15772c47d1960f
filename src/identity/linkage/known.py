"""What is known of records beside what they say: pairs to join first, pairs never to join, values nobody has twice.

Connected components only split the work. A component that breaks nothing is a group. In any other the pairs are used
one by one in their order, and a pair that would join what must stay apart is rejected, with the reason.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from identity.linkage.pairs import Ints

# Why records stay apart.
CANNOT_LINK: Final = "cannot_link"
OVER_LIMIT: Final = "unique_namespace"


def _no_pairs() -> pd.DataFrame:
    return pd.DataFrame({"l": np.zeros(0, np.int64), "r": np.zeros(0, np.int64)})


def _nothing_held() -> pd.DataFrame:
    return pd.DataFrame({"record": np.zeros(0, np.int64), "namespace": [], "value": []})


@dataclass(frozen=True)
class Known:
    """What is known of records 0 … records - 1.

    Attributes:
        records: How many there are.
        first: Pairs to join first, in this order: `l`, `r`, and `is_decided` where a person said so, for whom no limit
            holds.
        never: Pairs that are never one, nor anything they are joined to: `l`, `r`.
        held: Values of namespaces of which a person has a limited number: `record`, `namespace`, `value`.
        limits: That number, by namespace.
        before: By record, the group it was in before, as a number; -1 for none.
        is_settled: Whether groups of before stay as they were: only records that were in none are joined anew.
    """

    records: int
    first: pd.DataFrame = field(default_factory=lambda: _no_pairs().assign(is_decided=False))
    never: pd.DataFrame = field(default_factory=_no_pairs)
    held: pd.DataFrame = field(default_factory=_nothing_held)
    limits: Mapping[str, int] = field(default_factory=dict)
    before: Ints | None = None
    is_settled: bool = False


class Joined(NamedTuple):
    """Groups after the first pairs.

    Attributes:
        labels: By record, the smallest record of its group.
        reasons: By pair of `Known.first`, why it was rejected; None where it was used.
    """

    labels: Ints
    reasons: npt.NDArray[np.object_]


def join_first(known: Known) -> Joined:
    """Join the pairs that are to be joined first, as far as limits and bans allow."""
    left, right = known.first["l"].to_numpy(np.int64), known.first["r"].to_numpy(np.int64)
    labels = by_smallest(connected(known.records, left, right))
    reasons = np.full(len(left), None, dtype=object)
    broken = _broken(labels, known)
    if broken.size:
        members = np.flatnonzero(np.isin(labels, broken))
        labels[members] = members
        # Sorted by neither: the order of the pairs is the order of their strength.
        _one_by_one(labels, reasons, np.flatnonzero(np.isin(left, members)), members, known)
    return Joined(by_smallest(labels), reasons)


def connected(records: int, left: Ints, right: Ints) -> Ints:
    """Connected component of each record, in no particular naming."""
    graph = coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(records, records))
    labels: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def by_smallest(labels: Ints) -> Ints:
    """Name each group by its smallest record, so that names say nothing of how it was found."""
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    named: Ints = first[group].astype(np.int64)
    return named


def _over_limit(labels: Ints, known: Known) -> Ints:
    """Groups that hold more values of a namespace than one person may have."""
    held = pd.DataFrame(
        {
            "group": labels[known.held["record"].to_numpy(np.int64)],
            "namespace": known.held["namespace"].to_numpy(),
            "value": known.held["value"].to_numpy(),
        }
    )
    counts = held.drop_duplicates().groupby(["group", "namespace"]).size().reset_index(name="values")
    over = counts[counts["values"] > counts["namespace"].map(known.limits)]
    return np.unique(over["group"].to_numpy(np.int64))


def _broken(labels: Ints, known: Known) -> Ints:
    left, right = labels[known.never["l"].to_numpy(np.int64)], labels[known.never["r"].to_numpy(np.int64)]
    return np.union1d(_over_limit(labels, known), left[left == right])


def _one_by_one(
    labels: Ints, reasons: npt.NDArray[np.object_], inside: Ints, members: Ints, known: Known
) -> None:
    """Use the pairs of broken components in order; `labels` and `reasons` are filled in."""
    parent = {int(record): int(record) for record in members}
    held = _held_by(members, known)
    apart: dict[int, set[int]] = defaultdict(set)
    for a, b in known.never[["l", "r"]].itertuples(index=False, name=None):
        if a in parent and b in parent:
            apart[a].add(b)
            apart[b].add(a)

    def root(record: int) -> int:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    pairs = known.first[["l", "r", "is_decided"]].to_numpy()
    for place in inside.tolist():
        left, right, is_decided = pairs[place]
        a, b = sorted((root(int(left)), root(int(right))))
        if a == b:
            continue
        if b in apart[a]:
            reasons[place] = CANNOT_LINK
        elif not is_decided and breaks_limit(held[a], held[b], known.limits):
            reasons[place] = OVER_LIMIT
        else:
            parent[b] = a
            for namespace, values in held.pop(b).items():
                held[a].setdefault(namespace, set()).update(values)
            for other in apart.pop(b, set()):
                apart[other].discard(b)
                apart[other].add(a)
                apart[a].add(other)
    for record in members.tolist():
        labels[record] = root(record)


Held = dict[str, set[str]]


def _held_by(members: Ints, known: Known) -> dict[int, Held]:
    held: dict[int, Held] = {record: {} for record in members.tolist()}
    here = known.held[known.held["record"].isin(members)]
    for record, namespace, value in zip(here["record"], here["namespace"], here["value"], strict=True):
        held[record].setdefault(namespace, set()).add(value)
    return held


def breaks_limit(one: Held, other: Held, limits: Mapping[str, int]) -> bool:
    """Whether two groups together would hold more values of a namespace than one person may have."""
    return any(
        len(one.get(namespace, set()) | other.get(namespace, set())) > limit
        for namespace, limit in limits.items()
    )

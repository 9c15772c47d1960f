"""From weighed pairs to persons: average linkage, field by field, inside connected components.

Connected components only split the work, for one wrong pair is enough to join two persons there. Inside, all pairs are
compared, and groups are merged from the best pair of groups down, as long as what speaks for one person outweighs what
speaks against it. A field's say is the mean over the pairs of records that both have it, drawn towards the best of
them: a group knows what any of its records knows, and records that know nothing do not dilute it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import Ints, Pairs

# Pairs below this weight, in bits, hold no component together.
WEAKEST: Final = -2.0
# Components above this many records are cut by a higher weight, one bit at a time.
LARGEST: Final = 400
# How far a field's say is drawn from the mean to the best of its pairs.
_TO_BEST: Final = 0.25
# Bits against two records of a source that holds nobody twice.
_FORBIDDEN: Final = 20.0
_NEVER: Final = -1e9
_UNKNOWN: Final = -99.0

Array = npt.NDArray[np.float32]


def components(pairs: Pairs, weights: npt.NDArray[np.float64], *, records: int) -> Ints:
    """Component of each record: connected by pairs that are not too weak, at most `LARGEST` records.

    A larger one is cut by a higher weight, one bit at a time; what no weight cuts, by the order of its records.
    """
    labels = _connected(pairs.left, pairs.right, weights >= WEAKEST, records)
    least = WEAKEST
    while (is_large := np.bincount(labels, minlength=records) > LARGEST).any() and least < weights.max(
        initial=0
    ):
        least += 1.0
        inside = labels[pairs.left] == labels[pairs.right]
        strong = (weights >= WEAKEST) & (~is_large[labels[pairs.left]] | (weights >= least)) & inside
        labels = _connected(pairs.left, pairs.right, strong, records)
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy() // LARGEST
    return pd.factorize(labels + place * records)[0].astype(np.int64)


def _connected(left: Ints, right: Ints, keep: npt.NDArray[np.bool_], records: int) -> Ints:
    graph = coo_matrix(
        (np.ones(int(keep.sum()), dtype=bool), (left[keep], right[keep])), shape=(records, records)
    )
    labels: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


@dataclass
class _Groups:
    """What is known of every two groups of a component, by comparison; all of it adds up when groups merge."""

    total: Array
    count: Array
    best: Array
    household: Array
    forbidden: Array

    @classmethod
    def of(cls, size: int, comparisons: int) -> "_Groups":
        """Groups of one record each, of which nothing is known yet."""
        total, count, household = (np.zeros((size, size, comparisons), np.float32) for _ in range(3))
        best = np.full((size, size, comparisons), _UNKNOWN, np.float32)
        return cls(total, count, best, household, np.zeros((size, size), np.float32))

    def merge(self, into: int, other: int) -> None:
        """Make two groups one."""
        for sums in (self.total, self.count, self.household, self.forbidden):
            sums[into] += sums[other]
            sums[:, into] = sums[into]
        np.maximum(self.best[into], self.best[other], out=self.best[into])
        self.best[:, into] = self.best[into]


def link(
    pairs: Pairs, model: Model, components_of: Ints, *, cannot: npt.NDArray[np.bool_], threshold: float = 0.0
) -> Ints:
    """Group of each record.

    Args:
        pairs: All pairs inside components.
        model: What agreement is worth.
        components_of: Component of each record.
        cannot: Pairs that are two records of a source which holds nobody twice.
        threshold: Posterior log2 odds above which groups are one person.

    Returns:
        The smallest record of each record's group.
    """
    bits, household = model.bits(pairs), model.household_bits(pairs)
    there = pairs.levels >= 0
    labels = np.arange(len(components_of), dtype=np.int64)
    order = np.argsort(components_of[pairs.left], kind="stable")
    starts = np.flatnonzero(np.diff(components_of[pairs.left][order], prepend=-1))
    place = np.zeros(len(components_of), dtype=np.int64)
    for rows in np.split(order, starts[1:]):
        if not len(rows):
            continue
        members = np.unique(np.concatenate([pairs.left[rows], pairs.right[rows]]))
        place[members] = np.arange(len(members))
        i, j = place[pairs.left[rows]], place[pairs.right[rows]]
        size, fields = len(members), bits.shape[1]
        groups = _Groups.of(size, fields)
        for a, b in ((i, j), (j, i)):
            groups.total[a, b], groups.count[a, b] = bits[rows], there[rows]
            groups.household[a, b], groups.forbidden[a, b] = household[rows], cannot[rows]
            groups.best[a, b] = np.where(there[rows], bits[rows], _UNKNOWN)
        labels[members] = members[_merged(groups, model, threshold)]
    return labels


def _merged(groups: _Groups, model: Model, threshold: float) -> Ints:
    """Merge the groups of one component, best first; the smallest member of each record's group."""
    size = len(groups.forbidden)
    labels = np.arange(size)
    alive = np.ones(size, dtype=bool)
    scores = _scores(groups, model, slice(None))
    np.fill_diagonal(scores, _NEVER)
    while True:
        into, other = sorted(divmod(int(scores.argmax()), size))
        if scores[into, other] < threshold:
            return labels
        labels[labels == other] = into
        groups.merge(into, other)
        alive[other] = False
        row = _scores(groups, model, into)
        row[~alive] = _NEVER
        row[into] = _NEVER
        scores[into], scores[:, into] = row, row
        scores[other], scores[:, other] = _NEVER, _NEVER


def _scores(groups: _Groups, model: Model, rows: slice | int) -> Array:
    """Posterior log2 odds that groups are one person."""
    count = groups.count[rows]
    pairs = np.maximum(count, 1)
    blended = np.where(
        count > 0, (1 - _TO_BEST) * groups.total[rows] / pairs + _TO_BEST * groups.best[rows], 0.0
    )
    score = log_odds(model.prior) + blended.sum(axis=-1)
    if model.household is not None:
        household = np.log2(model.household.prior) + (groups.household[rows] / pairs).sum(axis=-1)
        score = score - np.logaddexp2(0.0, np.clip(household, -60.0, 60.0))
    result: Array = (score - _FORBIDDEN * (groups.forbidden[rows] > 0)).astype(np.float32)
    return result

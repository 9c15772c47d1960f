"""From weighed pairs to persons: average linkage, field by field, inside connected components.

Connected components only split the work, for one wrong pair is enough to join two persons there. Inside, all pairs are
compared, and groups are merged from the best pair of groups down, as long as what speaks for one person outweighs what
speaks against it, and nothing forbids it. A field's say is the mean over the pairs of records that both have it, drawn
towards the best of them: a group knows what any of its records knows, and records that know nothing do not dilute it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from identity.linkage.known import Held, breaks_limit, connected
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
# Bits for what is to stay one, whatever speaks against it; a ban is worth more.
_SETTLED: Final = 1e3
_NEVER: Final = -1e9
_UNKNOWN: Final = -99.0

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """When groups are one person.

    Attributes:
        join: Posterior log2 odds from which they are.
        keep: The same for groups that were one before; not above `join`.
        limits: How many values of a namespace one person may have.
        alone: Sources that hold nobody twice.
        is_settled: Whether groups of before stay one, and are never one with others of before.
    """

    join: float = 0.0
    keep: float = 0.0
    limits: Mapping[str, int] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()
    is_settled: bool = False

    @property
    def for_kept(self) -> float:
        """Bits for groups that were one before."""
        return _SETTLED if self.is_settled else self.join - self.keep


class Components(NamedTuple):
    """How groups fall apart into work.

    Attributes:
        labels: Component of each group.
        cut: How many were too large and had to be cut.
    """

    labels: Ints
    cut: int


def components(left: Ints, right: Ints, weights: npt.NDArray[np.float64], *, sizes: Ints) -> Components:
    """Components of groups: connected by pairs that are not too weak, at most `LARGEST` records.

    A larger one is cut by a higher weight, one bit at a time; what no weight cuts, by the order of its groups.

    Args:
        left: First group of each pair.
        right: Second group of each pair.
        weights: Posterior log2 odds of each pair.
        sizes: Records of each group.
    """
    groups = len(sizes)
    strong = weights >= WEAKEST
    labels = connected(groups, left[strong], right[strong])
    least, cut = WEAKEST, 0
    while (is_large := _records(labels, sizes) > LARGEST).any() and least < weights.max(initial=0):
        cut = cut or int(is_large.sum())
        least += 1.0
        inside = labels[left] == labels[right]
        strong = (weights >= WEAKEST) & (~is_large[labels[left]] | (weights >= least)) & inside
        labels = connected(groups, left[strong], right[strong])
    cut = cut or int(is_large.sum())
    place = pd.Series(sizes).groupby(labels).cumsum().to_numpy() - 1
    return Components(pd.factorize(labels + place // LARGEST * groups)[0].astype(np.int64), cut)


def _records(labels: Ints, sizes: Ints) -> Ints:
    return np.bincount(labels, weights=sizes, minlength=len(sizes)).astype(np.int64)


@dataclass(frozen=True)
class Group:
    """What is known of a group before linkage.

    Attributes:
        name: Its number; the smallest is the name of what groups merge into.
        held: Values by namespace of which a person has a limited number.
        never: Names of groups it is never one with.
        before: Groups that its records were in before.
    """

    name: int
    held: Held = field(default_factory=dict)
    never: frozenset[int] = frozenset()
    before: frozenset[int] = frozenset()


@dataclass
class _Table:
    """What is known of every two groups of a component, by comparison; all of it adds up when groups merge."""

    total: Array
    count: Array
    best: Array
    household: Array
    forbidden: Flags
    never: Flags
    were_one: Flags
    held: list[Held]

    def merge(self, into: int, other: int) -> None:
        """Make two groups one."""
        for sums in (self.total, self.count, self.household):
            sums[into] += sums[other]
            sums[:, into] = sums[into]
        np.maximum(self.best[into], self.best[other], out=self.best[into])
        self.best[:, into] = self.best[into]
        for flags in (self.forbidden, self.never, self.were_one):
            flags[into] |= flags[other]
            flags[:, into] = flags[into]
        for namespace, values in self.held[other].items():
            self.held[into] = {**self.held[into], namespace: self.held[into].get(namespace, set()) | values}


class Evidence(NamedTuple):
    """What compared pairs say, a row a pair.

    Attributes:
        bits: By comparison, what it speaks for one person.
        there: Whether both records have it.
        household: By comparison, what it speaks for a household.
        forbidden: Whether the two are records of a source that holds nobody twice.
    """

    bits: Array
    there: Array
    household: Array
    forbidden: Flags

    @classmethod
    def of(cls, pairs: Pairs, forbidden: Flags, model: Model) -> "Evidence":
        """What a model makes of compared pairs."""
        there = (pairs.levels >= 0).astype(np.float32)
        return cls(model.bits(pairs), there, model.household_bits(pairs), forbidden)

    def rows(self, rows: Ints) -> "Evidence":
        """Some of the pairs."""
        return Evidence(self.bits[rows], self.there[rows], self.household[rows], self.forbidden[rows])


def merge_groups(groups: Sequence[Group], ends: tuple[Ints, Ints], evidence: Evidence, model: Model,
                 rules: Rules) -> Ints:  # fmt: skip
    """Merge the groups of one component, best first, as long as they are one person.

    Args:
        groups: The groups, in the order of their names.
        ends: Place in `groups` of both sides of each pair.
        evidence: What every pair of records of two groups says.
        model: What agreement is worth.
        rules: When groups are one person.

    Returns:
        For each group, the place of the first group it ended up with.
    """
    table = _table(groups, ends, evidence)
    if rules.is_settled:
        were = np.array([bool(group.before) for group in groups])
        table.never |= np.outer(were, were) & ~table.were_one
    size = len(groups)
    labels = np.arange(size)
    scores = _scores(table, model, rules, slice(None))
    np.fill_diagonal(scores, _NEVER)
    alive = np.ones(size, dtype=bool)
    while True:
        into, other = sorted(divmod(int(scores.argmax()), size))
        if scores[into, other] < rules.join:
            return labels
        if breaks_limit(table.held[into], table.held[other], rules.limits):
            # What is over a limit stays so, whatever the two merge with.
            table.never[into, other] = table.never[other, into] = True
            scores[into, other] = scores[other, into] = _NEVER
            continue
        labels[labels == other] = into
        table.merge(into, other)
        alive[other] = False
        row = _scores(table, model, rules, into)
        row[~alive] = _NEVER
        row[into] = _NEVER
        scores[into], scores[:, into] = row, row
        scores[other], scores[:, other] = _NEVER, _NEVER


def _table(groups: Sequence[Group], ends: tuple[Ints, Ints], evidence: Evidence) -> _Table:
    size, fields = len(groups), evidence.bits.shape[1]
    total, count, household = (np.zeros((size, size, fields), np.float32) for _ in range(3))
    best = np.full((size, size, fields), _UNKNOWN, np.float32)
    is_forbidden, never, were_one = (np.zeros((size, size), dtype=bool) for _ in range(3))
    known = np.where(evidence.there > 0, evidence.bits, np.float32(_UNKNOWN))
    for a, b in (ends, ends[::-1]):
        np.add.at(total, (a, b), evidence.bits)
        np.add.at(count, (a, b), evidence.there)
        np.add.at(household, (a, b), evidence.household)
        np.maximum.at(best, (a, b), known)
        is_forbidden[a[evidence.forbidden], b[evidence.forbidden]] = True
    place = {group.name: i for i, group in enumerate(groups)}
    by_before: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        for name in group.never & place.keys():
            never[i, place[name]] = never[place[name], i] = True
        for name in group.before:
            by_before.setdefault(name, []).append(i)
    for members in by_before.values():
        were_one[np.ix_(members, members)] = True
    return _Table(total, count, best, household, is_forbidden, never, were_one, [g.held for g in groups])


def _scores(table: _Table, model: Model, rules: Rules, rows: slice | int) -> Array:
    """Posterior log2 odds that groups are one person; what was one before is given the difference of the thresholds."""
    count = table.count[rows]
    pairs = np.maximum(count, 1)
    blended = np.where(
        count > 0, (1 - _TO_BEST) * table.total[rows] / pairs + _TO_BEST * table.best[rows], 0.0
    )
    score = log_odds(model.prior) + blended.sum(axis=-1)
    if model.household is not None:
        household = np.log2(model.household.prior) + (table.household[rows] / pairs).sum(axis=-1)
        score = score - np.logaddexp2(0.0, np.clip(household, -60.0, 60.0))
    score = score - _FORBIDDEN * table.forbidden[rows] + rules.for_kept * table.were_one[rows]
    result: Array = np.where(table.never[rows], _NEVER, score).astype(np.float32)
    return result

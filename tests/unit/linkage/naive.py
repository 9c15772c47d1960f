"""Average linkage as its definition reads (docs/resolution.md), every score worked out anew from pairs of records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from identity.linkage.clustering import Group, Rules
from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import Pairs

Part = tuple[int, ...]  # places of groups that are one
Parts = frozenset[Part]
# Bits within which two scores may come in either order: the engine reckons in single precision.
_TIE = 1e-3


@dataclass
class Naive:
    """A component.

    Attributes:
        groups: Its groups, in the order of their names.
        records: By group, the records that speak for it.
        pairs: Compared pairs of those records.
        forbidden: By pair, whether the two are records of a source that holds nobody twice.
        model: What agreement is worth.
        rules: When groups are one person.
    """

    groups: Sequence[Group]
    records: Sequence[Sequence[int]]
    pairs: Pairs
    forbidden: Any
    model: Model
    rules: Rules

    def __post_init__(self) -> None:
        both = zip(self.pairs.left.tolist(), self.pairs.right.tolist(), strict=True)
        self._row = {frozenset(pair): row for row, pair in enumerate(both)}
        self._bits = self.model.bits(self.pairs)
        self._household = self.model.household_bits(self.pairs)
        self._scores: dict[tuple[Part, Part], float] = {}

    def score(self, a: Part, b: Part) -> float:
        """Posterior log2 odds that two sets of groups are one person; minus infinity where they must not be."""
        if (a, b) not in self._scores:
            self._scores[a, b] = self._score(a, b)
        return self._scores[a, b]

    def _score(self, a: Part, b: Part) -> float:
        groups, rules = self.groups, self.rules
        sides = [(groups[x], groups[y]) for x in a for y in b]
        if any(y.name in x.never or x.name in y.never for x, y in sides):
            return -math.inf
        for namespace, limit in rules.limits.items():
            if len(set().union(*(groups[x].held.get(namespace, set()) for x in a + b))) > limit:
                return -math.inf
        of_a, of_b = ([r for x in part for r in self.records[x]] for part in (a, b))
        rows = [self._row[frozenset((r, s))] for r in of_a for s in of_b]
        total = log_odds(self.model.prior) - (20.0 if rows and self.forbidden[rows].any() else 0.0)
        total += (rules.join - rules.keep) * any(x.before & y.before for x, y in sides)
        against = 0.0 if self.model.household is None else math.log2(self.model.household.prior)
        for field in range(self._bits.shape[1]):
            there = [row for row in rows if self.pairs.levels[row, field] >= 0]
            if there:
                told = [float(self._bits[row, field]) for row in there]
                total += 0.75 * sum(told) / len(told) + 0.25 * max(told)
                against += float(self._household[there, field].mean())
        return total if self.model.household is None else total - math.log2(1 + 2**against)

    def best_first(self) -> list[int]:
        """Merge the best two until none are good enough: by group, the first of those it is one with."""
        now = self._apart()
        while len(now) > 1:
            score, _, _, a, b = max(
                (self.score(a, b), -i, -j, a, b) for (i, a), (j, b) in combinations(enumerate(now), 2)
            )
            if score < self.rules.join:
                break
            now = sorted({*now, _both(a, b)} - {a, b})
        label = {place: part[0] for part in now for place in part}
        return [label[place] for place in range(len(self.groups))]

    def every_way(self) -> set[Parts]:
        """Every end that merging best first may come to, whichever of two equally good pairs is taken first."""
        ends: set[Parts] = set()
        seen = {frozenset(self._apart())}
        waiting = list(seen)
        while waiting:
            now = waiting.pop()
            scores = {(a, b): self.score(a, b) for a, b in combinations(sorted(now), 2)}
            best = max(scores.values(), default=-math.inf)
            if best < self.rules.join + _TIE:
                ends.add(now)
            least = max(best, self.rules.join) - _TIE
            after = {
                frozenset({*now, _both(a, b)} - {a, b}) for (a, b), score in scores.items() if score >= least
            }
            waiting += after - seen
            seen |= after
        return ends

    def _apart(self) -> list[Part]:
        return [(place,) for place in range(len(self.groups))]


def _both(a: Part, b: Part) -> Part:
    return tuple(sorted(a + b))

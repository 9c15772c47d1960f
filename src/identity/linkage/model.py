"""What agreement is worth: Splink's model of matches against chance, and a third class between them, the household.

Weights are in bits: log2 of how much likelier a pair is one person than two strangers (Fellegi and Sunter 1969).
Learnt without labels: chance from random pairs, matches by some rounds of expectation maximisation over all candidate
pairs, in which members of one household, who share family name and address and are near in age, have a class of their own.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from identity.linkage.comparisons import is_near_in_households, is_shared
from identity.linkage.frequencies import Frequencies
from identity.linkage.pairs import Ints, Levels, Pairs, numbered

Bits = npt.NDArray[np.float64]
_Table = npt.NDArray[np.float32]

ROUNDS: Final = 8
LEAST_PRIOR: Final = 1e-9
LEAST_HOUSEHOLD_PRIOR: Final = 1e-10
LARGEST_PRIOR: Final = 0.3
_LEAST_M: Final = 0.002
_LIMIT: Final = 60.0  # bits beyond which nothing is more certain


@dataclass(frozen=True)
class Household:
    """The class of pairs that live or work together.

    Attributes:
        prior: Share of all pairs.
        probabilities: By comparison of what a household shares or is near in, the probability of each level.
    """

    prior: float
    probabilities: dict[str, list[float]]


class Thresholds(NamedTuple):
    """Probabilities of a match.

    Attributes:
        join: Groups are one person from here on.
        keep: Groups that were one person before stay so down to this.
        candidate: A pair below, of different persons, is no edge worth keeping.
    """

    join: float = 0.5
    keep: float = 0.5
    candidate: float = 0.001

    @property
    def in_order(self) -> bool:
        """Whether they make sense."""
        return 0 < self.candidate <= self.keep <= self.join < 1


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        splink: Splink's settings, with m and u probabilities.
        household: None where the table has no addresses to tell households by.
        frequencies: How common values were where it was learnt.
        thresholds: How sure is sure enough.
        version: Its name, in edges and ledgers.
    """

    splink: dict[str, Any]
    household: Household | None = None
    frequencies: Frequencies = field(default_factory=Frequencies)
    thresholds: Thresholds = field(default_factory=Thresholds)
    version: str = "link"

    @property
    def comparisons(self) -> list[dict[str, Any]]:
        """The comparisons, in order."""
        found: list[dict[str, Any]] = self.splink["comparisons"]
        return found

    @property
    def fields(self) -> set[str]:
        """The fields its comparisons read; copies of fields (`_x`) aside."""
        return {name for comparison in self.comparisons for name in columns_of(comparison)}

    @property
    def prior(self) -> float:
        """Share of all pairs that are matches."""
        return float(self.splink["probability_two_random_records_match"])

    def bits(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Pairs by comparisons: what each comparison speaks for a match, rarity included; 0 where one is missing."""
        return _looked_up(self._match_tables, pairs)

    def household_bits(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Pairs by comparisons: what each speaks for a household; 0 for comparisons that say nothing of households."""
        return _looked_up(self._household_tables, pairs)

    @property
    def _match_tables(self) -> "list[_Table | None]":
        return [
            _table([np.log2(v["m_probability"] / v["u_probability"]) for v in numbered(c)])
            for c in self.comparisons
        ]

    @property
    def _household_tables(self) -> "list[_Table | None]":
        tables: list[_Table | None] = []
        for comparison in self.comparisons:
            shared = {} if self.household is None else self.household.probabilities
            chances = shared.get(comparison["output_column_name"])
            levels = numbered(comparison)
            tables.append(
                None if chances is None
                else _table([np.log2(h / level["u_probability"]) for h, level in zip(chances, levels, strict=True)])
            )  # fmt: skip
        return tables

    def weights(self, pairs: Pairs) -> Bits:
        """Posterior log2 odds of each pair being one person, against strangers and members of a household."""
        match, household = self._odds(pairs)
        return match - np.logaddexp2(0.0, household)

    def _odds(self, pairs: Pairs) -> tuple[Bits, Bits]:
        """Log2 odds against strangers: of a match, and of a household."""
        match = log_odds(self.prior) + _summed(self._match_tables, pairs)
        if self.household is None:
            return np.clip(match, -_LIMIT, _LIMIT), np.full(len(pairs), -_LIMIT)
        household = np.log2(self.household.prior) + _summed(self._household_tables, pairs)
        return np.clip(match, -_LIMIT, _LIMIT), np.clip(household, -_LIMIT, _LIMIT)

    def learn(
        self,
        pairs: Pairs,
        *,
        records: int,
        with_household: bool,
        tell: Callable[[float], None] = lambda _: None,
    ) -> "Model":
        """Expectation maximisation over all candidate pairs; every other pair of the table counts as strangers.

        Args:
            pairs: The candidates.
            records: How many records the table has.
            with_household: Whether households can be told.
            tell: Called after each round with the largest change of any m probability.
        """
        if not len(pairs):
            return self
        model = self._with_household() if with_household and self._shares_more_than_one() else self
        everything = records * (records - 1) / 2
        # Pairs that are alike at every comparison differ in rarity alone, which no round changes.
        kinds, kind = _kinds(pairs)
        of_household = [table is not None for table in model._household_tables]
        rarities = [pairs.rarity[:, those].sum(axis=1) for those in (slice(None), of_household)]
        for _ in range(ROUNDS):
            match, household = (
                np.exp2(np.clip(odds[kind] + rarity, -_LIMIT, _LIMIT))
                for odds, rarity in zip(model._odds(kinds), rarities, strict=True)
            )
            either = 1 + match + household
            is_match, is_household = (
                _by_kind(kind, odds / either, len(kinds)) for odds in (match, household)
            )
            splink = copy.deepcopy(model.splink)
            splink["probability_two_random_records_match"] = float(
                np.clip(is_match.sum() / everything, LEAST_PRIOR, LARGEST_PRIOR)
            )
            probabilities = {}
            for place, comparison in enumerate(splink["comparisons"]):
                levels = numbered(comparison)
                for level, m in zip(
                    levels, _shares(kinds.levels[:, place], is_match, len(levels)), strict=True
                ):
                    level["m_probability"] = m
                if model.household and comparison["output_column_name"] in model.household.probabilities:
                    shares = _shares(kinds.levels[:, place], is_household, len(levels))
                    probabilities[comparison["output_column_name"]] = shares
            prior = float(np.clip(is_household.sum() / everything, LEAST_HOUSEHOLD_PRIOR, LARGEST_PRIOR))
            learnt = replace(
                model, splink=splink, household=model.household and Household(prior, probabilities)
            )
            tell(float(np.abs(learnt._m - model._m).max()))
            model = learnt
        return model

    @property
    def _m(self) -> Bits:
        """The m probabilities of all levels."""
        return np.array([level["m_probability"] for c in self.comparisons for level in numbered(c)])

    def _with_household(self) -> "Model":
        probabilities = {}
        for comparison in self.comparisons:
            name = comparison["output_column_name"]
            if is_shared(name):
                probabilities[name] = [level["m_probability"] for level in numbered(comparison)]
            elif is_near_in_households(name):
                probabilities[name] = [level["u_probability"] for level in numbered(comparison)]
        return replace(self, household=Household(self.prior / 2, probabilities))

    def _shares_more_than_one(self) -> bool:
        return sum(is_shared(comparison["output_column_name"]) for comparison in self.comparisons) > 1


def log_odds(probability: float) -> float:
    """A probability in bits."""
    return float(np.log2(probability / (1 - probability)))


def smoothed(comparisons: Sequence[dict[str, Any]]) -> None:
    """Bound what a level that training hardly saw can say."""
    for comparison in comparisons:
        levels = numbered(comparison)
        chance = np.array([_trained(level, "u_probability", 1e-6) for level in levels])
        match = np.array([_trained(level, "m_probability", 0.02) for level in levels])
        chance = np.maximum(chance, 2e-7)
        match = np.maximum(match / match.sum(), 2 * _LEAST_M)
        for level, u, m in zip(levels, chance / chance.sum(), match / match.sum(), strict=True):
            level["u_probability"], level["m_probability"] = float(u), float(m)


def columns_of(comparison: Mapping[str, Any]) -> set[str]:
    """The fields a comparison reads; copies of fields (`_x`) aside."""
    text = " ".join(level["sql_condition"] for level in comparison["comparison_levels"])
    return {name.removesuffix("_x") for name in re.findall(r"\b(\w+)_[lr]\b", text)}


def _trained(level: dict[str, Any], name: str, otherwise: float) -> float:
    value = level.get(name)
    return value if isinstance(value, float) else otherwise


def _by_kind(kind: Ints, shares: Bits, kinds: int) -> Bits:
    """Sums of pairs' shares by their kind."""
    return np.bincount(kind, weights=shares, minlength=kinds).astype(np.float64)


def _shares(levels: Levels, belongs: Bits, count: int) -> list[float]:
    """How the pairs of a class spread over levels, smoothed so that no level is ruled out."""
    there = levels >= 0
    counts = np.bincount(levels[there], weights=belongs[there], minlength=count)
    more = max(1.0, 0.002 * counts.sum())
    shares = np.maximum((counts + 2 * more / count) / (counts.sum() + 2 * more), _LEAST_M)
    return [float(share) for share in shares / shares.sum()]


def _kinds(pairs: Pairs) -> tuple[Pairs, npt.NDArray[np.int64]]:
    """A pair of every combination of levels, rarity aside, and which one each pair has."""
    kind = np.zeros(len(pairs), dtype=np.int64)
    for place in range(pairs.levels.shape[1]):
        there = pairs.levels[:, place] + 1
        kind = pd.factorize(kind * (int(there.max()) + 1) + there)[0]
    first = np.empty(int(kind.max()) + 1, dtype=np.int64)
    first[kind[::-1]] = np.arange(len(kind))[::-1]
    kinds = pairs.where(first)
    return replace(kinds, rarity=np.zeros_like(kinds.rarity)), kind


def _table(bits: Sequence[float]) -> _Table:
    """Bits by level; level -1, the last place, is 0."""
    return np.array([*bits, 0.0], dtype=np.float32)


def _looked_up(tables: Sequence[_Table | None], pairs: Pairs) -> npt.NDArray[np.float32]:
    found = np.zeros(pairs.levels.shape, dtype=np.float32)
    for place, table in enumerate(tables):
        if table is not None:
            found[:, place] = table[pairs.levels[:, place]] + pairs.rarity[:, place]
    return found


def _summed(tables: Sequence[_Table | None], pairs: Pairs) -> Bits:
    """What `_looked_up` finds, added up pair by pair, without a number a pair and comparison on the way."""
    found = np.zeros(len(pairs), dtype=np.float64)
    for place, table in enumerate(tables):
        if table is not None:
            found += table[pairs.levels[:, place]] + pairs.rarity[:, place]
    return found

"""What a model learnt, as figures for people, and what of it deserves a warning.

Counts, probabilities, and names of fields and levels; no value of any record.
"""

from dataclasses import dataclass
from math import log2
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from identity.linkage.model import LARGEST_PRIOR, LEAST_HOUSEHOLD_PRIOR, LEAST_PRIOR, Model
from identity.linkage.pairs import Pairs, numbered

BITS_A_BAR: Final = 2
# Matches that a level must have been seen in, as far as can be expected, before its m says anything.
FEWEST_MATCHES: Final = 5
_MOST: Final = 0.5
_MOST_NAMED: Final = 3
_HIGHEST: Final = 40  # bits; above and below the ends of the histogram there is nothing to tell apart


@dataclass(frozen=True)
class Learnt:
    """A model and what it was learnt from.

    Attributes:
        model: The model.
        pairs: The candidate pairs.
        weights: Their posterior log2 odds under the model.
        moved: By round of expectation maximisation, the largest change of any m probability.
        missing: By comparison, the share of records that lack what it compares.
    """

    model: Model
    pairs: Pairs
    weights: npt.NDArray[np.float64]
    moved: tuple[float, ...]
    missing: dict[str, float]


def figures_of(learnt: Learnt) -> dict[str, Any]:
    """The figures of a training.

    Returns:
        `prior` (share of all pairs that are matches) and `one_in` (its inverse); `pairs` compared; `household`: prior
        and levels, or None; `levels`: a row a comparison and level, the strongest first, with m, u, bits and `matches`,
        the number of matches expected at it; `missing`: share of records without, by comparison; `weights`: pairs by
        weight from `from_bits` on, `BITS_A_BAR` wide; `rounds`: largest change of any m; `remembered`: by field, how many
        records said anything, and how many common values are kept; `warnings`: sentences.
    """
    model = learnt.model
    levels = _levels(learnt)
    return {
        "prior": model.prior,
        "one_in": round(1 / model.prior),
        "pairs": len(learnt.pairs),
        "household": _household(model),
        "levels": levels,
        "missing": [
            {"comparison": name, "records_without": round(share, 4)} for name, share in learnt.missing.items()
        ],
        "weights": weight_histogram(learnt.weights),
        "rounds": [
            {"round": number, "largest_change": round(change, 6)}
            for number, change in enumerate(learnt.moved, 1)
        ],
        "remembered": [
            {"field": name, "records": said, "common_values": len(model.frequencies.common.get(name, {}))}
            for name, said in model.frequencies.values.items()
        ],
        "warnings": [
            *_at_its_bounds(model),
            *_hardly_seen(levels),
            *_out_of_order(levels),
            *_mostly_missing(learnt.missing),
        ],
    }


def worth(comparisons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What agreement is worth in bits: a row a comparison and level, the strongest level first."""
    return [
        {
            "comparison": comparison["output_column_name"],
            "level": level["label_for_charts"],
            "bits": round(log2(level["m_probability"] / level["u_probability"]), 1),
        }
        for comparison in comparisons
        for level in reversed(numbered(comparison))
    ]


def weight_histogram(weights: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """How many pairs weigh how much: `from_bits`, `to_bits`, `pairs`, a row a bar, bars without a pair left out.

    The bars at both ends hold what lies beyond them as well.
    """
    low = (weights // BITS_A_BAR * BITS_A_BAR).clip(-_HIGHEST, _HIGHEST - BITS_A_BAR).astype(int)
    found, counts = np.unique(low, return_counts=True)
    return [
        {"from_bits": bits, "to_bits": bits + BITS_A_BAR, "pairs": count}
        for bits, count in zip(found.tolist(), counts.tolist(), strict=True)
    ]


def _levels(learnt: Learnt) -> list[dict[str, Any]]:
    """By comparison and level: m, u, bits, and how many matches are expected to be at it."""
    is_match = 1 / (1 + np.exp2(-learnt.weights))
    rows = []
    for place, comparison in enumerate(learnt.model.comparisons):
        at = learnt.pairs.levels[:, place]
        numbers = numbered(comparison)
        matches = np.bincount(at[at >= 0], weights=is_match[at >= 0], minlength=len(numbers)).tolist()
        rows += [
            row | {"m": level["m_probability"], "u": level["u_probability"], "matches": round(expected, 1)}
            for row, level, expected in zip(
                worth([comparison]), reversed(numbers), reversed(matches), strict=True
            )
        ]
    return rows


def _household(model: Model) -> dict[str, Any] | None:
    if model.household is None:
        return None
    labels = {
        c["output_column_name"]: [level["label_for_charts"] for level in numbered(c)]
        for c in model.comparisons
    }
    levels = [
        {"comparison": name, "level": label, "probability": probability}
        for name, probabilities in model.household.probabilities.items()
        for label, probability in reversed(list(zip(labels[name], probabilities, strict=True)))
    ]
    return {"prior": model.household.prior, "one_in": round(1 / model.household.prior), "levels": levels}


def _at_its_bounds(model: Model) -> list[str]:
    said = []
    if model.prior <= LEAST_PRIOR:
        said.append("prior: at its lower bound; hardly any two records look like one person")
    if model.prior >= LARGEST_PRIOR:
        said.append("prior: at its upper bound; nearly every pair looks like one person")
    if model.household is not None and model.household.prior <= LEAST_HOUSEHOLD_PRIOR:
        said.append("household: its prior is at its lower bound; no household was found to learn from")
    if model.household is not None and model.household.prior >= LARGEST_PRIOR:
        said.append("household: its prior is at its upper bound; nearly every pair looks like a household")
    return said


def _hardly_seen(levels: list[dict[str, Any]]) -> list[str]:
    """A sentence a comparison that has levels which hardly any match is at."""
    return [
        f"{name}: fewer than {FEWEST_MATCHES} matches expected at {_listed(rare)}; what that weighs is a guess"
        for name, rows in _by_comparison(levels)
        if (rare := [row["level"] for row in rows if row["matches"] < FEWEST_MATCHES])
    ]


def _out_of_order(levels: list[dict[str, Any]]) -> list[str]:
    """A sentence a comparison of which a level weighs less than a weaker one; levels hardly seen are guesses anyway."""
    said = []
    for name, rows in _by_comparison(levels):
        seen = [row for row in rows if row["matches"] >= FEWEST_MATCHES]
        gaps = [
            (weaker["bits"] - row["bits"], row, weaker)
            for place, row in enumerate(seen)
            for weaker in seen[place + 1 :]
            if weaker["bits"] > row["bits"]
        ]
        if gaps:
            _, row, weaker = max(gaps, key=lambda gap: gap[0])
            said.append(
                f"{name}: “{row['level']}” weighs {row['bits']} bits, less than the weaker “{weaker['level']}” "
                f"with {weaker['bits']}"
            )
    return said


def _by_comparison(levels: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    names = dict.fromkeys(row["comparison"] for row in levels)
    return [(name, [row for row in levels if row["comparison"] == name]) for name in names]


def _listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(f"“{name}”" for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"


def _mostly_missing(missing: dict[str, float]) -> list[str]:
    return [
        f"{name}: {share:.0%} of the records lack it, so it says nothing of most pairs"
        for name, share in missing.items()
        if share > _MOST
    ]

"""How a pair comes by its weight: from the prior, comparison by comparison, up and down to its posterior log2 odds.

A **step** is what one comparison says of a pair; it holds no value of either record. Beside the comparisons there is a
step for the household that would explain the agreement as well, and one for what lies beyond the weight at which
nothing is more certain. Prior and steps add up to the weight of the pair.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import Pairs, numbered

STEP: Final = pa.struct(
    [("comparison", pa.string()), ("level", pa.int32()), ("label", pa.string()), ("bits", pa.float64())]
)
STEPS: Final = pa.list_(STEP)
HOUSEHOLD: Final = "household"
LIMIT: Final = "limit"
_HOUSEHOLD_LABEL: Final = "a household would explain it as well"
_LIMIT_LABEL: Final = "nothing is told as surer than this"
_PRIOR_LABEL: Final = "two records at random"
_WEIGHT_LABEL: Final = "log2 odds of one person"
_ROUNDING: Final = 1e-9
_SPLINK_CHART: Final = "internals/files/chart_defs/match_weights_waterfall.json"
_PART: Final = (
    500_000  # pairs whose labels are together shorter than the longest column of texts there can be
)
_BAR: Final = 62  # pixels from bar to bar


class Bar(NamedTuple):
    """A bar of a waterfall: the prior, a step, or the weight they add up to.

    Attributes:
        name: What speaks: the comparison.
        label: What it says: the level.
        bits: How much it speaks for one person.
    """

    name: str
    label: str
    bits: float


def steps_of(pairs: Pairs, weights: npt.NDArray[np.float64], model: Model) -> pa.ChunkedArray:
    """The steps of every pair, in the order of the model's comparisons; what is missing in a record is no step.

    Args:
        pairs: Compared pairs.
        weights: `Model.weights` of them.
        model: What agreement is worth.
    """
    parts = (slice(start, start + _PART) for start in range(0, len(pairs), _PART))
    return pa.chunked_array(
        [_steps(pairs.where(np.arange(len(pairs))[p]), weights[p], model) for p in parts], STEPS
    )


def _steps(pairs: Pairs, weights: npt.NDArray[np.float64], model: Model) -> pa.ListArray:
    bits = model.bits(pairs).astype(np.float64)
    household = np.zeros(len(pairs))
    if model.household is not None:
        household = -np.logaddexp2(
            0.0, np.log2(model.household.prior) + model.household_bits(pairs).astype(np.float64).sum(axis=1)
        )
    beyond = weights - (log_odds(model.prior) + bits.sum(axis=1) + household)
    # A row a pair, a column a possible step: the comparisons, the household, the limit.
    said = np.column_stack([bits, household, beyond])
    is_said = np.column_stack(
        [pairs.levels >= 0, np.full(len(pairs), model.household is not None), np.abs(beyond) > _ROUNDING]
    )
    row, step = np.nonzero(is_said)
    level = np.column_stack([pairs.levels, np.full((len(pairs), 2), -1)])[row, step].astype(np.int64)
    names, labels, first = _dictionaries(model)
    compared = level >= 0
    told = pa.StructArray.from_arrays(
        [
            pa.DictionaryArray.from_arrays(step.astype(np.int32), names).cast(pa.string()),
            pa.array(level.astype(np.int32), mask=~compared),
            pa.DictionaryArray.from_arrays(
                (first[step] + np.where(compared, level, 0)).astype(np.int32), labels
            ).cast(pa.string()),
            pa.array(said[row, step]),
        ],
        fields=list(STEP),
    )
    offsets = np.concatenate([[0], np.cumsum(is_said.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), told)


def _dictionaries(model: Model) -> tuple[pa.Array, pa.Array, npt.NDArray[np.int64]]:
    """Names of the steps; the labels of all their levels, one after the other; and where those of each step begin."""
    labels = [[level["label_for_charts"] for level in numbered(c)] for c in model.comparisons]
    labels += [[_HOUSEHOLD_LABEL], [_LIMIT_LABEL]]
    names = [*(c["output_column_name"] for c in model.comparisons), HOUSEHOLD, LIMIT]
    first = np.concatenate([[0], np.cumsum([len(of_step) for of_step in labels])[:-1]]).astype(np.int64)
    return pa.array(names), pa.array([label for of_step in labels for label in of_step]), first


def bars_of(steps: Iterable[Mapping[str, Any]], weight: float) -> list[Bar]:
    """The waterfall of a pair: prior, steps, weight.

    What the steps do not explain is the prior of the model that weighed the pair, whatever model is in force now.
    """
    said = [Bar(step["comparison"], step["label"], step["bits"]) for step in steps]
    prior = weight - sum(bar.bits for bar in said)
    return [Bar("prior", _PRIOR_LABEL, prior), *said, Bar("match weight", _WEIGHT_LABEL, weight)]


def chart_of(bars: list[Bar]) -> dict[str, Any]:
    """Splink's waterfall chart of a pair, as a Vega-Lite specification without anything to click on."""
    spec: dict[str, Any] = json.loads(files("splink").joinpath(_SPLINK_CHART).read_text(encoding="utf-8"))
    names = {0: "Prior", len(bars) - 1: "Final score"}  # Splink's chart knows these two by name
    spec["data"]["values"] = [
        {
            "column_name": names.get(place, bar.name), "label_for_charts": bar.label, "log2_bayes_factor": bar.bits,
            "bayes_factor": 2**bar.bits, "bar_sort_order": place, "record_number": 0, "value_l": "", "value_r": "",
        }
        for place, bar in enumerate(bars)
    ]  # fmt: skip
    spec["params"][0].pop("bind")
    del spec["title"]
    spec["width"] = {"step": _BAR}
    return spec

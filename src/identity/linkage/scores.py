"""Clusters and edges against a truth, with how far chance could move the figures."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Scores = dict[str, Any]

_DRAWS: Final = 1000
_SEED: Final = 1
_INTERVAL: Final = (2.5, 97.5)  # percentiles


def score_clusters(golden: npt.NDArray[Any], entity: npt.NDArray[Any]) -> Scores:
    """Pairwise and B-cubed precision, recall and F1, and the share of entities found whole, with 95 % intervals.

    Records of entities and clusters that touch are drawn together (bootstrap over components), 1000 times. Components of
    the same figures are drawn as one: what n draws of Poisson's with mean 1 sum up to is one with mean n.
    """
    golden, entity = (np.unique(labels, return_inverse=True)[1] for labels in (golden, entity))
    together = np.unique(golden.astype(np.int64) * (entity.max() + 1) + entity, return_inverse=True)[1]
    sizes = {name: np.bincount(x) for name, x in (("both", together), ("golden", golden), ("entity", entity))}
    both, of_golden, of_entity = (
        sizes["both"][together], sizes["golden"][golden], sizes["entity"][entity]
    )  # fmt: skip
    by_record = pd.DataFrame(
        {
            "records": 1.0,
            "found": (both - 1) / 2,  # every pair is counted half at each end
            "told": (of_golden - 1) / 2,
            "true": (of_entity - 1) / 2,
            "b_precision": both / of_golden,
            "b_recall": both / of_entity,
            "entities": 1 / of_entity,
            "exact": ((both == of_golden) & (both == of_entity)) / of_entity,
        }
    )
    sums = by_record.groupby(_touching(golden, entity)).sum().to_numpy()
    names = list(by_record.columns)
    whole = _figures(dict(zip(names, sums.sum(axis=0)[:, None], strict=True)))
    kinds, many = np.unique(sums.round(9), axis=0, return_counts=True)
    drawn = np.random.default_rng(_SEED).poisson(many, size=(_DRAWS, len(kinds))) @ kinds
    spread = _figures(dict(zip(names, drawn.T, strict=True)))
    found: Scores = {"pairwise": {}, "b_cubed": {}}
    for (group, name), value in whole.items():
        low, high = np.nanpercentile(spread[group, name], _INTERVAL)
        told = {name: _round(value[0]), f"{name}_interval": [_round(low), _round(high)]}
        found |= told if not group else {group: found[group] | told}
    return found


def _figures(sums: dict[str, npt.NDArray[np.float64]]) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    figures = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = {
            "pairwise": (_share(sums["found"], sums["told"]), _share(sums["found"], sums["true"])),
            "b_cubed": (
                _share(sums["b_precision"], sums["records"]),
                _share(sums["b_recall"], sums["records"]),
            ),
        }
        for group, (precision, recall) in pairs.items():
            figures[group, "precision"], figures[group, "recall"] = precision, recall
            figures[group, "f1"] = np.nan_to_num(2 * precision * recall / (precision + recall))
        figures["", "exact_cluster_rate"] = _share(sums["exact"], sums["entities"])
    return figures


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A share; of nothing, all."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 1.0)


def _touching(golden: npt.NDArray[Any], entity: npt.NDArray[Any]) -> npt.NDArray[Any]:
    size = int(golden.max() + entity.max() + 2)
    graph = coo_matrix((np.ones(len(golden)), (golden, golden.max() + 1 + entity)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][golden])


def score_edges(
    left: npt.NDArray[Any], right: npt.NDArray[Any], used: npt.NDArray[np.bool_], entity: npt.NDArray[Any]
) -> Scores:
    """Pairwise precision, recall and F1 of the used edges; and how many true pairs blocking brought together."""
    is_true = entity[left] == entity[right]
    sizes = pd.Series(entity).value_counts().to_numpy()
    true = float((sizes * (sizes - 1) // 2).sum())
    found = float((is_true & used).sum())
    precision = found / used.sum() if used.any() else 1.0
    recall = found / true if true else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    pairwise = {"precision": _round(precision), "recall": _round(recall), "f1": _round(f1)}
    return {"pairwise": pairwise, "blocking_recall": _round(is_true.sum() / true if true else 1.0)}


def _round(value: float) -> float:
    return round(float(value), 4)

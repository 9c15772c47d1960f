"""The report of `identity link`: what was taken for what, how pairs weigh, what agreement is worth, how large persons are.

Counts, names of columns and what the model learnt; no value of any record.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from identity.link import LinkResult
from identity.pages.model import worth_figure
from identity.pages.page import GOOD, NEUTRAL, Figure, bars, page_text

_BITS_A_BAR = 2
_MOST_BITS = 30


def link_page(result: LinkResult, *, title: str) -> str:
    """The page, as HTML.

    Args:
        result: What `link.link` found.
        title: What was linked.
    """
    summary = result.summary
    tiles = [
        ("records", f"{summary['records']:,}"),
        ("persons", f"{summary['golden_ids']:,}"),
        ("seconds", f"{summary['seconds']:.0f}"),
    ]
    if "clusters" in summary:
        scores = summary["clusters"]["pairwise"]
        tiles += [
            (name, f"{scores[key]:.3f}")
            for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
        ]
    return page_text(title=title, subtitle="Linked without labels.", tiles=tiles, figures=_figures(result))


def _figures(result: LinkResult) -> list[Figure]:
    sizes, weights = _sizes(result.golden_ids), _weights(result.edges)
    types = [
        {
            "column": column,
            "taken for": "not used" if guess.kind == "ignore" else guess.kind,
            "told by": guess.by,
        }
        for column, guess in result.types.items()
    ]
    return [
        *_scores(result.summary),
        Figure(
            "Records of a person",
            "Persons of many records are the ones to look at: one person, or several taken for one?",
            sizes, bars(sizes, "records", "persons"),
        ),
        Figure(
            "How much pairs weigh",
            "Bits: log2 of the odds that two records are one person. A clear model has few pairs about 0.",
            weights, bars(weights, "bits", "pairs", "pair", {"in one person": GOOD, "apart": NEUTRAL}),
        ),
        worth_figure(json.loads(result.model)["splink"]["comparisons"]),
        Figure("Columns", "What is wrong here is put right with --map COLUMN=TYPE.", types, None),
    ]  # fmt: skip


def _scores(summary: Mapping[str, Any]) -> list[Figure]:
    if "clusters" not in summary:
        return []
    groups = {
        "edges, pairwise": summary["edges"]["pairwise"],
        "clusters, pairwise": summary["clusters"]["pairwise"],
        "clusters, B-cubed": summary["clusters"]["b_cubed"],
    }
    rows = [
        {"of": group, "measure": measure, "score": scores[measure]}
        for group, scores in groups.items()
        for measure in ("precision", "recall", "f1")
    ]
    says = (
        f"{summary['clusters']['exact_cluster_rate']:.1%} of the persons are found whole; blocking brought "
        f"{summary['blocking_recall']:.1%} of the true pairs together."
    )
    return [Figure("Against the truth", says, rows, bars(rows, ["of", "measure"], "score"))]


def _sizes(golden_ids: pd.DataFrame) -> list[dict[str, Any]]:
    counts = golden_ids["golden_id"].value_counts().clip(upper=10).value_counts().sort_index()
    return [
        {"records": "10 or more" if size == 10 else str(size), "persons": int(n)}
        for size, n in zip(counts.index.tolist(), counts.tolist(), strict=True)
    ]


def _weights(edges: pd.DataFrame) -> list[dict[str, Any]]:
    bits = (edges["match_weight"] // _BITS_A_BAR * _BITS_A_BAR).clip(upper=_MOST_BITS).astype(int)
    counts = edges.groupby([bits, edges["is_used"]]).size().reset_index(name="pairs")
    return [
        {
            "bits": f"{low} and more" if low == _MOST_BITS else f"{low} to {low + _BITS_A_BAR}",
            "pair": "in one person" if used else "apart",
            "pairs": int(n),
        }
        for low, used, n in counts.itertuples(index=False, name=None)
    ]

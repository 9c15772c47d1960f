"""Golden ids against truth: pairwise and B-cubed precision, recall and F1.

Truth is read here and only here; nothing it says reaches a model, a threshold or a table.
Pairwise counts pairs of records; B-cubed averages over records (Bagga and Baldwin 1998).
"""

from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from identity.errors import SourceError

Scores = dict[str, float]
_KEY = ["source", "source_key"]


def read_truth(folder: Path) -> pd.DataFrame:
    """Read `person_of_record.parquet`: `source`, `source_key`, `person_id`.

    Raises:
        SourceError: It is not there, or has other columns.
    """
    path = folder / "person_of_record.parquet"
    try:
        truth = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: no truth can be read there: {type(error).__name__}") from None
    if not {*_KEY, "person_id"} <= set(truth.columns):
        raise SourceError(f"{path}: expected the columns source, source_key, person_id")
    return truth[[*_KEY, "person_id"]]


def evaluate(members: pd.DataFrame, edges: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """Score golden ids against truth.

    Args:
        members: Open rows of id.golden_member: `source`, `source_key`, `golden_id`, `link_permission`.
        edges: id.edge.
        truth: `read_truth`.

    Returns:
        `records` scored, `without_golden_id` (in truth, not in the tables: quarantined or deleted), and of
        `deterministic` edges alone and the `whole`: `pairwise`, `b_cubed`, `by_source_pair`, and `permitted`,
        the pairwise scores among records that gate L let through.
    """
    both = truth.merge(members, on=_KEY, how="inner").sort_values(_KEY, ignore_index=True)
    used = edges[(edges["kind"] == "deterministic") & (edges["fate"] == "used")]
    both["deterministic"] = _components(both, used)
    return {
        "records": len(both),
        "without_golden_id": len(truth) - len(both),
        "true_pairs": _pairs(both.groupby("person_id").size()),
        "deterministic": _all_scores(both, "deterministic"),
        "whole": _all_scores(both, "golden_id"),
    }


def pairwise(records: pd.DataFrame, cluster: str) -> Scores:
    """Pairwise precision, recall and F1 of a clustering column against `person_id`."""
    together = _pairs(records.groupby([cluster, "person_id"]).size())
    return _scores(
        together, _pairs(records.groupby(cluster).size()), _pairs(records.groupby("person_id").size())
    )


def b_cubed(records: pd.DataFrame, cluster: str) -> Scores:
    """B-cubed precision, recall and F1 of a clustering column against `person_id`."""
    together = records.groupby([cluster, "person_id"])["source"].transform("size")
    precision = float((together / records.groupby(cluster)["source"].transform("size")).mean())
    recall = float((together / records.groupby("person_id")["source"].transform("size")).mean())
    return _rounded(precision, recall)


def by_source_pair(records: pd.DataFrame, cluster: str) -> dict[str, Scores]:
    """Pairwise scores of pairs between each two sources, and within each."""
    sources = sorted(records["source"].unique())
    together = _counts(records, [cluster, "person_id"])
    predicted, true = _counts(records, [cluster]), _counts(records, ["person_id"])
    return {
        f"{a}-{b}": _scores(*(_cross(table, a, b) for table in (together, predicted, true)))
        for a, b in combinations_with_replacement(sources, 2)
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print an evaluation as a table for a person."""
    table = Table(
        title="Golden ids against truth: identifiers alone, and with Splink",
        title_justify="left",
        title_style="bold",
        header_style="dim",
    )
    for name in ("", "alone P", "R", "F1", "Splink P", "R", "F1"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    alone, whole = result["deterministic"], result["whole"]
    lines = [
        (name, alone[key], whole[key])
        for name, key in (
            ("pairwise", "pairwise"),
            ("B-cubed", "b_cubed"),
            ("pairwise, permitted", "permitted"),
        )
    ]
    lines += [
        (pair, alone["by_source_pair"][pair], whole["by_source_pair"][pair])
        for pair in whole["by_source_pair"]
    ]
    for name, *scores in lines:
        table.add_row(
            name, *(f"{score[measure]:.3f}" for score in scores for measure in ("precision", "recall", "f1"))
        )
    console.print(table)
    console.print(
        f"{result['records']:,} records scored, {result['true_pairs']:,} true pairs; "
        f"{result['without_golden_id']:,} of the truth have no golden id (quarantined or deleted)", highlight=False
    )  # fmt: skip


def _all_scores(records: pd.DataFrame, cluster: str) -> dict[str, Any]:
    permitted = records[records["link_permission"] == "permitted"]
    return {
        "pairwise": pairwise(records, cluster),
        "b_cubed": b_cubed(records, cluster),
        "permitted": pairwise(permitted, cluster),
        "by_source_pair": by_source_pair(records, cluster),
    }


def _components(records: pd.DataFrame, edges: pd.DataFrame) -> Any:
    """Connected components over edges; devices and records without truth may stand between two records."""
    left = pd.MultiIndex.from_frame(edges[["source_l", "source_key_l"]], names=_KEY)
    right = pd.MultiIndex.from_frame(edges[["source_r", "source_key_r"]], names=_KEY)
    nodes = pd.MultiIndex.from_frame(records[_KEY]).union(left).union(right).unique()
    ends = nodes.get_indexer(left), nodes.get_indexer(right)
    graph = coo_matrix((pd.Series(1, index=range(len(edges))), ends), shape=(len(nodes), len(nodes)))
    labels = connected_components(graph, directed=False)[1]
    return labels[nodes.get_indexer(pd.MultiIndex.from_frame(records[_KEY]))]


def _pairs(sizes: "pd.Series[int]") -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _counts(records: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Records by group (rows) and source (columns)."""
    return records.groupby([*groups, "source"]).size().unstack(fill_value=0)


def _cross(counts: pd.DataFrame, a: str, b: str) -> int:
    return int((counts[a] * counts[b]).sum()) if a != b else _pairs(counts[a])


def _scores(together: int, predicted: int, true: int) -> Scores:
    return _rounded(together / predicted if predicted else 1.0, together / true if true else 1.0)


def _rounded(precision: float, recall: float) -> Scores:
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}

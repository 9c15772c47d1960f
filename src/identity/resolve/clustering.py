"""From edges to clusters, strongest edges first, never against merge protection.

Connected components only split the work. A component in which no protected namespace has more values than one
person may have is a cluster. In any other the edges are used one by one, in one total order (rank, weight, keys),
and an edge that would break the limit is rejected and kept as the reason why.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """The result of clustering.

    Attributes:
        labels: Cluster of each node: the smallest node in it.
        rejected: Whether each edge was rejected because two values of a protected namespace would have met.
    """

    labels: Labels
    rejected: npt.NDArray[np.bool_]


def cluster(
    nodes: int, edges: pd.DataFrame, protected: Iterable[pd.DataFrame], limits: Iterable[int]
) -> Clusters:
    """Cluster nodes 0 … nodes - 1.

    Args:
        nodes: How many there are.
        edges: `l`, `r` (nodes) in order of use, strongest first; the order must be total.
        protected: A frame a protected namespace: `node`, `value`.
        limits: How many values of each of those namespaces one cluster may hold.
    """
    left, right = edges["l"].to_numpy(np.int64), edges["r"].to_numpy(np.int64)
    labels = _by_smallest(_components(nodes, left, right))
    rejected = np.zeros(len(edges), dtype=bool)
    namespaces = list(zip(protected, limits, strict=True))
    broken = _broken_components(labels, namespaces)
    if broken.size:
        inside = np.flatnonzero(np.isin(labels[left], broken))
        members = np.flatnonzero(np.isin(labels, broken))
        labels[members] = members
        _merge_one_by_one(labels, left, right, inside, rejected, members, namespaces)
    return Clusters(_by_smallest(labels), rejected)


def _components(nodes: int, left: Labels, right: Labels) -> Labels:
    graph = coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(nodes, nodes))
    labels: Labels = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _broken_components(labels: Labels, namespaces: list[tuple[pd.DataFrame, int]]) -> Labels:
    """Components that hold more values of a protected namespace than one person may have."""
    broken = []
    for values, limit in namespaces:
        held = pd.DataFrame(
            {"component": labels[values["node"].to_numpy()], "value": values["value"].to_numpy()}
        )
        counts = held.drop_duplicates().groupby("component").size()
        broken.append(counts.index[counts > limit].to_numpy(np.int64))
    return np.unique(np.concatenate(broken)) if broken else np.zeros(0, dtype=np.int64)


def _merge_one_by_one(
    labels: Labels, left: Labels, right: Labels, inside: Labels, rejected: npt.NDArray[np.bool_],
    members: Labels, namespaces: list[tuple[pd.DataFrame, int]],
) -> None:  # fmt: skip
    """Use the edges of broken components in order; `labels` and `rejected` are filled in."""
    parent: dict[int, int] = {int(node): int(node) for node in members}
    held: list[dict[int, set[str]]] = []
    for table, _ in namespaces:
        of_member: dict[int, set[str]] = defaultdict(set)
        here = table[table["node"].isin(members)]
        for node, value in zip(here["node"].tolist(), here["value"].tolist(), strict=True):
            of_member[node].add(value)
        held.append(of_member)

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for edge in inside:
        a, b = sorted((root(int(left[edge])), root(int(right[edge]))))
        if a == b:
            continue
        unions = [(values, values.get(a, set()) | values.get(b, set())) for values in held]
        if any(len(both) > limit for (_, both), (_, limit) in zip(unions, namespaces, strict=True)):
            rejected[edge] = True
            continue
        parent[b] = a
        for values, both in unions:
            if both:
                values[a] = both
    for node in members:
        labels[node] = root(int(node))


def _by_smallest(labels: Labels) -> Labels:
    """Name each cluster by its smallest node, so that names say nothing of how it was found."""
    order = pd.Series(np.arange(len(labels))).groupby(labels).transform("min")
    return order.to_numpy(np.int64, copy=True)


def node_values(table: pd.DataFrame, index: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    """Protected values by node: `source`, `source_key`, `value` → `node`, `value`; records without an edge are left out."""
    nodes = [index.get(key, -1) for key in zip(table["source"], table["source_key"], strict=True)]
    found = pd.DataFrame({"node": np.array(nodes, dtype=np.int64), "value": table["value"].to_numpy()})
    return found[found["node"] >= 0]

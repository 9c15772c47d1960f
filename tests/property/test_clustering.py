"""Clustering against references too slow to ship: union-find, and merging edge by edge over sets."""

import random
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identity.resolve.clustering import Clusters, cluster

Edge = tuple[int, int]
Held = list[tuple[int, str]]


class Graph(NamedTuple):
    nodes: int
    edges: list[Edge]  # strongest first
    protected: list[Held]  # a list a namespace: which node holds which value
    limits: list[int]


# Record 0 alone breaks the limit; 1 and 2 have nothing to do with each other.
COLLISION = Graph(3, [(0, 1)], [[(0, "a"), (0, "b")]], [1])


def graphs(*, most_nodes: int = 10, namespaces: int = 2) -> st.SearchStrategy[Graph]:
    def of_size(nodes: int) -> st.SearchStrategy[Graph]:
        node = st.integers(0, nodes - 1)
        held = st.lists(st.tuples(node, st.sampled_from("abcd")), max_size=nodes + 2)
        return st.integers(0, namespaces).flatmap(
            lambda count: st.builds(
                Graph,
                st.just(nodes),
                st.lists(st.tuples(node, node).filter(lambda e: e[0] != e[1]), max_size=3 * nodes),
                st.lists(held, min_size=count, max_size=count),
                st.lists(st.integers(1, 2), min_size=count, max_size=count),
            )
        )

    return st.integers(1, most_nodes).flatmap(of_size)


def clustered(graph: Graph) -> Clusters:
    edges = pd.DataFrame(graph.edges, columns=["l", "r"], dtype=np.int64)
    return cluster(graph.nodes, edges, [values_frame(held) for held in graph.protected], graph.limits)


def values_frame(held: Held) -> pd.DataFrame:
    nodes = np.array([node for node, _ in held], dtype=np.int64)
    return pd.DataFrame({"node": nodes, "value": [value for _, value in held]})


def parts(labels: Iterable[int]) -> set[frozenset[int]]:
    """A clustering as a set of sets, whatever the clusters are called."""
    groups: dict[int, set[int]] = {}
    for node, label in enumerate(labels):
        groups.setdefault(int(label), set()).add(node)
    return {frozenset(group) for group in groups.values()}


def union_find(nodes: int, edges: Iterable[Edge]) -> set[frozenset[int]]:
    parent = list(range(nodes))

    def root(node: int) -> int:
        return node if parent[node] == node else root(parent[node])

    for left, right in edges:
        parent[root(left)] = root(right)
    return parts(root(node) for node in range(nodes))


def values_of(group: Iterable[int], held: Held) -> set[str]:
    group = set(group)
    return {value for node, value in held if node in group}


def greedy(graph: Graph) -> tuple[set[frozenset[int]], list[bool]]:
    """Every edge in its order, whole sets compared anew each time: what merge protection means."""
    groups = [frozenset({node}) for node in range(graph.nodes)]
    rejected = []
    for left, right in graph.edges:
        a = next(group for group in groups if left in group)
        b = next(group for group in groups if right in group)
        breaks = a != b and any(
            len(values_of(a | b, held)) > limit
            for held, limit in zip(graph.protected, graph.limits, strict=True)
        )
        rejected.append(breaks)
        if a != b and not breaks:
            groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups), rejected


@given(graphs(namespaces=0))
def test_without_protection_clusters_are_connected_components(graph: Graph):
    found = clustered(graph)
    assert parts(found.labels) == union_find(graph.nodes, graph.edges)
    assert not found.rejected.any()


@settings(max_examples=300)
@given(graphs())
@example(COLLISION)
def test_clusters_are_those_of_the_slow_greedy_reference(graph: Graph):
    found = clustered(graph)
    groups, rejected = greedy(graph)
    assert parts(found.labels) == groups
    assert found.rejected.tolist() == rejected


@settings(max_examples=300)
@given(graphs(most_nodes=25))
@example(COLLISION)
def test_no_join_ever_breaks_a_limit(graph: Graph):
    found = clustered(graph)
    for group in parts(found.labels):
        for held, limit in zip(graph.protected, graph.limits, strict=True):
            # A record may itself come with too many values; then it stays alone.
            assert len(group) == 1 or len(values_of(group, held)) <= limit


@given(graphs(most_nodes=25))
@example(COLLISION)
def test_used_edges_join_and_rejected_ones_would_have_broken_a_limit(graph: Graph):
    found = clustered(graph)
    used = [edge for edge, no in zip(graph.edges, found.rejected, strict=True) if not no]
    assert parts(found.labels) == union_find(graph.nodes, used)
    groups = {node: group for group in parts(found.labels) for node in group}
    for (left, right), no in zip(graph.edges, found.rejected, strict=True):
        both = groups[left] | groups[right]
        if no:
            assert any(
                len(values_of(both, held)) > limit
                for held, limit in zip(graph.protected, graph.limits, strict=True)
            )


@given(graphs())
def test_clusters_are_named_by_their_smallest_node(graph: Graph):
    labels = clustered(graph).labels
    for group in parts(labels):
        assert {int(labels[node]) for node in group} == {min(group)}


@given(graphs(), st.randoms(use_true_random=False))
def test_neither_the_sides_of_edges_nor_the_order_of_values_matter(graph: Graph, chance: random.Random):
    """The order of edges does matter, strongest first; `resolve_edges` makes it total, and is tested for it."""
    turned = graph._replace(
        edges=[edge if chance.random() < 0.5 else edge[::-1] for edge in graph.edges],
        protected=[
            chance.sample(held * 2, len(held) * 2) for held in graph.protected
        ],  # doubles say nothing new
    )
    one, other = clustered(graph), clustered(turned)
    assert one.labels.tolist() == other.labels.tolist()
    assert one.rejected.tolist() == other.rejected.tolist()

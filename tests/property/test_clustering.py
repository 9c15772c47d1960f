"""Clustering against references too slow to ship: union-find, and merging pair by pair over sets."""

import random
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identity.linkage.known import CANNOT_LINK, OVER_LIMIT, Joined, Known, join_first

Pair = tuple[int, int]
First = tuple[int, int, bool]  # left, right, whether a person decided it
Held = list[tuple[int, str]]


class Graph(NamedTuple):
    records: int
    first: list[First]  # strongest first
    never: list[Pair]
    held: list[Held]  # a list a namespace: which record holds which value
    limits: list[int]


# Record 0 alone breaks the limit; 1 and 2 have nothing to do with each other.
COLLISION = Graph(3, [(0, 1, False)], [], [[(0, "a"), (0, "b")]], [1])
# What 0 must not be with is joined to 1 by somebody else before.
INHERITED = Graph(3, [(1, 2, False), (0, 1, False)], [(0, 2)], [], [])


def graphs(*, most_records: int = 10, namespaces: int = 2, bans: bool = True) -> st.SearchStrategy[Graph]:
    def of_size(records: int) -> st.SearchStrategy[Graph]:
        record = st.integers(0, records - 1)
        pair = st.tuples(record, record).filter(lambda e: e[0] != e[1])
        held = st.lists(st.tuples(record, st.sampled_from("abcd")), max_size=records + 2)
        return st.integers(0, namespaces).flatmap(
            lambda count: st.builds(
                Graph,
                st.just(records),
                st.lists(
                    st.tuples(record, record, st.booleans()).filter(lambda e: e[0] != e[1]),
                    max_size=3 * records,
                ),
                st.lists(pair, max_size=3 if bans and records > 1 else 0),
                st.lists(held, min_size=count, max_size=count),
                st.lists(st.integers(1, 2), min_size=count, max_size=count),
            )
        )

    return st.integers(1, most_records).flatmap(of_size)


def known(graph: Graph) -> Known:
    held = [(r, f"n{i}", v) for i, values in enumerate(graph.held) for r, v in values]
    return Known(
        records=graph.records,
        first=pd.DataFrame(graph.first, columns=["l", "r", "is_decided"]).astype({"l": int, "r": int}),
        never=pd.DataFrame(graph.never, columns=["l", "r"], dtype=np.int64),
        held=pd.DataFrame(held, columns=["record", "namespace", "value"]).astype({"record": np.int64}),
        limits={f"n{i}": limit for i, limit in enumerate(graph.limits)},
    )


def joined(graph: Graph) -> Joined:
    return join_first(known(graph))


def parts(labels: Iterable[int]) -> set[frozenset[int]]:
    """A clustering as a set of sets, whatever the clusters are called."""
    groups: dict[int, set[int]] = {}
    for record, label in enumerate(labels):
        groups.setdefault(int(label), set()).add(record)
    return {frozenset(group) for group in groups.values()}


def union_find(records: int, pairs: Iterable[Pair]) -> set[frozenset[int]]:
    parent = list(range(records))

    def root(record: int) -> int:
        return record if parent[record] == record else root(parent[record])

    for left, right in pairs:
        parent[root(left)] = root(right)
    return parts(root(record) for record in range(records))


def values_of(group: Iterable[int], held: Held) -> set[str]:
    group = set(group)
    return {value for record, value in held if record in group}


def is_over(group: Iterable[int], graph: Graph) -> bool:
    group = set(group)
    return any(
        len(values_of(group, held)) > limit for held, limit in zip(graph.held, graph.limits, strict=True)
    )


def is_banned(a: Iterable[int], b: Iterable[int], graph: Graph) -> bool:
    a, b = set(a), set(b)
    return any((x in a and y in b) or (x in b and y in a) for x, y in graph.never)


def greedy(graph: Graph) -> tuple[set[frozenset[int]], list[str | None]]:
    """Every pair in its order, whole sets compared anew each time: what the rules mean."""
    groups = [frozenset({record}) for record in range(graph.records)]
    reasons: list[str | None] = []
    for left, right, is_decided in graph.first:
        a = next(group for group in groups if left in group)
        b = next(group for group in groups if right in group)
        why = None
        if a != b and is_banned(a, b, graph):
            why = CANNOT_LINK
        elif a != b and not is_decided and is_over(a | b, graph):
            why = OVER_LIMIT
        reasons.append(why)
        if a != b and why is None:
            groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups), reasons


@given(graphs(namespaces=0, bans=False))
def test_without_limits_and_bans_groups_are_connected_components(graph: Graph):
    found = joined(graph)
    assert parts(found.labels) == union_find(graph.records, [(a, b) for a, b, _ in graph.first])
    assert set(found.reasons) <= {None}


@settings(max_examples=400)
@given(graphs())
@example(COLLISION)
@example(INHERITED)
def test_groups_are_those_of_the_slow_greedy_reference(graph: Graph):
    found = joined(graph)
    groups, reasons = greedy(graph)
    assert parts(found.labels) == groups
    assert found.reasons.tolist() == reasons


@settings(max_examples=300)
@given(graphs(most_records=25))
@example(COLLISION)
@example(INHERITED)
def test_no_join_ever_breaks_a_limit_or_a_ban(graph: Graph):
    undecided = graph._replace(first=[(a, b, False) for a, b, _ in graph.first])
    for group in parts(joined(undecided).labels):
        # A record may itself come with too many values; then it stays alone.
        assert len(group) == 1 or not is_over(group, graph)
    for group in parts(joined(graph).labels):
        assert not is_banned(group, group, graph)


@given(graphs(most_records=25))
@example(COLLISION)
def test_used_pairs_join_and_rejected_ones_would_have_broken_something(graph: Graph):
    found = joined(graph)
    used = [(a, b) for (a, b, _), why in zip(graph.first, found.reasons, strict=True) if why is None]
    assert parts(found.labels) == union_find(graph.records, used)
    groups = {record: group for group in parts(found.labels) for record in group}
    for (left, right, _), why in zip(graph.first, found.reasons, strict=True):
        if why == OVER_LIMIT:
            assert is_over(groups[left] | groups[right], graph)
        if why == CANNOT_LINK:
            assert is_banned(groups[left], groups[right], graph)


@given(graphs())
def test_groups_are_named_by_their_smallest_record(graph: Graph):
    labels = joined(graph).labels
    for group in parts(labels):
        assert {int(labels[record]) for record in group} == {min(group)}


@given(graphs(), st.randoms(use_true_random=False))
def test_neither_the_sides_of_pairs_nor_the_order_of_values_matter(graph: Graph, chance: random.Random):
    """The order of pairs does matter, strongest first; `resolve_edges` makes it total, and is tested for it."""
    turned = graph._replace(
        first=[(a, b, d) if chance.random() < 0.5 else (b, a, d) for a, b, d in graph.first],
        never=chance.sample([pair[::-1] for pair in graph.never] * 2, 2 * len(graph.never)),
        held=[chance.sample(held * 2, len(held) * 2) for held in graph.held],  # doubles say nothing new
    )
    one, other = joined(graph), joined(turned)
    assert one.labels.tolist() == other.labels.tolist()
    assert one.reasons.tolist() == other.reasons.tolist()

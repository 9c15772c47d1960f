"""The way between two records, against trying every way there is."""

import random
from itertools import pairwise
from typing import Any

from identity.resolve.decisions import Record
from identity.resolve.paths import Edge, by_strength, ends_of, path, strength


def edge(
    left: str, right: str, rule: str = "email", rank: int = 6, weight: float | None = None
) -> dict[str, Any]:
    one, other = sorted((("crm", left), ("crm", right)))
    return {
        "source_l": one[0], "source_key_l": one[1], "source_r": other[0], "source_key_r": other[1], "rule": rule,
        "rank": rank, "match_weight": weight,
    }  # fmt: skip


def compared(left: str, right: str, weight: float) -> dict[str, Any]:
    return edge(left, right, "model", 100, weight)


def way(edges: list[dict[str, Any]], start: str, end: str) -> list[tuple[str, str, list[str]]] | None:
    found = path(edges, [("crm", start)], [("crm", end)])
    return found and [(a[1], b[1], [e["rule"] for e in between]) for a, b, between in found]


def test_few_edges_come_before_strong_ones():
    edges = [edge("a", "b", rank=1), edge("b", "c", rank=1), compared("a", "c", 0.1)]
    assert way(edges, "a", "c") == [("a", "c", ["model"])]


def test_of_ways_as_short_the_one_whose_weakest_edge_is_strongest():
    through_b = [edge("a", "b", rank=1), compared("b", "d", 3.0)]
    through_c = [compared("a", "c", 4.0), compared("c", "d", 5.0)]
    assert way([*through_b, *through_c], "a", "d") == [("a", "c", ["model"]), ("c", "d", ["model"])]


def test_of_ways_as_strong_the_one_whose_records_sort_first():
    edges = [edge(a, b) for a, b in ("ac", "cd", "ab", "bd")]
    assert way(edges, "a", "d") == [("a", "b", ["email"]), ("b", "d", ["email"])]
    assert way(edges, "d", "a") == [("d", "b", ["email"]), ("b", "a", ["email"])]


def test_all_edges_of_a_step_are_told_strongest_first():
    edges = [compared("a", "b", 9.0), edge("a", "b", "phone", 7), edge("a", "b", "must_link", 0)]
    assert way(edges, "a", "b") == [("a", "b", ["must_link", "phone", "model"])]


def test_no_way():
    assert way([edge("a", "b"), edge("c", "d")], "a", "d") is None
    assert way([], "a", "b") is None


def test_from_many_to_many_the_nearest():
    edges = [edge("a", "b"), edge("b", "c"), edge("c", "d"), edge("x", "d")]
    found = path(edges, [("crm", "a"), ("crm", "c")], [("crm", "d"), ("crm", "z")])
    assert found is not None
    assert [(step.start[1], step.end[1]) for step in found] == [("c", "d")]


def naive(edges: list[Edge], start: Record, end: Record) -> tuple[Record, ...] | None:
    """Every way without a circle, and the best of them by the rule as it is written down."""
    strongest: dict[frozenset[Record], Any] = {}
    for some in edges:
        ends = frozenset(ends_of(some))
        strongest[ends] = min(strongest.get(ends, strength(some)), strength(some))
    ways, grown = [], [(start,)]
    while grown:
        ways += [w for w in grown if w[-1] == end]
        grown = [
            (*w, other)
            for w in grown
            for ends in strongest
            for other in ends - {w[-1]}
            if w[-1] in ends and other not in w
        ]

    def rule(w: tuple[Record, ...]) -> Any:
        strengths = sorted((strongest[frozenset(step)] for step in pairwise(w)), reverse=True)
        return len(w), strengths, w

    return min(ways, key=rule, default=None)


def test_random_graphs_against_trying_every_way():
    chance = random.Random(4)
    found_some = 0
    for _ in range(300):
        names = "abcdefg"[: chance.randint(2, 7)]
        edges = [
            compared(a, b, chance.choice([1.0, 2.0, 3.0])) if chance.random() < 0.6 else edge(a, b, rank=chance.randint(1, 3))
            for a, b in (chance.sample(names, 2) for _ in range(chance.randint(1, 14)))
        ]  # fmt: skip
        start, end = (("crm", name) for name in chance.sample(names, 2))
        expected = naive(edges, start, end)
        for shuffled in (edges, chance.sample(edges, len(edges))):
            found = path(shuffled, [start], [end])
            assert (found and (start, *(step.end for step in found))) == expected
        found_some += expected is not None
    assert 100 < found_some < 300


def test_edges_by_strength():
    edges = [
        compared("a", "b", 1.0),
        compared("a", "c", 2.0),
        edge("a", "d"),
        edge("a", "b", "cannot_link", 0),
    ]
    assert [e["rule"] for e in by_strength(edges)] == ["cannot_link", "email", "model", "model"]
    assert [e["match_weight"] for e in by_strength(edges)[2:]] == [2.0, 1.0]

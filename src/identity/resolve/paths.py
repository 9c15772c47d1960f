"""The way by which records are one: from record to record over edges that were used."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from identity.resolve.decisions import Record

Edge = Mapping[str, Any]
Strength = tuple[int, float]


class Step(NamedTuple):
    """A step of a way.

    Attributes:
        start: Where it begins.
        end: The record it leads to.
        edges: The used edges between the two, strongest first.
    """

    start: Record
    end: Record
    edges: list[Edge]


def ends_of(edge: Edge) -> tuple[Record, Record]:
    """The two records of an edge."""
    return (edge["source_l"], edge["source_key_l"]), (edge["source_r"], edge["source_key_r"])


def strength(edge: Edge) -> Strength:
    """How strong an edge is, the strongest first: decisions, namespaces by rank, then what was compared by weight."""
    return edge["rank"], -(edge["match_weight"] or 0.0)


def by_strength(edges: Iterable[Edge]) -> list[Edge]:
    """Edges, strongest first; equally strong ones by their records and rule."""
    return sorted(edges, key=lambda edge: (strength(edge), ends_of(edge), edge["rule"]))


def path(edges: Iterable[Edge], starts: Collection[Record], ends: Collection[Record]) -> list[Step] | None:
    """The shortest way from any of some records to any of others.

    Of ways with equally many edges the one whose weakest edge is strongest is taken, then the one whose next weakest
    is; then the one whose records sort first.

    Args:
        edges: Edges that were used.
        starts: Where the way may begin.
        ends: Where it may end; none of `starts`.

    Returns:
        The way, step by step; None where there is none.
    """
    beside: dict[Record, dict[Record, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    for edge in by_strength(edges):
        left, right = ends_of(edge)
        beside[left][right].append(edge)
        beside[right][left].append(edge)
    # By record, the best way to it: the strengths of its edges, weakest first, and its records. Adding the same edge
    # to two ways of one length changes nothing about which is better, so one way a record is enough.
    layer: dict[Record, tuple[list[Strength], tuple[Record, ...]]] = {
        record: ([], (record,)) for record in starts
    }
    seen = set(starts)
    wanted = set(ends)
    while layer and not wanted & layer.keys():
        further: dict[Record, tuple[list[Strength], tuple[Record, ...]]] = {}
        for record, (strengths, way) in layer.items():
            for other, between in beside[record].items():
                if other not in seen:
                    step = sorted([*strengths, strength(between[0])], reverse=True), (*way, other)
                    further[other] = min(further.get(other, step), step)
        seen |= further.keys()
        layer = further
    if not layer:
        return None
    _, way = min(layer[record] for record in wanted & layer.keys())
    return [Step(record, other, beside[record][other]) for record, other in pairwise(way)]

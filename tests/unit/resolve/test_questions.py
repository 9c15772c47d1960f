"""Which pairs a person is asked about: worked by hand; bridges against brute force."""

import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.linkage.model import log_odds
from identity.resolve.decisions import PAIR
from identity.resolve.questions import QUESTION, bridges, questions

JOIN, KEEP = 0.9, 0.75  # 3.17 and 1.58 bits: a band of 1.58 bits on both sides of the threshold
AT = log_odds(JOIN)
NOTHING = pd.DataFrame(columns=[*PAIR, "decision"])
Row = tuple[str, str, str, float | None, str | None]


def edges(rows: list[Row]) -> pd.DataFrame:
    """Rows: left, right, rule, bits above the join threshold, reason; records are single letters of one source."""
    made = []
    for left, right, rule, above, reason in rows:
        kind = {"model": "probabilistic", "must_link": "human", "cannot_link": "human"}.get(
            rule, "deterministic"
        )
        weight = None if above is None else AT + above
        probability = None if weight is None else 1 / (1 + 2**-weight)
        made.append(("crm", left, "crm", right, kind, rule, 100 if rule == "model" else 1, weight, probability,
                     "rejected" if reason else "used", reason))  # fmt: skip
    names = [*PAIR, "kind", "rule", "rank", "match_weight", "probability", "fate", "reason"]
    return pd.DataFrame(made, columns=names)


def decided(*rows: tuple[str, str, str]) -> pd.DataFrame:
    made = [("crm", a, "crm", b, decision) for a, b, decision in rows]
    return pd.DataFrame(made, columns=[*PAIR, "decision"])


def asked(rows: list[Row], decisions: pd.DataFrame = NOTHING) -> list[tuple[str, str, float]]:
    """The pairs, why each is asked, and what it would tell."""
    found = questions(edges(rows), decisions, join=JOIN, keep=KEEP)
    assert list(found.columns) == list(QUESTION)
    pairs = found["source_key_l"] + found["source_key_r"]
    return list(zip(pairs, found["why"], found["informativeness"].astype(float).round(3), strict=True))


NEAR: list[Row] = [
    ("a", "b", "model", 0.5, None),  # just joined
    ("c", "d", "model", -1.0, "weaker_than_threshold"),  # not joined, a bit further away
    ("e", "f", "model", 1.7, None),  # out of the band
    ("g", "h", "model", -1.7, "weaker_than_threshold"),
]


def test_pairs_near_the_threshold_on_both_sides_of_it():
    assert asked(NEAR) == [("ab", "near_threshold", 0.707), ("cd", "near_threshold", 0.5)]


def test_what_is_at_stake_comes_before_what_is_nearest():
    three = [
        ("c", "x", "email", None, None),
        ("x", "y", "email", None, None),
        ("d", "z", "email", None, None),
    ]
    # An answer on c and d joins three records with two.
    assert asked([*NEAR, *three]) == [("cd", "near_threshold", 3.0), ("ab", "near_threshold", 0.707)]


def test_a_pair_that_is_sure_of_itself_and_kept_apart():
    rows: list[Row] = [
        ("a", "b", "model", 9.0, "unique_namespace"),
        ("c", "d", "model", 0.1, "outweighed"),
        (
            "e",
            "f",
            "loyalty_member",
            None,
            "unique_namespace",
        ),  # an identifier that merge protection overrules
        ("e", "f", "model", -9.0, "unique_namespace"),
        ("g", "h", "email", None, "needs_agreement"),  # as it should be
        ("i", "j", "email", None, "shared_by_too_many"),
    ]
    found = questions(edges(rows), NOTHING, join=JOIN, keep=KEEP)
    assert [(row.source_key_l, row.why, row.rule, row.reason) for row in found.itertuples()] == [
        ("a", "conflicting_constraints", "model", "unique_namespace"),
        ("c", "conflicting_constraints", "model", "outweighed"),
        ("e", "conflicting_constraints", "loyalty_member", "unique_namespace"),
    ]
    # Both edges of a pair are one row, with the weight of the one and the rule of the other.
    assert found["match_weight"].iloc[2] == pytest.approx(AT - 9)


def test_the_weakest_link_of_a_cluster_a_bridge_before_an_edge_of_a_dense_one():
    chain: list[Row] = [
        ("a", "b", "model", 8.0, None), ("b", "c", "model", 8.0, None), ("c", "d", "model", 3.0, None),
        ("d", "e", "model", 8.0, None), ("e", "f", "model", 8.0, None),
    ]  # fmt: skip
    dense: list[Row] = [
        ("p", "q", "model", 2.5, None), ("p", "r", "model", 8.0, None), ("q", "r", "model", 8.0, None),
    ]  # fmt: skip
    # Nine pairs of records part at c-d, halved three times; at p-q none but its own would, which is not worth asking.
    assert asked(chain + dense) == [("cd", "weakest_link", 1.125)]


def test_a_pair_that_is_one_against_its_own_weight():
    rows: list[Row] = [
        ("a", "b", "email", None, None), ("b", "c", "email", None, None), ("a", "c", "model", -9.0, None),
    ]  # fmt: skip
    assert asked(rows) == [("ac", "weakest_link", 1.0)]


def test_a_weak_pair_that_alone_holds_two_parts_together():
    rows: list[Row] = [
        ("a", "b", "email", None, None), ("c", "d", "email", None, None), ("b", "c", "model", -5.0, None),
    ]  # fmt: skip
    assert asked(rows) == [("bc", "weakest_link", 4.0)]


def test_what_an_identifier_or_a_person_joins_is_no_question():
    assert asked([("a", "b", "model", 0.0, None), ("a", "b", "email", None, None)]) == []
    assert asked([("a", "b", "model", 0.0, None), ("a", "b", "must_link", None, None)]) == []


def test_what_is_decided_or_follows_is_not_asked_and_the_next_takes_its_place():
    between: list[Row] = [
        ("a", "b", "email", None, None), ("c", "d", "email", None, None),
        ("a", "c", "model", -0.5, "weaker_than_threshold"), ("b", "d", "model", -1.0, "weaker_than_threshold"),
    ]  # fmt: skip
    assert [pair for pair, *_ in asked(between)] == ["ac"]  # one question between two golden ids
    assert [pair for pair, *_ in asked(between, decided(("a", "c", "cannot_link")))] == ["bd"]
    follows = decided(("a", "c", "cannot_link"), ("a", "b", "must_link"), ("c", "d", "must_link"))
    assert asked(between, follows) == []


def test_the_kinds_take_turns():
    rows: list[Row] = [
        *[(f"n{i}", f"o{i}", "model", 0.2 + i / 10, None) for i in range(3)],
        *[(f"p{i}", f"q{i}", "model", 5.0, "outweighed") for i in range(2)],
    ]  # fmt: skip
    assert [pair for pair, *_ in asked(rows)] == ["n0o0", "p0q0", "n1o1", "p1q1", "n2o2"]


def test_the_order_of_edges_says_nothing():
    chance = random.Random(1)
    names = "abcdefghijkl"
    rows: list[Row] = []
    for left in names:
        for right in names:
            if left < right and chance.random() < 0.3:
                above = round(chance.uniform(-3, 3), 1)
                rows.append((left, right, "model", above, None if above > 0 else "weaker_than_threshold"))
    first = asked(rows)
    assert len(first) > 1
    assert all(asked(chance.sample(rows, len(rows))) == first for _ in range(5))


def test_no_edges_no_questions():
    assert asked([]) == []


Graph = list[tuple[int, int]]


def component(of: int, graph: Graph) -> set[int]:
    reached = {of}
    while True:
        more = {end for edge in graph if reached & set(edge) for end in edge} - reached
        if not more:
            return reached
        reached |= more


_END = st.integers(0, 8)


@given(st.lists(st.tuples(_END, _END).filter(lambda e: e[0] < e[1]), unique=True, max_size=14))
def test_bridges_are_edges_without_which_the_ends_are_apart(graph: Graph):
    found = bridges(graph)
    for edge in graph:
        rest = [other for other in graph if other != edge]
        sides = [component(end, rest) for end in edge]
        is_bridge = edge[1] not in sides[0]
        assert (edge in found) == is_bridge
        if is_bridge:
            assert found[edge] in map(len, sides)


def test_a_long_chain_has_nothing_but_bridges():
    chain = [(n, n + 1) for n in range(100_000)]
    found = bridges(chain)
    assert len(found) == len(chain)
    assert found[49_999, 50_000] in (50_000, 50_001)

"""Scores against the definitions, pair by pair and record by record."""

from itertools import combinations

import numpy as np
import pytest

from identity.linkage.scores import score_clusters, score_edges


def naive(golden: list[int], entity: list[int]) -> tuple[float, ...]:
    pairs = list(combinations(range(len(golden)), 2))
    told = {p for p in pairs if golden[p[0]] == golden[p[1]]}
    true = {p for p in pairs if entity[p[0]] == entity[p[1]]}
    everyone = range(len(golden))
    of = {i: {j for j in everyone if golden[j] == golden[i]} for i in everyone}
    real = {i: {j for j in everyone if entity[j] == entity[i]} for i in everyone}
    whole = {frozenset(x) for x in real.values()}
    return (
        len(told & true) / len(told), len(told & true) / len(true),
        float(np.mean([len(of[i] & real[i]) / len(of[i]) for i in everyone])),
        float(np.mean([len(of[i] & real[i]) / len(real[i]) for i in everyone])),
        len(whole & {frozenset(x) for x in of.values()}) / len(whole),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_cluster_scores_are_the_definitions(seed: int):
    rng = np.random.default_rng(seed)
    entity = rng.integers(0, 12, 40)
    golden = np.where(rng.random(40) < 0.8, entity, rng.integers(0, 12, 40))
    found = score_clusters(golden, entity)
    told = (
        found["pairwise"]["precision"], found["pairwise"]["recall"], found["b_cubed"]["precision"],
        found["b_cubed"]["recall"], found["exact_cluster_rate"],
    )  # fmt: skip
    assert told == pytest.approx(naive(golden.tolist(), entity.tolist()), abs=1e-4)
    low, high = found["pairwise"]["f1_interval"]
    assert low < found["pairwise"]["f1"] < high


def test_what_is_perfect_has_no_spread():
    found = score_clusters(np.array([0, 0, 1]), np.array([5, 5, 6]))
    assert found["pairwise"]["f1_interval"] == [1, 1]


def test_edge_scores():
    left, right, used = np.array([0, 0, 2]), np.array([1, 2, 3]), np.array([True, True, False])
    found = score_edges(left, right, used, np.array([0, 0, 1, 1, 1]))
    assert found == {"pairwise": {"precision": 0.5, "recall": 0.25, "f1": 0.3333}, "blocking_recall": 0.5}

"""Clusters and the fate of edges, worked by hand; `tests/property/test_clustering.py` has the references."""

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Namespace
from identity.resolve.clustering import cluster, node_values
from identity.resolve.edges import below_threshold, resolve_edges
from identity.resolve.identifiers import EDGE

NAMESPACES = {
    "loyalty_member": Namespace(level="identified", rank=2, links="always", max_persons=50, max_per_person=1),
    "email": Namespace(level="identified", rank=6, links="with_agreement", max_persons=8),
}


def run(
    nodes: int, edges: list[tuple[int, int]], held: dict[int, str], limit: int = 1
) -> tuple[list[int], list[bool]]:
    frame = pd.DataFrame(edges, columns=["l", "r"], dtype=np.int64)
    values = pd.DataFrame({"node": np.array(list(held), dtype=np.int64), "value": list(held.values())})
    found = cluster(nodes, frame, [values], [limit])
    return found.labels.tolist(), found.rejected.tolist()


def test_two_protected_values_never_meet_and_the_stronger_edge_wins():
    held = {0: "M1", 2: "M2"}  # two members, and record 1 between them
    assert run(3, [(0, 1), (1, 2)], held) == ([0, 0, 2], [False, True])
    assert run(3, [(1, 2), (0, 1)], held) == ([0, 1, 1], [False, True])


def test_what_a_cluster_gathered_counts_and_not_only_the_two_records():
    # 1 and 2 hold nothing themselves, but 1 is with M1 and 2 with M2 by the time their edge comes.
    assert run(4, [(0, 1), (2, 3), (1, 2)], {0: "M1", 3: "M2"}) == ([0, 0, 2, 2], [False, False, True])


def test_the_same_value_twice_is_one_value():
    assert run(3, [(0, 1), (1, 2)], {0: "M1", 2: "M1"}) == ([0, 0, 0], [False, False])


def test_an_edge_inside_a_cluster_is_used():
    # The third edge joins nothing new; it is no reason against anybody.
    assert run(4, [(0, 1), (1, 2), (0, 2), (2, 3)], {0: "M1", 3: "M2"}) == (
        [0, 0, 0, 3],
        [False, False, False, True],
    )


def test_a_limit_of_two_lets_two_values_meet_but_not_three():
    held = {0: "M1", 1: "M2", 2: "M3"}
    assert run(3, [(0, 1), (1, 2)], held, limit=2) == ([0, 0, 2], [False, True])


def test_a_broken_component_does_not_touch_another():
    assert run(5, [(0, 1), (3, 4)], {0: "M1", 1: "M2", 3: "M3"}) == ([0, 1, 2, 3, 3], [True, False])


def test_nothing_to_cluster():
    assert run(0, [], {}) == ([], [])


def test_values_of_records_without_an_edge_are_left_out():
    table = pd.DataFrame({"source": ["crm", "crm"], "source_key": ["1", "2"], "value": ["a", "b"]})
    assert node_values(table, {("crm", "2"): 0}).to_dict("list") == {"node": [0], "value": ["b"]}


# The fate of edges


def edges(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    """Rows: left, right, rule, probability (None: deterministic), reason; records as `source:key`."""
    made = []
    for left, right, rule, probability, reason in rows:
        rank = NAMESPACES[rule].rank if probability is None else 100
        weight = None if probability is None else float(np.log2(probability / (1 - probability)))
        kind = "deterministic" if probability is None else "probabilistic"
        made.append((*left.split(":"), *right.split(":"), kind, rule, rank, weight, probability, reason))
    return spark.createDataFrame(made, EDGE)


def members(spark: SparkSession, *rows: tuple[str, str]) -> DataFrame:
    """Which record carries which loyalty member."""
    return spark.createDataFrame(
        [("loyalty_member", *record.split(":"), value) for record, value in rows],
        "namespace string, source string, source_key string, value_hmac string",
    )


ROWS = [
    ("crm:1", "loyalty:M1", "loyalty_member", None, None),  # contact 1 carries member M1
    ("crm:2", "loyalty:M1", "finland-1", 0.995, None),  # contact 2 is more like M1 ...
    ("crm:2", "loyalty:M2", "finland-1", 0.999, None),  # ... or still more like M2
    ("crm:3", "loyalty:M2", "email", None, "needs_agreement"),  # rejected before
    ("crm:4", "crm:5", "finland-1", 0.992, None),  # two who are alike and carry nothing
    ("crm:4", "crm:5", "email", None, "shared_by_too_many"),
]
CARRIED = [("crm:1", "M1"), ("loyalty:M1", "M1"), ("loyalty:M2", "M2")]


def resolved(
    spark: SparkSession, rows: list[tuple[Any, ...]], carried: list[tuple[str, str]]
) -> tuple[Any, Any]:
    found = resolve_edges(edges(spark, rows), members(spark, *carried), namespaces=NAMESPACES)
    fates = {
        (f"{r.source_l}:{r.source_key_l}", f"{r.source_r}:{r.source_key_r}", r.rule): (r.fate, r.reason)
        for r in found.edges.collect()
    }
    clusters = {f"{r.source}:{r.source_key}": (r.cluster, r.confidence) for r in found.clusters.collect()}
    return fates, clusters


def test_the_fate_of_edges_and_what_follows(spark: SparkSession):
    fates, clusters = resolved(spark, ROWS, CARRIED)
    assert fates == {
        ("crm:1", "loyalty:M1", "loyalty_member"): ("used", None),
        ("crm:2", "loyalty:M1", "finland-1"): ("rejected", "unique_namespace"),
        ("crm:2", "loyalty:M2", "finland-1"): ("used", None),
        ("crm:3", "loyalty:M2", "email"): ("rejected", "needs_agreement"),
        ("crm:4", "crm:5", "finland-1"): ("used", None),
        ("crm:4", "crm:5", "email"): ("rejected", "shared_by_too_many"),
    }
    # A cluster is named by its first record; confidence is the strongest used edge's; who has none is left out.
    assert clusters == {
        "crm:1": ("crm\x1f1", 1.0),
        "loyalty:M1": ("crm\x1f1", 1.0),
        "crm:2": ("crm\x1f2", 0.999),
        "loyalty:M2": ("crm\x1f2", 0.999),
        "crm:4": ("crm\x1f4", 0.992),
        "crm:5": ("crm\x1f4", 0.992),
    }


def test_the_order_of_rows_does_not_matter(spark: SparkSession):
    expected = resolved(spark, ROWS, CARRIED)
    for seed in range(3):
        chance = random.Random(seed)
        assert (
            resolved(spark, chance.sample(ROWS, len(ROWS)), chance.sample(CARRIED, len(CARRIED))) == expected
        )


@pytest.mark.parametrize("rows", [[], [ROWS[3]]], ids=["no edge", "no usable edge"])
def test_without_a_usable_edge_there_are_no_clusters(spark: SparkSession, rows: list[tuple[Any, ...]]):
    fates, clusters = resolved(spark, rows, CARRIED)
    assert (len(fates), clusters) == (len(rows), {})


def test_no_columns_are_lost_on_the_way(spark: SparkSession):
    before = edges(spark, ROWS)
    after = resolve_edges(before, members(spark, *CARRIED), namespaces=NAMESPACES).edges
    assert after.columns == [*before.columns, "fate"]
    keys = ["source_l", "source_key_l", "source_r", "source_key_r", "kind", "rule"]
    kept = [*keys, "rank", "match_weight", "probability"]
    assert sorted(map(tuple, after.select(kept).collect()), key=str) == sorted(
        map(tuple, before.select(kept).collect()), key=str
    )


def test_records_that_were_one_stay_one_down_to_the_keep_threshold(spark: SparkSession):
    rows = [
        ("crm:1", "crm:2", "finland-1", 0.95, None),  # were one: 0.95 keeps them
        ("crm:1", "crm:3", "finland-1", 0.95, None),  # were two: 0.95 does not join them
        ("crm:2", "crm:3", "finland-1", 0.99, None),  # were two: 0.99 joins
        ("crm:1", "crm:4", "finland-1", 0.89, None),  # were one, but below keep
        ("crm:5", "crm:6", "finland-1", 0.98, None),  # new, not in any golden id
        ("crm:2", "crm:4", "finland-1", 0.999, "names_differ"),  # a reason found before stays
    ]
    before = spark.createDataFrame(
        [("crm", "1", "A"), ("crm", "2", "A"), ("crm", "3", "B"), ("crm", "4", "A")],
        "source string, source_key string, golden_id string",
    )
    judged = below_threshold(edges(spark, rows), before, join=0.99, keep=0.9)
    assert {f"{r.source_key_l}-{r.source_key_r}": r.reason for r in judged.collect()} == {
        "1-2": None,
        "1-3": "weaker_than_threshold",
        "2-3": None,
        "1-4": "weaker_than_threshold",
        "5-6": "weaker_than_threshold",
        "2-4": "names_differ",
    }

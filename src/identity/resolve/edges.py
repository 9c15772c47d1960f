"""The fate of every edge, and the clusters that follow: collects edges in the driver, clusters, sends both back."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.resolve.clustering import cluster, node_values

_LEFT, _RIGHT = ["source_l", "source_key_l"], ["source_r", "source_key_r"]
_ORDER = ["rank", "match_weight", "rule", *_LEFT, *_RIGHT]


class Resolved(NamedTuple):
    """Edges with their fate, and the clusters of the records that have edges.

    Attributes:
        edges: The shape of id.edge.
        clusters: `source`, `source_key`, `cluster`, `confidence`; records without a used edge are not in it.
    """

    edges: DataFrame
    clusters: DataFrame


def below_threshold(edges: DataFrame, open_members: DataFrame, *, join: float, keep: float) -> DataFrame:
    """Reject probabilistic edges that are too weak: below `join`, or below `keep` between records that were one before."""
    before = open_members.select("source", "source_key", "golden_id")
    left = before.toDF("source_l", "source_key_l", "golden_l")
    right = before.toDF("source_r", "source_key_r", "golden_r")
    were_one = F.coalesce(F.col("golden_l") == F.col("golden_r"), F.lit(False))
    is_weak = F.col("probability") < F.when(were_one, keep).otherwise(join)
    return (
        edges.join(left, on=_LEFT, how="left")
        .join(right, on=_RIGHT, how="left")
        .withColumn("reason", F.coalesce("reason", F.when(is_weak, "weaker_than_threshold")))
        .drop("golden_l", "golden_r")
    )


def resolve_edges(
    edges: DataFrame, identifiers: DataFrame, *, namespaces: Mapping[str, Namespace]
) -> Resolved:
    """Cluster by the edges that have no reason against them.

    Args:
        edges: The shape `EDGE`.
        identifiers: silver.identifier rows of records that may be joined.
        namespaces: The identifier hierarchy; `max_per_person` protects.
    """
    found: pd.DataFrame = edges.toPandas().sort_values(
        _ORDER, ascending=[name != "match_weight" for name in _ORDER], ignore_index=True
    )
    usable = found[found["reason"].isna()]
    left = pd.MultiIndex.from_frame(usable[_LEFT])
    right = pd.MultiIndex.from_frame(usable[_RIGHT])
    nodes = left.append(right).unique().sort_values()
    index = {key: place for place, key in enumerate(nodes)}
    protected = {name: n.max_per_person for name, n in namespaces.items() if n.max_per_person is not None}
    held = (
        identifiers.where(F.col("namespace").isin(*protected))
        .select("namespace", "source", "source_key", F.col("value_hmac").alias("value"))
        .toPandas()
    )
    values = [node_values(held[held["namespace"] == name], index) for name in protected]
    pairs = pd.DataFrame({"l": [index[key] for key in left], "r": [index[key] for key in right]})
    result = cluster(len(nodes), pairs, values, list(protected.values()))
    found.loc[usable.index[result.rejected], "reason"] = "unique_namespace"
    found["fate"] = ["used" if pd.isna(reason) else "rejected" for reason in found["reason"]]
    names = ["\x1f".join(nodes[label]) for label in result.labels]
    clusters = pd.DataFrame(
        {
            "source": nodes.get_level_values(0) if len(nodes) else [],
            "source_key": nodes.get_level_values(1) if len(nodes) else [],
            "cluster": names,
        }
    )
    keys = {"source": object, "source_key": object}  # empty frames would have another type, and not merge
    clusters = clusters.astype(keys).merge(_confidence(found).astype(keys), on=[*keys], how="left")
    spark = edges.sparkSession
    shape = "source string, source_key string, cluster string, confidence double"
    return Resolved(_frame(edges, found), spark.createDataFrame(clusters, shape))


def _confidence(edges: pd.DataFrame) -> pd.DataFrame:
    """The probability of the strongest used edge of each record; deterministic edges are certain."""
    used = edges[edges["fate"] == "used"]
    sides = [
        used[[*side, "probability"]].set_axis(["source", "source_key", "confidence"], axis=1)
        for side in (_LEFT, _RIGHT)
    ]
    both = pd.concat(sides, ignore_index=True)
    both["confidence"] = both["confidence"].astype(float).fillna(1.0)
    return both.groupby(["source", "source_key"])["confidence"].max().reset_index()


def _frame(edges: DataFrame, found: pd.DataFrame) -> DataFrame:
    shape = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in edges.schema) + ", fate string"
    ordered = found[[*edges.columns, "fate"]].astype(object)
    return edges.sparkSession.createDataFrame(ordered.where(ordered.notna(), None), shape)

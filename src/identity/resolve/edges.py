"""Every edge with its fate, and the clusters that follow.

Edges come together in the driver: pairs a person decided on, then shared identifiers by rank, then pairs the linkage
engine compared. The engine joins what they allow; what it did not join is told why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.contracts import contract_of
from identity.linkage.engine import Linked, link_records
from identity.linkage.known import (
    CANNOT_LINK,
    OVER_LIMIT,
    Held,
    Known,
    breaks_limit,
    by_smallest,
    connected,
    join_first,
)
from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import Ints
from identity.linkage.waterfall import STEPS, steps_of
from identity.linkage.work import Spread, here
from identity.resolve.identifiers import EDGE
from identity.resolve.records import KEY, comparable, fields_of

_LEFT, _RIGHT = ["source_l", "source_key_l"], ["source_r", "source_key_r"]
_BETWEEN: Final = "\x1f"
DECISION: Final = (
    "source_l string, source_key_l string, source_r string, source_key_r string, decision string"
)
DECIDED_RANK: Final = 0
COPY_RANK: Final = 99
LINKED_RANK: Final = 100  # after every identifier namespace
_EVIDENCE: Final = contract_of("id.edge").columns["evidence"].type
_SHAPE = f"{EDGE}, fate string, evidence {_EVIDENCE}"
_CLUSTERS = "source string, source_key string, cluster string, part string, confidence double"
# Cluster confidence of what no model weighed.
_CERTAIN: Final = 1.0


class Resolved(NamedTuple):
    """Edges with their fate, and the clusters of the records that have edges.

    Attributes:
        edges: The shape of id.edge.
        clusters: `source`, `source_key`, `cluster`, `part`, `confidence`; records without an edge are not in it. A part
            is what identifiers or a person's decision hold together within a cluster (docs/adr/0016).
        cut: Components that were too large and had to be cut.
    """

    edges: DataFrame
    clusters: DataFrame
    cut: int


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against joining records, all of them records that may be joined.

    Attributes:
        shared: Edges of shared identifiers, in the shape `EDGE`; a reason rejects.
        records: silver.person_record rows to compare; None compares nothing.
        decisions: Pairs a person decided on: `source_l`, `source_key_l`, `source_r`, `source_key_r`, `decision`.
        identifiers: silver.identifier rows.
        before: Open rows of id.golden_member on the eve of the run.
        is_settled: Whether what was one golden id there stays so, and two stay two.
    """

    shared: DataFrame
    records: DataFrame | None
    decisions: DataFrame
    identifiers: DataFrame
    before: DataFrame
    is_settled: bool = False


def resolve_edges(
    evidence: Evidence,
    *,
    namespaces: Mapping[str, Namespace],
    model: Model | None,
    spread: Spread = here,
) -> Resolved:
    """Cluster by all evidence.

    Args:
        evidence: What speaks for and against.
        namespaces: The identifier hierarchy; `max_per_person` protects.
        model: What agreement is worth, and how sure is sure enough; needed where records are compared.
        spread: Who solves the components.
    """
    spark = evidence.shared.sparkSession
    rows = None if evidence.records is None else comparable(evidence.records, namespaces)
    # What is rejected already, a hub's million edges among it, need not come here.
    shared = evidence.shared.where("reason is null").toPandas()
    decided = evidence.decisions.toPandas()
    nodes = _Nodes.of(shared, decided, rows)
    first, known = _known(evidence, shared, decided, nodes, namespaces)
    if rows is None or model is None:
        joined = join_first(known)
        found, said, labels, reasons, cut = _no_edges(), None, joined.labels, joined.reasons, 0
    else:
        fields = fields_of(rows, nodes.numbers(rows["source"], rows["source_key"]))
        linked = link_records(fields, known, model=model, spread=spread)
        found, said = _compared(linked, known, nodes)
        labels, reasons, cut = linked.labels, linked.reasons, linked.cut
    banned = _human(decided[decided["decision"] == CANNOT_LINK], reason=CANNOT_LINK)
    edges = pd.concat([first.assign(reason=reasons), banned, found], ignore_index=True)
    edges["fate"] = np.where(edges["reason"].isna(), "used", "rejected")
    rejected = evidence.shared.where("reason is not null").select(
        "*", F.lit("rejected").alias("fate"), F.lit(None).cast(_EVIDENCE).alias("evidence")
    )
    clusters = _clusters(spark, edges, labels, nodes)
    return Resolved(_frame(spark, edges, said).unionByName(rejected), clusters, cut)


class _Nodes(NamedTuple):
    """Records by number, in the order of source and key."""

    keys: "pd.Index[str]"

    @classmethod
    def of(cls, shared: pd.DataFrame, decided: pd.DataFrame, rows: pd.DataFrame | None) -> "_Nodes":
        """All records that something is known of."""
        columns = [frame[side] for frame in (shared, decided) for side in (_LEFT, _RIGHT)]
        columns += [] if rows is None else [rows[[*KEY]]]
        joined = [_key(frame.iloc[:, 0], frame.iloc[:, 1]) for frame in columns]
        return cls(pd.Index(np.unique(np.concatenate([j.to_numpy(object) for j in joined]).astype(object))))

    def numbers(self, source: pd.Series, source_key: pd.Series) -> Ints:
        """Numbers of records; -1 for those nothing is known of."""
        found: Ints = self.keys.get_indexer(pd.Index(_key(source, source_key))).astype(np.int64)
        return found

    def ends(self, edges: pd.DataFrame) -> tuple[Ints, Ints]:
        """Numbers of both sides of edges."""
        left, right = (self.numbers(edges[side[0]], edges[side[1]]) for side in (_LEFT, _RIGHT))
        return left, right

    def named(self, numbers: npt.NDArray[Any]) -> pd.DataFrame:
        """`source`, `source_key` by number."""
        parts = self.keys[numbers].str.split(_BETWEEN, n=1, expand=False)
        return pd.DataFrame({"source": parts.str[0], "source_key": parts.str[1]}, dtype=object)


def _key(source: pd.Series, source_key: pd.Series) -> "pd.Series[str]":
    return source.astype(object) + _BETWEEN + source_key.astype(object)


def _known(
    evidence: Evidence,
    shared: pd.DataFrame,
    decided: pd.DataFrame,
    nodes: _Nodes,
    namespaces: Mapping[str, Namespace],
) -> tuple[pd.DataFrame, Known]:
    """Edges to use first, in their order, and what the engine is told."""
    limits = {name: n.max_per_person for name, n in namespaces.items() if n.max_per_person is not None}
    held = (
        evidence.identifiers.where(F.col("namespace").isin(*limits))
        .select("namespace", *KEY, F.col("value_hmac").alias("value"))
        .toPandas()
    )
    held["record"] = nodes.numbers(held["source"], held["source_key"])
    must = _human(decided[decided["decision"] != CANNOT_LINK], reason=None)
    first = pd.concat([must, shared], ignore_index=True) if len(must) else shared
    first = first.sort_values(["rank", "rule", *_LEFT, *_RIGHT], ignore_index=True)
    left, right = nodes.ends(first)
    apart = nodes.ends(decided[decided["decision"] == CANNOT_LINK])
    return first, Known(
        records=len(nodes.keys),
        first=pd.DataFrame({"l": left, "r": right, "is_decided": first["kind"].eq("human").to_numpy(bool)}),
        never=pd.DataFrame({"l": apart[0], "r": apart[1]}),
        held=held.loc[held["record"] >= 0, ["record", "namespace", "value"]],
        limits=limits,
        before=_before(evidence.before, nodes),
        is_settled=evidence.is_settled,
    )


def _human(decided: pd.DataFrame, *, reason: str | None) -> pd.DataFrame:
    """Decisions as edges."""
    return decided[[*_LEFT, *_RIGHT]].assign(
        kind="human", rule=decided["decision"], rank=DECIDED_RANK, match_weight=None, probability=None, reason=reason
    )  # fmt: skip


def _before(members: DataFrame, nodes: _Nodes) -> Ints:
    """By record, its golden id of the eve as a number."""
    rows = members.select(*KEY, "golden_id").toPandas()
    before = np.full(len(nodes.keys), -1, dtype=np.int64)
    numbers = nodes.numbers(rows["source"], rows["source_key"])
    before[numbers[numbers >= 0]] = pd.factorize(rows["golden_id"])[0][numbers >= 0]
    return before


def _no_edges() -> pd.DataFrame:
    names = [part.split()[0] for part in EDGE.split(", ")]
    return pd.DataFrame({name: pd.Series(dtype=object) for name in names})


def _compared(linked: Linked, known: Known, nodes: _Nodes) -> tuple[pd.DataFrame, pa.ChunkedArray]:
    """Edges of records that say the same, then of compared pairs that are worth keeping; and what the latter rest on."""
    left, right = linked.candidates.left, linked.candidates.right
    together = linked.labels[left] == linked.labels[right]
    worth = together | (linked.weights >= log_odds(linked.model.thresholds.candidate))
    left, right, weights = left[worth], right[worth], linked.weights[worth]
    said = steps_of(linked.candidates.where(worth), weights, linked.model)
    compared = _edges(
        nodes, left, right, kind="probabilistic", rule=linked.model.version, rank=LINKED_RANK
    ).assign(
        match_weight=weights,
        probability=1 / (1 + np.exp2(-weights)),
        reason=_why_apart(linked, known, left, right, weights, log_odds(linked.model.thresholds.join)),
    )
    copies = _edges(
        nodes, linked.copies["l"].to_numpy(), linked.copies["r"].to_numpy(), kind="deterministic", rule="same_record",
        rank=COPY_RANK,
    ).assign(match_weight=None, probability=None, reason=None)  # fmt: skip
    return (pd.concat([copies, compared], ignore_index=True) if len(copies) else compared), said


def _edges(nodes: _Nodes, left: Ints, right: Ints, *, kind: str, rule: str, rank: int) -> pd.DataFrame:
    sides = [nodes.named(side).add_suffix(end) for side, end in ((left, "_l"), (right, "_r"))]
    return pd.concat(sides, axis=1).assign(kind=kind, rule=rule, rank=rank)


def _why_apart(
    linked: Linked, known: Known, left: Ints, right: Ints, weights: npt.NDArray[np.float64], join: float
) -> npt.NDArray[np.object_]:
    """Why the groups of compared pairs are not one; None where they are."""
    a, b = linked.labels[left], linked.labels[right]
    never = {
        frozenset(pair)
        for pair in zip(*(linked.labels[known.never[s].to_numpy(np.int64)] for s in "lr"), strict=True)
    }
    is_apart = a != b
    reasons = np.full(len(a), None, dtype=object)
    reasons[is_apart] = "outweighed"
    reasons[is_apart & (weights < join)] = "weaker_than_threshold"
    if is_apart.any():
        at = np.flatnonzero(is_apart)
        reasons[at[_over_limit(known, linked.labels, a[at], b[at])]] = OVER_LIMIT
        if never:
            banned = [frozenset(pair) in never for pair in zip(a.tolist(), b.tolist(), strict=True)]
            reasons[is_apart & np.array(banned)] = CANNOT_LINK
    return reasons


def _over_limit(known: Known, labels: Ints, a: Ints, b: Ints) -> npt.NDArray[np.bool_]:
    """Which two groups would hold more values of a namespace than one person may have."""
    held: dict[int, Held] = {}
    groups = labels[known.held["record"].to_numpy(np.int64)].tolist()
    for group, namespace, value in zip(groups, known.held["namespace"], known.held["value"], strict=True):
        held.setdefault(group, {}).setdefault(namespace, set()).add(value)
    nothing: Held = {}
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return np.array(
        [breaks_limit(held.get(x, nothing), held.get(y, nothing), known.limits) for x, y in pairs], dtype=bool
    )


def _clusters(spark: SparkSession, edges: pd.DataFrame, labels: Ints, nodes: _Nodes) -> DataFrame:
    """Cluster and confirmed part of each record that has an edge, both named by their first record."""
    used = edges[edges["fate"] == "used"]
    confirmed = nodes.ends(used[used["kind"] != "probabilistic"])
    parts = by_smallest(connected(len(labels), *confirmed))
    confidence = np.zeros(len(labels))
    certain = pd.to_numeric(used["probability"]).fillna(_CERTAIN).to_numpy(float)
    for side in nodes.ends(used):
        np.maximum.at(confidence, side, certain)
    found = nodes.named(np.arange(len(labels))).assign(
        cluster=nodes.keys[labels].to_numpy(object),
        part=nodes.keys[parts].to_numpy(object),
        confidence=np.where(confidence > 0, confidence, _CERTAIN),
    )
    return spark.createDataFrame(found, _CLUSTERS) if len(found) else spark.createDataFrame([], _CLUSTERS)


def _frame(spark: SparkSession, edges: pd.DataFrame, said: pa.ChunkedArray | None) -> DataFrame:
    """Edges in the shape of id.edge.

    Args:
        spark: The session.
        edges: All columns but `evidence`.
        said: The evidence of the last of them; the others have none.
    """
    if not len(edges):
        return spark.createDataFrame([], _SHAPE)
    names = [field.split()[0] for field in EDGE.split(", ")] + ["fate"]
    kinds = {"rank": pa.int32(), "match_weight": pa.float64(), "probability": pa.float64()}
    columns = {name: pa.array(edges[name], kinds.get(name, pa.string()), from_pandas=True) for name in names}
    those = len(edges) - (0 if said is None else len(said))
    evidence = [pa.nulls(those, STEPS), *([] if said is None else said.chunks)]
    return spark.createDataFrame(pa.table({**columns, "evidence": pa.chunked_array(evidence, STEPS)}), _SHAPE)

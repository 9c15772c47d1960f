"""Which pairs a person should look at, and in which order: where an answer would change most.

A pair's **informativeness** is what is at stake, in pairs of records that an answer would join or part, halved for
every bit by which the pair's own weight speaks for what was done with it. A pair whose weight speaks against what was
done is not halved.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from identity.linkage.known import CANNOT_LINK, OVER_LIMIT, connected
from identity.linkage.model import log_odds
from identity.linkage.pairs import Ints
from identity.resolve.decisions import LEFT, PAIR, RIGHT, settled

CONFLICT: Final = "conflicting_constraints"
NEAR: Final = "near_threshold"
WEAKEST: Final = "weakest_link"
# In this order they take turns.
WHY: Final = (NEAR, CONFLICT, WEAKEST)
QUESTION: Final = (
    *PAIR, "why", "kind", "rule", "reason", "match_weight", "probability", "is_one_now", "informativeness",
)  # fmt: skip
# Reasons that name a constraint; a rejected identifier is a question for no other.
_CONSTRAINTS: Final = (OVER_LIMIT, CANNOT_LINK)
_LEAST_BAND: Final = 1.0  # bits
_FEWEST_WITH_A_WEAKEST: Final = 3  # two records have one link


def questions(edges: pd.DataFrame, decisions: pd.DataFrame, *, join: float, keep: float) -> pd.DataFrame:
    """The pairs to ask about, most telling first; the three kinds take turns.

    Of the pairs between two golden ids, or within one, only the most telling is asked: its answer settles the
    others or makes the next one worth asking.

    Args:
        edges: id.edge.
        decisions: id.review_pair; what is decided, or follows from what is, is not asked.
        join: Probability from which groups are joined.
        keep: Probability down to which what was one stays one.

    Returns:
        `QUESTION`; a row a pair.
    """
    rated = rate(edges, join=join, keep=keep)
    rated = rated[~settled(rated, decisions)]
    rated = rated.sort_values(["informativeness", *PAIR], ascending=[False, *[True] * len(PAIR)])
    rated = rated.drop_duplicates(["group_l", "group_r"])
    rated = rated.assign(
        turn=rated.groupby("why").cumcount(), place=rated["why"].map({why: n for n, why in enumerate(WHY)})
    )
    return rated.sort_values(["turn", "place"], ignore_index=True)[[*QUESTION]]


def rate(edges: pd.DataFrame, *, join: float, keep: float) -> pd.DataFrame:
    """Every pair worth a question, decided or not: `QUESTION`, and `group_l` ≤ `group_r`, the clusters of its records."""
    if edges.empty:
        return pd.DataFrame(columns=[*QUESTION, "group_l", "group_r"])
    threshold, lowest = log_odds(join), log_odds(keep)
    band = max(threshold - lowest, _LEAST_BAND)
    numbered, labels = _numbered(edges)
    pairs = _doubtful(numbered)
    left, right = labels[pairs["l"]], labels[pairs["r"]]
    weight = pairs["match_weight"].astype(float)
    is_one = pd.Series(left == right, index=pairs.index)
    sizes = np.bincount(labels, minlength=1)
    why = pd.Series(None, index=pairs.index, dtype=object)
    why[is_one & (sizes[left] >= _FEWEST_WITH_A_WEAKEST)] = WEAKEST
    why[(weight - threshold).abs() <= band] = NEAR
    # A rejected identifier has no weight; what shares one is as sure as a pair can be.
    why[~is_one & ((pairs["kind"] == "deterministic") | (weight >= threshold))] = CONFLICT
    for_it = np.where(is_one, weight - threshold, threshold - weight)
    doubt = np.exp2(-np.where(why == CONFLICT, 0, np.maximum(for_it, 0)))
    carries = (numbered["fate"] == "used") & ~(numbered["match_weight"].astype(float) < lowest)
    stake = np.where(is_one, _parted(pairs, numbered[carries], len(labels)), sizes[left] * sizes[right])
    rated = pairs.assign(
        why=why, is_one_now=is_one, informativeness=stake * doubt,
        group_l=np.minimum(left, right), group_r=np.maximum(left, right),
    )  # fmt: skip
    worth: pd.DataFrame = rated[why.notna() & (rated["informativeness"] >= np.exp2(-band))]
    return worth[[*QUESTION, "group_l", "group_r"]]


def _numbered(edges: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """Edges with their records as numbers `l` and `r`, and the cluster of each record."""
    records = pd.MultiIndex.from_frame(
        pd.concat([edges[[*side]].set_axis(["source", "source_key"], axis=1) for side in (LEFT, RIGHT)])
        .drop_duplicates()
        .sort_values(["source", "source_key"])
    )
    ends = {n: records.get_indexer(pd.MultiIndex.from_frame(edges[[*s]])) for n, s in (("l", LEFT), ("r", RIGHT))}  # fmt: skip
    numbered = edges.assign(**ends)
    used = numbered[numbered["fate"] == "used"]
    return numbered, connected(len(records), used["l"].to_numpy(np.int64), used["r"].to_numpy(np.int64))


def _doubtful(edges: pd.DataFrame) -> pd.DataFrame:
    """A row a pair that no identifier and no person joins: what the model compared, or a constraint kept apart."""
    certain = edges[(edges["kind"] != "probabilistic") & (edges["fate"] == "used")]
    is_sure = pd.MultiIndex.from_frame(edges[["l", "r"]]).isin(pd.MultiIndex.from_frame(certain[["l", "r"]]))
    asked = (edges["kind"] == "probabilistic") | (
        (edges["kind"] == "deterministic") & edges["reason"].isin(_CONSTRAINTS)
    )
    found = edges[asked & ~is_sure].sort_values([*PAIR, "rank", "rule"])
    # What identifier was rejected and what the model says of the same pair, in one row.
    return found.groupby([*PAIR], as_index=False, sort=False).first()


def _parted(pairs: pd.DataFrame, carrying: pd.DataFrame, records: int) -> npt.NDArray[np.float64]:
    """By pair of one cluster, the pairs of records that would part if it did: many at a bridge, elsewhere itself.

    Args:
        pairs: `l`, `r`.
        carrying: The used edges strong enough to hold a cluster together.
        records: How many there are.
    """
    left, right = pairs["l"].to_numpy(np.int64), pairs["r"].to_numpy(np.int64)
    parts = connected(records, carrying["l"].to_numpy(np.int64), carrying["r"].to_numpy(np.int64))
    sizes = np.bincount(parts, minlength=1)
    here = carrying[np.isin(parts[carrying["l"]], parts[left])]
    sides = bridges(zip(here["l"].tolist(), here["r"].tolist(), strict=True))
    side = np.array([sides.get(pair, 0) for pair in zip(left.tolist(), right.tolist(), strict=True)], dtype=np.int64)  # fmt: skip
    within = np.where(side > 0, side * (sizes[parts[left]] - side), 1)
    # A pair too weak to carry holds two parts together only by being there.
    return np.where(parts[left] == parts[right], within, sizes[parts[left]] * sizes[parts[right]]).astype(
        float
    )


def bridges(edges: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Edges without which what they join falls in two, each with the number of records on one of its sides.

    Tarjan's algorithm without recursion, for a chain may be long. Edges are told as they were given.
    """
    given = dict.fromkeys(edges)
    neighbours: dict[int, set[int]] = defaultdict(set)
    for left, right in given:
        neighbours[left].add(right)
        neighbours[right].add(left)
    seen: dict[int, int] = {}  # when each record was first come to
    reach: dict[int, int] = {}  # the earliest record its branch leads back to
    below: dict[int, int] = {}  # records of its branch
    found: dict[tuple[int, int], int] = {}
    for start, beside in neighbours.items():
        if start in seen:
            continue
        seen[start] = reach[start] = len(seen)
        below[start] = 1
        way = [(start, start, iter(beside))]
        while way:
            record, parent, rest = way[-1]
            other = next((o for o in rest if o != parent), None)
            if other is None:
                way.pop()
                if record != parent:
                    reach[parent] = min(reach[parent], reach[record])
                    below[parent] += below[record]
                    if reach[record] > seen[parent]:
                        edge = (parent, record) if (parent, record) in given else (record, parent)
                        found[edge] = below[record]
            elif other in seen:
                reach[record] = min(reach[record], seen[other])
            else:
                seen[other] = reach[other] = len(seen)
                below[other] = 1
                way.append((other, record, iter(neighbours[other])))
    return found

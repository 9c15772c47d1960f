"""The health of golden ids without a truth: counts that tell where ids may hold too much, or hang by too little.

Nothing in what is told is personal: counts, golden ids, names of sources, namespaces and models.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from identity.churn import DEVICES, KEY, churn, day_to_compare
from identity.linkage.model import log_odds
from identity.resolve.questions import bridges

WEAK_BITS: Final = 3.0
"""Weight in bits below which an edge is weak: a probability of 8/9."""
FIELDS: Final = ("given_name", "family_name", "birth_date")
NO_EDGE: Final = "no edge"
CERTAIN: Final = "identifier or decision"
LEAST_PROBABILITY: Final = {
    "0.999 or more": 0.999, "0.99 to 0.999": 0.99, "0.95 to 0.99": 0.95, "0.9 to 0.95": 0.9, "0.5 to 0.9": 0.5,
    "below 0.5": 0.0,
}  # fmt: skip
"""Classes of the weakest link, each with the least probability in it."""
_SIZES: Final = {"1": 1, "2": 2, "3": 3, "4-5": 5, "6-10": 10, "11+": None}
_LARGEST: Final = 10


@dataclass(frozen=True)
class Facts:
    """What the health of golden ids is read from.

    Attributes:
        members: id.golden_member, closed rows too: `golden_id`, `source`, `source_key`, `valid_from_on`, `valid_to_on`.
        edges: Used rows of id.edge: `source_l`, `source_key_l`, `source_r`, `source_key_r`, `kind`, `rule`,
            `match_weight`.
        history: id.golden_history, as `churn` needs it.
        persons: silver.person_record: `source`, `source_key` and `FIELDS`.
        identifiers: silver.identifier of limited namespaces: `namespace`, `value_hmac`, `source`, `source_key`.
        blocked: id.blocked_value: `namespace`, `reason`.
        run_dates: Every date that was published.
        limits: By namespace, `max_per_person`; None when the configuration is not known.
    """

    members: pd.DataFrame
    edges: pd.DataFrame
    history: pd.DataFrame
    persons: pd.DataFrame
    identifiers: pd.DataFrame
    blocked: pd.DataFrame
    run_dates: Collection[dt.date]
    limits: Mapping[str, int] | None


def health(facts: Facts, *, since: dt.date | None = None) -> dict[str, Any]:
    """The figures, as docs/health.md explains them.

    Args:
        facts: What they are read from.
        since: Earlier date to compare with; by default the run date before the last.

    Raises:
        ConfigError: There is nothing to compare with on that date.
    """
    earlier = day_to_compare(facts.run_dates, since)
    open_rows = facts.members[facts.members["valid_to_on"].isna()]
    is_device = open_rows["source"].isin(DEVICES)
    persons = open_rows.loc[~is_device, ["golden_id", *KEY]].sort_values(KEY, ignore_index=True)
    records = persons.groupby("golden_id").size()
    links = weakest_links(persons, facts.edges)
    several = several_values(persons, facts.persons)
    weak = sorted(links.index[links["is_weak_bridge"]])
    return {
        "as_of": str(max(facts.run_dates)) if facts.run_dates else None,
        "golden_ids": {"persons": len(records), "visitors": int(open_rows["golden_id"].nunique()) - len(records)},
        "records": {"persons": len(persons), "devices": int(is_device.sum())},
        "records_per_id": records_per_id(records),
        "sources_per_id": _sources_per_id(persons),
        "values": [_values(field, several[field]) for field in FIELDS],
        "limits": None if facts.limits is None else over_limits(persons, facts.identifiers, facts.limits),
        "weakest_link": _by_probability(links["bits"]),
        "weak_bridge": {"bits": WEAK_BITS, **_share(len(weak), len(links)), "golden_ids": weak[:_LARGEST]},
        "edges": _edges(facts.edges),
        "blocked_values": _blocked(facts.blocked),
        "largest": _largest(open_rows, records, persons, several, links),
        "churn": None if earlier is None else churn(facts.members, facts.history, earlier),
    }  # fmt: skip


def records_per_id(records: "pd.Series[int]") -> dict[str, int]:
    """Golden ids by how many records they have, devices aside."""
    ends = [0, *(most or np.inf for most in _SIZES.values())]
    found = pd.cut(records, ends, labels=list(_SIZES)).value_counts(sort=False)
    return {str(size): int(n) for size, n in found.items()}


def several_values(persons: pd.DataFrame, silver: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By field, a row a golden id that knows it: `values`, how many different ones; `records`, how many say one."""
    both = persons.merge(silver[[*KEY, *FIELDS]], on=KEY, how="inner")
    found = {}
    for field in FIELDS:
        known = both[both[field].notna()].groupby("golden_id")[field]
        found[field] = pd.DataFrame({"values": known.nunique(), "records": known.size()})
    return found


def over_limits(
    persons: pd.DataFrame, identifiers: pd.DataFrame, limits: Mapping[str, int]
) -> list[dict[str, Any]]:
    """By namespace with a limit: `most` values an id may hold, `golden_ids` that hold more, which must be none."""
    held = identifiers.merge(persons, on=KEY, how="inner")
    values = held.groupby(["namespace", "golden_id"])["value_hmac"].nunique().reset_index(name="values")
    rows = []
    for namespace, most in sorted(limits.items()):
        over = values[(values["namespace"] == namespace) & (values["values"] > most)]
        rows.append(
            {"namespace": namespace, "most": most, "golden_ids": len(over), "examples": sorted(over["golden_id"])[:3]}
        )  # fmt: skip
    return rows


def weakest_links(persons: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """How tightly every golden id of several records is held together.

    Args:
        persons: A row a record: `golden_id`, `source`, `source_key`.
        edges: Used edges.

    Returns:
        By golden id: `bits`, the weight at which it falls apart when its edges are taken away, weakest first:
        infinite where identifiers and decisions alone hold it, null where edges never held all of it;
        `is_weak_bridge`: a part of it hangs by one edge below `WEAK_BITS` alone.
    """
    sizes = persons.groupby("golden_id").size()
    found = pd.DataFrame({"bits": np.nan, "is_weak_bridge": False}, index=sizes.index[sizes > 1])
    pairs = _pairs(persons, edges)
    if pairs.empty:
        return found
    # The heaviest tree: what is left longest when edges go, weakest first. Costs are positive, for 0 means no edge.
    finite = pairs["bits"].replace(np.inf, np.nan)
    top = float(finite.max()) if finite.notna().any() else 0.0
    cost = (top - finite + 2.0).fillna(1.0).to_numpy(float)
    ends = pairs["l"].to_numpy(), pairs["r"].to_numpy()
    tree = minimum_spanning_tree(coo_matrix((cost, ends), shape=(len(persons), len(persons)))).tocoo()
    links = pd.DataFrame({"l": np.minimum(tree.row, tree.col), "r": np.maximum(tree.row, tree.col)})
    links = links.merge(pairs, on=["l", "r"], how="left").groupby("golden_id")["bits"].agg(["size", "min"])
    links = links.reindex(found.index)
    is_held = links["size"] == sizes[found.index] - 1
    found["bits"] = links["min"].where(is_held)
    # What speaks against a pair holds nothing; only ids with a weak edge that does are walked.
    holding = pairs[pairs["bits"] > 0]
    doubtful = holding.loc[holding["bits"] < WEAK_BITS, "golden_id"]
    walked = holding[holding["golden_id"].isin(doubtful)]
    single = bridges(zip(walked["l"].tolist(), walked["r"].tolist(), strict=True))
    is_single = np.array([pair in single for pair in zip(walked["l"], walked["r"], strict=True)], dtype=bool)
    weak = walked.loc[is_single & (walked["bits"] < WEAK_BITS).to_numpy(bool), "golden_id"]
    found["is_weak_bridge"] = found.index.isin(weak)
    return found


def _pairs(persons: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """A row a pair of records of one golden id that edges join: numbers `l` < `r`, `golden_id`, `bits` of the strongest."""
    keys = pd.MultiIndex.from_frame(persons[KEY])
    left = keys.get_indexer(pd.MultiIndex.from_frame(edges[["source_l", "source_key_l"]]))
    right = keys.get_indexer(pd.MultiIndex.from_frame(edges[["source_r", "source_key_r"]]))
    ids = persons["golden_id"].to_numpy(object)
    bits = edges["match_weight"].astype(float).where(edges["kind"] == "probabilistic", np.inf)
    pairs = pd.DataFrame(
        {
            "l": np.minimum(left, right),
            "r": np.maximum(left, right),
            "golden_id": ids[left],
            "bits": bits.to_numpy(),
        }
    )
    is_within = (left >= 0) & (right >= 0) & (left != right) & (ids[left] == ids[right])
    strongest: pd.DataFrame = pairs[is_within].groupby(["l", "r", "golden_id"], as_index=False)["bits"].max()
    return strongest


def _sources_per_id(persons: pd.DataFrame) -> dict[str, int]:
    counts = persons.groupby("golden_id")["source"].nunique().value_counts().sort_index()
    return {str(sources): int(n) for sources, n in counts.items()}


def _values(field: str, several: pd.DataFrame) -> dict[str, Any]:
    """Of the golden ids in which two records or more say something: how many have several values."""
    asked = several[several["records"] > 1]
    one, two = (_share(int((asked["values"] > most).sum()), len(asked)) for most in (1, 2))
    worst = asked[asked["values"] > 1].reset_index()
    worst = worst.sort_values(["values", "golden_id"], ascending=[False, True])
    return {
        "field": field,
        "golden_ids": len(asked),
        "more_than_one": one,
        "more_than_two": two,
        "examples": worst["golden_id"].tolist()[:3],
    }


def _share(found: int, of: int) -> dict[str, Any]:
    return {"found": found, "of": of, "share": round(found / of, 4) if of else 0.0}


def _by_probability(bits: "pd.Series[float]") -> dict[str, int]:
    told = {CERTAIN: int(np.isinf(bits).sum())}
    rest, most = bits[np.isfinite(bits)], np.inf
    for name, least in LEAST_PROBABILITY.items():
        lowest = log_odds(least) if least else -np.inf
        told[name] = int(((rest >= lowest) & (rest < most)).sum())
        most = lowest
    return {**told, NO_EDGE: int(bits.isna().sum())}


def _edges(edges: pd.DataFrame) -> list[dict[str, Any]]:
    counts = edges.groupby(["kind", "rule"]).size().reset_index(name="edges")
    counts = counts.sort_values(["edges", "kind", "rule"], ascending=[False, True, True])
    return [
        {"kind": kind, "rule": rule, "edges": int(n), "share": round(int(n) / len(edges), 4)}
        for kind, rule, n in counts.itertuples(index=False)
    ]


def _blocked(blocked: pd.DataFrame) -> list[dict[str, Any]]:
    counts = blocked.groupby(["namespace", "reason"]).size().reset_index(name="values")
    return [
        {"namespace": namespace, "reason": reason, "values": int(n)}
        for namespace, reason, n in counts.itertuples(index=False)
    ]


def _largest(
    open_rows: pd.DataFrame,
    records: "pd.Series[int]",
    persons: pd.DataFrame,
    several: Mapping[str, pd.DataFrame],
    links: pd.DataFrame,
) -> list[dict[str, Any]]:
    first = records.rename("records").reset_index()
    first = first.sort_values(["records", "golden_id"], ascending=[False, True]).head(_LARGEST)
    ids = first["golden_id"]
    all_rows = open_rows[open_rows["golden_id"].isin(ids)].groupby("golden_id").size()
    sources = persons[persons["golden_id"].isin(ids)].groupby("golden_id")["source"].nunique()
    rows = []
    for golden_id, count in first.itertuples(index=False):
        counts = {f"{field}s": several[field]["values"].get(golden_id, 0) for field in FIELDS}
        bits = float(links["bits"].get(golden_id, np.nan))
        rows.append(
            {
                "golden_id": golden_id,
                "records": int(count),
                "devices": int(all_rows[golden_id] - count),
                "sources": int(sources[golden_id]),
                **{name: int(n) for name, n in counts.items()},
                "weakest_bits": round(bits, 2) if np.isfinite(bits) else None,
            }
        )
    return rows

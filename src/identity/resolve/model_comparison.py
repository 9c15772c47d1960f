"""Two ways to cluster the same records, held side by side: what a switch from one to the other would change.

Pure functions of frames that are in memory. Of records they see keys, clusters and ids; of pairs weights and steps.
"""

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any, Final

import pandas as pd

_BITS_A_STEP: Final = 4
_HIGHEST: Final = 40  # bits
_MOST_SHOWN: Final = 10
_PRIOR: Final = "prior"
ONE_ONLY: Final = "weighed by one model only"
THROUGH_OTHERS: Final = "joined through other records"
SAME_BITS: Final = "weighed alike"
_ENDS: Final = ["source_l", "source_key_l", "source_r", "source_key_r"]


def of_ids(before: pd.Series, after: pd.Series) -> dict[str, Any]:
    """What becomes of the ids of today, by the golden ids the records would have.

    An id that no record has afterwards was merged into an older one; one that lives on and loses records was split.

    Args:
        before: Golden id of each record today; null for a record that has none yet.
        after: Its golden id under the model.

    Returns:
        `before` ids, of which `kept` whole, `merged` away, `split`; `minted` new ones; `records` that have an id today,
        how many of them keep it (`records_that_keep`), and their share.
    """
    records = pd.DataFrame({"before": before.to_numpy(object), "after": after.to_numpy(object)})
    had = records[records["before"].notna()]
    stays = had["before"] == had["after"]
    # Of an id that lives on some record keeps it, for it went to the cluster of most of its records.
    lives = stays.groupby(had["before"]).any()
    whole = stays.groupby(had["before"]).all()
    keeping = int(stays.sum())
    return {
        "before": len(lives),
        "kept": int(whole.sum()),
        "merged": int((~lives).sum()),
        "split": int((lives & ~whole).sum()),
        "minted": int((~records["after"].drop_duplicates().isin(had["before"])).sum()),
        "records": len(had),
        "records_that_keep": keeping,
        "share_that_keeps": round(keeping / len(had), 4) if len(had) else 1.0,
    }


def of_clusters(old: pd.Series, new: pd.Series) -> dict[str, Any]:
    """Persons under each clustering, and how many pairs of records are one person under both or one of them.

    Args:
        old: Cluster of each record.
        new: The same under the other model.
    """
    pairs = {name: _pairs([labels]) for name, labels in (("old", old), ("new", new))}
    both = _pairs([old, new])
    return {
        "persons": {"old": int(old.nunique()), "new": int(new.nunique())},
        "pairs": {"both": both, "old_only": pairs["old"] - both, "new_only": pairs["new"] - both},
    }


def reasons_of(pairs: pd.DataFrame, only: Mapping[str, int]) -> list[dict[str, Any]]:
    """Pairs that are one person under one model only, by what the two models judge most differently.

    Args:
        pairs: `differing` pairs with their `reason`.
        only: All pairs that are one under `old` and `new` only; those that no model weighed among them.

    Returns:
        `joined_by`, `differs_most_in`, `pairs`, and `bits`: the new model's minus the old one's, the mean; None where
        there are not two to compare. The most pairs first.
    """
    rows: list[dict[str, Any]] = []
    for model, count in only.items():
        weighed = pairs[pairs["joined_by"] == model]
        for reason, some in weighed.groupby("reason"):
            bits = float(some["bits"].mean())
            rows.append(
                {
                    "joined_by": model,
                    "differs_most_in": str(reason),
                    "pairs": len(some),
                    "bits": None if isnan(bits) else round(bits, 2),
                }
            )
        if count > len(weighed):
            rows.append(
                {
                    "joined_by": model,
                    "differs_most_in": THROUGH_OTHERS,
                    "pairs": count - len(weighed),
                    "bits": None,
                }
            )
    return sorted(rows, key=lambda row: (-row["pairs"], row["joined_by"], row["differs_most_in"]))


def differing(pairs: pd.DataFrame) -> pd.DataFrame:
    """Weighed pairs that are one person under one model only, with `joined_by`, `reason` and `bits`.

    Args:
        pairs: `source_l`, `source_key_l`, `source_r`, `source_key_r`; and of both models, `old_` and `new_`, `weight`
            (null where it did not keep the pair), `steps` (see linkage.waterfall) and `cluster_l`, `cluster_r`.
    """
    by = {name: pairs[f"{name}_cluster_l"] == pairs[f"{name}_cluster_r"] for name in ("old", "new")}
    found = pairs[by["old"] != by["new"]].copy()
    found["joined_by"] = by["new"][found.index].map({True: "new", False: "old"})
    told = [
        _most_different(*row)
        for row in zip(found["old_weight"], found["old_steps"], found["new_weight"], found["new_steps"], strict=True)
    ]  # fmt: skip
    found["reason"] = pd.Series([reason for reason, _ in told], index=found.index, dtype=object)
    found["bits"] = pd.Series([bits for _, bits in told], index=found.index, dtype=float)
    return found


def strongest(pairs: pd.DataFrame, *, floor: float) -> list[dict[str, Any]]:
    """The pairs that the two models judge most differently, one of every two groups, by their keys.

    Args:
        pairs: `differing`.
        floor: Weight below which no pair was kept: what a pair weighs at most under a model that did not keep it.
    """
    if not len(pairs):
        return []
    weights = {name: pairs[f"{name}_weight"].astype(float).fillna(floor) for name in ("old", "new")}
    apart = (weights["new"] - weights["old"]).abs()
    groups = [
        pairs[[f"{name}_cluster_l", f"{name}_cluster_r"]].min(axis=1) + "\x1f"
        + pairs[[f"{name}_cluster_l", f"{name}_cluster_r"]].max(axis=1)
        for name in ("old", "new")
    ]  # fmt: skip
    ordered = pairs.assign(apart=apart, groups=groups[0] + "\x1f" + groups[1])
    ordered = ordered.sort_values(["apart", *_ENDS], ascending=[False, True, True, True, True])
    return [
        {
            "left": f"{row['source_l']}:{row['source_key_l']}",
            "right": f"{row['source_r']}:{row['source_key_r']}",
            "joined_by": row["joined_by"],
            "old_weight": _rounded(row["old_weight"]),
            "new_weight": _rounded(row["new_weight"]),
            "differs_most_in": row["reason"],
            "bits": _rounded(row["bits"]),
        }
        for row in ordered.drop_duplicates("groups").head(_MOST_SHOWN).to_dict("records")
    ]


def weights_of(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """How many pairs that both models weighed weigh how much: `old_bits`, `new_bits` (from there on), `pairs`.

    Args:
        pairs: `old_weight`, `new_weight`; pairs that one of them lacks are left out.
    """
    both = pairs[["old_weight", "new_weight"]].dropna().astype(float)
    low = (both // _BITS_A_STEP * _BITS_A_STEP).clip(-_HIGHEST, _HIGHEST - _BITS_A_STEP).astype(int)
    counts = low.groupby(["old_weight", "new_weight"]).size().reset_index(name="pairs")
    names = ("old_bits", "new_bits", "pairs")
    return [dict(zip(names, map(int, row), strict=True)) for row in counts.itertuples(index=False, name=None)]


def _pairs(labels: list[pd.Series]) -> int:
    sizes = pd.concat(labels, axis=1, ignore_index=True).groupby(list(range(len(labels)))).size()
    return int((sizes * (sizes - 1) // 2).sum())


def _most_different(
    old_weight: float | None,
    old_steps: Iterable[Mapping[str, Any]] | None,
    new_weight: float | None,
    new_steps: Iterable[Mapping[str, Any]] | None,
) -> tuple[str, float | None]:
    """The step whose bits differ most, and by how much; what is no step of one of them is worth nothing there."""
    if old_steps is None or new_steps is None:
        return ONE_ONLY, None
    old, new = _bits(old_weight, old_steps), _bits(new_weight, new_steps)
    apart = {name: new.get(name, 0.0) - old.get(name, 0.0) for name in sorted({*old, *new})}
    name = max(apart, key=lambda step: abs(apart[step]))
    return (name, apart[name]) if round(apart[name], 2) else (SAME_BITS, 0.0)


def _bits(weight: float | None, steps: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    bits = {step["comparison"]: float(step["bits"]) for step in steps}
    return {_PRIOR: float(weight or 0.0) - sum(bits.values()), **bits}


def _rounded(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else round(float(value), 2)

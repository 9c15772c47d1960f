"""The line: fields → candidate pairs → model → components → all their pairs → persons."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from identity.linkage.blocking import block
from identity.linkage.clustering import Rules, components
from identity.linkage.comparisons import has_place
from identity.linkage.frequencies import common_values, count_frequencies
from identity.linkage.known import Joined, Known, join_first
from identity.linkage.learnt import Learnt
from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import Ints, Pairs, compare, compare_levels, database
from identity.linkage.training import SEED, train
from identity.linkage.work import MOST_SPEAKERS, Spread, here, load_fields, solve, work_of

# A source whose records hardly ever match each other this surely, next to how often they match others', holds nobody
# twice.
_SURE: Final = 10.0
_HARDLY_EVER: Final = 0.05
# Records that say exactly the same, and at least this much, are one person's. A few copies are left to be compared,
# for they teach what matches look like; many would fill the blocks and drown all else.
_TELLING: Final = ("given", "family", "born", "email", "phone", "national_id", "address")
_FEWEST_TELLING: Final = 3
_MANY_COPIES: Final = 5
_LISTS: Final = frozenset({"tokens", "nicknames"})


class Linked(NamedTuple):
    """What linking found.

    Attributes:
        labels: By record, the first record of the same person.
        candidates: Pairs that blocking brought together, copies aside.
        weights: Their posterior log2 odds.
        copies: Pairs of a record and the first that says exactly the same: `l`, `r`.
        reasons: By pair of `Known.first`, why it was rejected; None where it was used.
        model: What agreement is worth.
        cut: Components that were too large and had to be cut.
    """

    labels: Ints
    candidates: Pairs
    weights: npt.NDArray[np.float64]
    copies: pd.DataFrame
    reasons: npt.NDArray[np.object_]
    model: Model
    cut: int


def link_records(
    fields: pd.DataFrame,
    known: Known,
    *,
    model: Model | None = None,
    spread: Spread = here,
    tell: Callable[[str], None] = lambda _: None,
) -> Linked:
    """Find the records that are one person's. Sources that hold nobody twice are found out.

    Args:
        fields: A row a record that says something, with the columns of `fields.standardise`; `unique_id` is its number
            among `known.records`, and the rows are in its order.
        known: What is known of all records beside.
        model: A model learnt before, with its thresholds; without one it is learnt from these records.
        spread: Who solves the components.
        tell: Called with what is being done.
    """
    copies = _copies(fields, known)
    first = pd.concat([known.first, copies.assign(is_decided=False)], ignore_index=True)
    joined = join_first(replace(known, first=first))
    fields = fields[~fields["unique_id"].isin(copies["r"])]
    with database() as connection:
        candidates, weights, model = _compared(connection, fields, model, tell)
        tell("compare within components")
        speakers, cut = _speakers(fields["unique_id"].to_numpy(np.int64), joined, candidates, weights)
        work = work_of(connection, speakers, joined.labels, known)
    tell("cluster")
    alone = _nobody_twice(candidates, weights, fields)
    rules = Rules(
        join=log_odds(model.thresholds.join),
        keep=log_odds(model.thresholds.keep),
        limits=known.limits,
        alone=alone,
        is_settled=known.is_settled,
    )
    merged = spread(work, partial(solve, model=model, rules=rules))
    into = np.arange(known.records, dtype=np.int64)
    into[merged["cluster"].to_numpy()] = merged["merged_into"].to_numpy()
    reasons = joined.reasons[: len(known.first)]
    return Linked(into[joined.labels], candidates, weights, copies, reasons, model, cut)


def learn(fields: pd.DataFrame, *, seed: int = SEED) -> Learnt:
    """Learn a model of records, without labels, and keep what it was learnt from.

    Args:
        fields: A row a record, with the columns of `fields.standardise`, by `unique_id`.
        seed: Seed of the random pairs that agreement by chance is counted of.
    """
    moved: list[float] = []
    with database() as connection:
        pairs, weights, model = _compared(connection, fields, None, lambda _: None, seed, moved.append)
        return Learnt(model, pairs, weights, tuple(moved), _missing(connection, model))


def _compared(
    connection: duckdb.DuckDBPyConnection,
    fields: pd.DataFrame,
    model: Model | None,
    tell: Callable[[str], None],
    seed: int = SEED,
    tell_moved: Callable[[float], None] = lambda _: None,
) -> tuple[Pairs, npt.NDArray[np.float64], Model]:
    """The candidates, their weights, and the model that weighed them."""
    names = set(fields.columns)
    unsaid = () if model is None else sorted(model.fields - names)
    load_fields(connection, arrow_of(fields.assign(**dict.fromkeys(unsaid))))
    tell("block")
    block(connection, names)
    is_to_learn = model is None
    if model is None:
        tell("learn chance")
        model = train(connection, names, seed=seed)
    tell("compare")
    count_frequencies(connection, model.comparisons, model.frequencies)
    candidates = compare(connection, "blocked", model.comparisons)
    if is_to_learn:
        tell("learn matches")
        model = model.learn(candidates, records=len(fields), with_household=has_place(names), tell=tell_moved)
        model = replace(model, frequencies=common_values(connection, model.comparisons))
    return candidates, model.weights(candidates), model


def _missing(connection: duckdb.DuckDBPyConnection, model: Model) -> dict[str, float]:
    """By comparison, the share of records that it can never compare: not even with themselves."""
    connection.execute(
        "create view themselves as select unique_id as join_key_l, unique_id as join_key_r from fields"
    )
    _, _, levels = compare_levels(connection, "themselves", model.comparisons)
    names = (comparison["output_column_name"] for comparison in model.comparisons)
    return dict(zip(names, (levels < 0).mean(axis=0).tolist(), strict=True))


def _speakers(
    records: Ints, joined: Joined, candidates: Pairs, weights: npt.NDArray[np.float64]
) -> tuple[pd.DataFrame, int]:
    """Who is compared with whom: `unique_id`, `component`, `cluster` of the records of components of several groups."""
    groups, group_of = np.unique(joined.labels[records], return_inverse=True)
    spoken = pd.Series(group_of).groupby(group_of).cumcount().to_numpy() < MOST_SPEAKERS
    left, right = (
        np.searchsorted(groups, joined.labels[side]) for side in (candidates.left, candidates.right)
    )
    across = left != right
    sizes = np.minimum(np.bincount(group_of, minlength=len(groups)), MOST_SPEAKERS)
    found = components(left[across], right[across], weights[across], sizes=sizes)
    is_several = np.bincount(found.labels, minlength=len(groups)) > 1
    speakers = pd.DataFrame(
        {"unique_id": records, "component": found.labels[group_of], "cluster": groups[group_of]}
    )
    return speakers[spoken & is_several[speakers["component"]]].reset_index(drop=True), found.cut


def _copies(fields: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Pairs of the first of many records that say exactly the same and each of the others: `l`, `r`.

    Records of which something is known beside stand for themselves.
    """
    apart = np.concatenate([known.held["record"], known.never["l"], known.never["r"]])
    said = fields[~fields["unique_id"].isin(apart)]
    hashable = said.assign(**{name: said[name].map(tuple, na_action="ignore") for name in _LISTS & set(said)})
    told = [name for name in said.columns if name not in _LISTS | {"source", "unique_id"}]
    telling = [name for name in _TELLING if name in told]
    is_told = (said[telling].notna().sum(axis=1) >= _FEWEST_TELLING).to_numpy()
    same = said["unique_id"].groupby([hashable[name].to_numpy() for name in told], dropna=False, sort=False)
    is_copied = is_told & (same.transform("size") >= _MANY_COPIES).to_numpy()
    first = same.transform("min").to_numpy(np.int64)
    pairs = pd.DataFrame({"l": first, "r": said["unique_id"].to_numpy(np.int64)})[is_copied]
    return pairs[pairs["l"] != pairs["r"]].reset_index(drop=True)


def arrow_of(fields: pd.DataFrame) -> pa.Table:
    """Fields as Arrow, with the copies (`_x`) that levels across columns read."""
    arrays: dict[str, Any] = {}
    for name in fields.columns:
        kind = pa.int64() if name == "unique_id" else pa.float64() if name == "born_about" else pa.string()
        arrays[name] = pa.array(
            fields[name], pa.list_(pa.string()) if name in _LISTS else kind, from_pandas=True
        )
    for name in ("given", "family", "tokens"):
        if name in arrays:
            arrays[f"{name}_x"] = arrays[name]
    return pa.table(arrays)


def _nobody_twice(
    candidates: Pairs, weights: npt.NDArray[np.float64], fields: pd.DataFrame
) -> frozenset[str]:
    """Sources that hold nobody twice."""
    codes, names = pd.factorize(fields["source"], sort=True)
    if len(names) < 2:
        return frozenset()
    sure = candidates.where(weights >= _SURE)
    records = fields["unique_id"].to_numpy(np.int64)
    left, right = (codes[np.searchsorted(records, side)] for side in (sure.left, sure.right))
    alone = []
    for code, name in enumerate(names):
        within, across = (left == code) & (right == code), (left == code) != (right == code)
        twice = len(np.union1d(sure.left[within], sure.right[within]))
        elsewhere = len(np.union1d(sure.left[across & (left == code)], sure.right[across & (right == code)]))
        if twice < _HARDLY_EVER * max(elsewhere, 1):
            alone.append(name)
    return frozenset(alone)

"""The line: fields → candidate pairs → model → components → all their pairs → persons."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from identity.linkage.blocking import block
from identity.linkage.clustering import components, link
from identity.linkage.comparisons import has_place
from identity.linkage.fields import standardise
from identity.linkage.model import Model
from identity.linkage.pairs import Ints, Pairs, compare
from identity.linkage.training import train

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
        copies: By record, the first record that says exactly the same.
        model: What agreement is worth.
    """

    labels: Ints
    candidates: Pairs
    weights: npt.NDArray[np.float64]
    copies: Ints
    model: Model


def link_records(
    records: pd.DataFrame,
    types: Mapping[str, str],
    *,
    model: Model | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Linked:
    """Find the records that are one person's.

    Args:
        records: A row a record, every cell a text or null; the order of the rows breaks ties, so it should be a fixed
            one.
        types: Semantic type by column.
        model: A model learnt before; without one it is learnt from these records.
        tell: Called with what is being done.
    """
    tell("standardise")
    return link_fields(standardise(records, types), model=model, tell=tell)


def link_fields(
    fields: pd.DataFrame, *, model: Model | None = None, tell: Callable[[str], None] = lambda _: None
) -> Linked:
    """As `link_records`, of records that `fields.standardise` has brought into fields."""
    copies = _copies(fields)
    first = np.flatnonzero(copies == np.arange(len(copies)))
    place = np.zeros(len(copies), dtype=np.int64)
    place[first] = np.arange(len(first))
    fields = fields.iloc[first].assign(unique_id=np.arange(len(first)))
    linked = _link_distinct(fields, model, tell)
    return Linked(
        labels=first[linked.labels[place[copies]]],
        candidates=Pairs(
            first[linked.candidates.left], first[linked.candidates.right], linked.candidates.levels,
            linked.candidates.rarity,
        ),
        weights=linked.weights, copies=copies, model=linked.model,
    )  # fmt: skip


def _link_distinct(fields: pd.DataFrame, model: Model | None, tell: Callable[[str], None]) -> Linked:
    names, count = set(fields.columns), len(fields)
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, fields)
        tell("block")
        block(connection, names)
        is_to_learn = model is None
        if model is None:
            tell("learn chance")
            model = train(connection, names)
        tell("compare")
        candidates = compare(connection, "blocked", model.comparisons)
        if is_to_learn:
            tell("learn matches")
            model = model.learn(candidates, records=count, with_household=has_place(names))
        weights = model.weights(candidates)
        tell("compare within components")
        of = components(candidates, weights, records=count)
        connection.register("component", pa.table({"unique_id": np.arange(count), "component": of}))
        connection.execute(
            "create table inside as select l.unique_id as join_key_l, r.unique_id as join_key_r from component l "
            "join component r on l.component = r.component and l.unique_id < r.unique_id"
        )
        pairs = compare(connection, "inside", model.comparisons)
    tell("cluster")
    cannot = _nobody_twice(candidates, weights, pairs, fields["source"])
    labels = link(pairs, model, of, cannot=cannot)
    return Linked(labels, candidates, weights, np.arange(count), model)


def _copies(fields: pd.DataFrame) -> Ints:
    """By record, the first of the many that say exactly the same; itself where they are not many."""
    said = fields.drop(columns="unique_id")
    hashable = said.assign(**{name: said[name].map(tuple, na_action="ignore") for name in _LISTS & set(said)})
    told = [name for name in said.columns if name not in _LISTS | {"source"}]
    telling = [name for name in _TELLING if name in told]
    is_told = (said[telling].notna().sum(axis=1) >= _FEWEST_TELLING).to_numpy()
    place = pd.Series(np.arange(len(fields)))
    same = place.groupby([hashable[name].to_numpy() for name in told], dropna=False, sort=False)
    is_copied = is_told & (same.transform("size") >= _MANY_COPIES).to_numpy()
    return np.where(is_copied, same.transform("min").to_numpy(np.int64), place.to_numpy())


def load_fields(connection: duckdb.DuckDBPyConnection, fields: pd.DataFrame) -> None:
    """The table `fields`, and both sides of a pair as `fields_l` and `fields_r`."""
    arrays: dict[str, Any] = {}
    for name in fields.columns:
        kind = pa.int64() if name == "unique_id" else pa.float64() if name == "born_about" else pa.string()
        arrays[name] = pa.array(
            fields[name], pa.list_(pa.string()) if name in _LISTS else kind, from_pandas=True
        )
    for name in ("given", "family", "tokens"):
        if name in arrays:
            arrays[f"{name}_x"] = arrays[name]
    connection.register("fields_arrow", pa.table(arrays))
    connection.execute("create table fields as select * from fields_arrow order by unique_id")
    for side in "lr":
        columns = ", ".join(f"{name} as {name}_{side}" for name in arrays)
        connection.execute(f"create view fields_{side} as select {columns} from fields")


def _nobody_twice(
    candidates: Pairs, weights: npt.NDArray[np.float64], pairs: Pairs, source: pd.Series
) -> npt.NDArray[np.bool_]:
    """Which pairs are two records of one source that holds nobody twice."""
    codes, names = pd.factorize(source, sort=True)
    sure = candidates.where(weights >= _SURE)
    left, right = codes[sure.left], codes[sure.right]
    alone = []
    for code in range(len(names)):
        within, across = (left == code) & (right == code), (left == code) != (right == code)
        twice = len(np.union1d(sure.left[within], sure.right[within]))
        elsewhere = len(np.union1d(sure.left[across & (left == code)], sure.right[across & (right == code)]))
        if twice < _HARDLY_EVER * max(elsewhere, 1):
            alone.append(code)
    same: npt.NDArray[np.bool_] = codes[pairs.left] == codes[pairs.right]
    return np.logical_and(same, np.isin(codes[pairs.left], alone)) if len(names) > 1 else np.zeros_like(same)

"""Work that can be spread: whole components as rows of one table, solved anywhere by one function."""

from collections.abc import Callable
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from identity.linkage.clustering import Evidence, Group, Rules, merge_groups
from identity.linkage.known import Held, Known
from identity.linkage.model import Model
from identity.linkage.pairs import Ints, compare, database

# Records of one group that are compared with those of others: the first. More would say nothing new.
MOST_SPEAKERS: Final = 40
# Between the namespace and the value of what a group holds.
_BETWEEN: Final = "\x1f"
_FREQUENCY: Final = "tf_"

# Takes a table of work, gives `cluster`, `merged_into` for every group in it. Work may be parted by `component`.
Spread = Callable[[pa.Table, Callable[[pa.Table], pa.Table]], pa.Table]


def here(work: pa.Table, solve: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Solve all in this process."""
    return solve(work)


def work_of(
    connection: duckdb.DuckDBPyConnection, speakers: pd.DataFrame, labels: Ints, known: Known
) -> pa.Table:
    """Everything it takes to solve components.

    Args:
        connection: DuckDB with the tables `fields` and `frequencies`.
        speakers: Records to compare: `unique_id`, `component`, `cluster` (their group, by its smallest record).
        labels: Group of every record.
        known: What is known of the records.

    Returns:
        A row a speaker: those columns; `held`, `never` and `before` of its group, told by its first speaker only; the
        fields, and how common their values are (`tf_…`).
    """
    told = speakers.drop_duplicates("cluster")[["unique_id", "cluster"]].merge(
        _group_facts(speakers["cluster"].unique(), labels, known), on="cluster", how="inner"
    )
    said = pa.table(
        {
            "unique_id": pa.array(told["unique_id"], pa.int64()),
            "held": pa.array(told["held"], pa.list_(pa.string())),
            "never": pa.array(told["never"], pa.list_(pa.int64())),
            "before": pa.array(told["before"], pa.list_(pa.int64())),
        }
    )
    connection.register("speakers", pa.Table.from_pandas(speakers, preserve_index=False))
    connection.register("said", said)
    common = connection.execute("describe frequencies").fetchall()
    names = ", ".join(f"q.{name} as {_FREQUENCY}{name}" for name, *_ in common if name != "unique_id")
    return connection.sql(
        f"select s.component, s.cluster, d.held, d.never, d.before, f.*{', ' + names if names else ''} from speakers s "
        "join fields f using (unique_id) join frequencies q using (unique_id) left join said d using (unique_id) "
        "order by s.component, f.unique_id"
    ).to_arrow_table()


def _group_facts(groups: Any, labels: Ints, known: Known) -> pd.DataFrame:
    """`cluster`, `held`, `never`, `before` of groups; null where nothing is known."""
    held = known.held.assign(cluster=labels[known.held["record"].to_numpy(np.int64)])
    held["told"] = held["namespace"].astype(str) + _BETWEEN + held["value"].astype(str)
    ends = labels[known.never["l"].to_numpy(np.int64)], labels[known.never["r"].to_numpy(np.int64)]
    never = pd.DataFrame({"cluster": np.concatenate(ends), "told": np.concatenate(ends[::-1])})
    before = pd.DataFrame({"cluster": [], "told": []}, dtype=np.int64)
    if known.before is not None:
        before = pd.DataFrame({"cluster": labels, "told": known.before})[known.before >= 0]
    facts = pd.DataFrame({"cluster": groups})
    for name, rows in (("held", held), ("never", never), ("before", before)):
        here = rows[rows["cluster"].isin(groups)]
        lists = here.groupby("cluster")["told"].agg(lambda told: sorted(set(told))).rename(name)
        facts = facts.merge(lists.astype(object), left_on="cluster", right_index=True, how="left")
    return facts.astype({"held": object, "never": object, "before": object}).where(facts.notna(), None)


def solve(work: pa.Table, *, model: Model, rules: Rules) -> pa.Table:
    """Merge the groups of whole components.

    Args:
        work: `work_of`, or any whole components of it.
        model: What agreement is worth.
        rules: When groups are one person.

    Returns:
        `cluster`, `merged_into`: every group, and the smallest of those that it is one person with.
    """
    with database() as connection:
        load_fields(connection, work.drop_columns(["component", "cluster", "held", "never", "before"]))
        connection.register("work", work.select(["unique_id", "component", "cluster"]))
        connection.execute(
            "create table inside as select l.unique_id as join_key_l, r.unique_id as join_key_r from work l "
            "join work r on l.component = r.component and l.cluster != r.cluster and l.unique_id < r.unique_id"
        )
        pairs = compare(connection, "inside", model.comparisons)
    rows = work.select(["unique_id", "component", "cluster", "source", "held", "never", "before"]).to_pandas()
    rows = rows.sort_values("unique_id", ignore_index=True)
    left, right = (np.searchsorted(rows["unique_id"].to_numpy(), side) for side in (pairs.left, pairs.right))
    source = rows["source"].to_numpy()
    forbidden = (source[left] == source[right]) & np.isin(source[left], sorted(rules.alone))
    evidence = Evidence.of(pairs, forbidden, model)
    of_group = rows.drop_duplicates("cluster").sort_values(["component", "cluster"], ignore_index=True)
    everyone = [_group(row) for row in of_group.itertuples()]
    # Both sides are in the order of components: where each begins, among groups and among pairs.
    components, first = np.unique(of_group["component"], return_index=True)
    place = dict(zip(of_group["cluster"], of_group.groupby("component").cumcount(), strict=True))
    place_of = rows["cluster"].map(place).to_numpy(np.int64)
    component_of = rows["component"].to_numpy()[left]
    order = np.argsort(component_of, kind="stable")
    of_pairs = np.append(np.searchsorted(component_of[order], components), len(order))
    of_groups = np.append(first, len(everyone))
    merged: dict[int, int] = {}
    for n in range(len(components)):
        those = everyone[of_groups[n] : of_groups[n + 1]]
        part = order[of_pairs[n] : of_pairs[n + 1]]
        if not len(part):
            continue
        ends = place_of[left[part]], place_of[right[part]]
        labels = merge_groups(those, ends, evidence.rows(part), model, rules)
        merged |= {group.name: those[label].name for group, label in zip(those, labels.tolist(), strict=True)}
    return pa.table(
        {
            "cluster": pa.array(of_group["cluster"], pa.int64()),
            "merged_into": pa.array([merged.get(c, c) for c in of_group["cluster"].tolist()], pa.int64()),
        }
    )


def _group(row: Any) -> Group:
    held: Held = {}
    for told in row.held if row.held is not None else ():
        namespace, value = told.split(_BETWEEN, 1)
        held.setdefault(namespace, set()).add(value)
    never, before = (frozenset(() if told is None else told) for told in (row.never, row.before))
    return Group(int(row.cluster), held, never, before)


def load_fields(connection: duckdb.DuckDBPyConnection, fields: pa.Table) -> None:
    """The table `fields`, both sides of a pair as `fields_l` and `fields_r`, and `frequencies` where they are known."""
    connection.register("fields_arrow", fields)
    common = [name for name in fields.column_names if name.startswith(_FREQUENCY)]
    names = [name for name in fields.column_names if name not in common]
    connection.execute(
        f"create table fields as select {', '.join(names)} from fields_arrow order by unique_id"
    )
    for side in "lr":
        columns = ", ".join(f"{name} as {name}_{side}" for name in names)
        connection.execute(f"create view fields_{side} as select {columns} from fields")
    if common:
        told = ", ".join(["unique_id", *(f"{name} as {name.removeprefix(_FREQUENCY)}" for name in common)])
        connection.execute(f"create table frequencies as select {told} from fields_arrow")

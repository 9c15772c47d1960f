"""How common values are: what two records agree on says the more, the rarer it is.

A model remembers how common the common values were when it was learnt, so that a small table, or the few records of a
day, are judged by the large one. It remembers no value that could name somebody: none of fields that belong to one
person, and of the others only what many records say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import pyarrow as pa

# Records that must say a value before a model may hold it.
FEWEST: Final = 10
# Fields of one person or one door; what is common among them is no more than chance.
_PERSONAL: Final = frozenset({"national_id", "email", "phone", "born", "birthday", "address"})
_COMMON: Final = [("value", pa.string()), ("records", pa.int64())]


@dataclass(frozen=True)
class Frequencies:
    """How common values were in the table a model was learnt from.

    Attributes:
        values: By field, how many records said anything.
        common: By field, how many records said each value; values of fewer than `FEWEST` are left out.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    common: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def count_frequencies(
    connection: duckdb.DuckDBPyConnection, comparisons: Sequence[dict[str, Any]], known: Frequencies
) -> None:
    """Make the table `frequencies`: `unique_id`, and by field how common each record's value is.

    A value is as common as it was where the model was learnt. One that was not common there is as common as here,
    among as many records as there were, if here are fewer. What is surely more common here, by two standard errors of
    its count, is as common as that.
    """
    shares, joins = [], []
    for place, name in enumerate(_fields(comparisons)):
        records, values = f"(count(*) over (partition by f.{name}))::double", f"count(f.{name}) over ()"
        share = f"{records} / greatest({values}, {known.values.get(name, 0)})"
        common = known.common.get(name, {})
        if common:
            table = {"value": list(common), "records": list(common.values())}
            connection.register(f"common_{place}", pa.table(table, pa.schema(_COMMON)))
            joins.append(f"left join common_{place} c{place} on f.{name} = c{place}.value")
            share = f"coalesce(c{place}.records::double / {known.values[name]}, {share})"
        at_least = f"({records} - 2 * sqrt({records})) / {values}"
        shares.append(f"case when f.{name} is null then 1.0 else greatest({share}, {at_least}) end as {name}")
    selected = ", ".join(["f.unique_id", *shares])
    connection.execute(f"create table frequencies as select {selected} from fields f {' '.join(joins)}")


def common_values(
    connection: duckdb.DuckDBPyConnection, comparisons: Sequence[dict[str, Any]]
) -> Frequencies:
    """What a model may remember of the table `fields`."""
    values, common = {}, {}
    for name in _fields(comparisons):
        (said,) = connection.execute(f"select count({name}) from fields").fetchall()[0]
        values[name] = int(said)
        if name not in _PERSONAL:
            common[name] = dict(
                connection.execute(
                    f"select {name}, count(*) as n from fields where {name} is not null group by 1 "
                    f"having n >= {FEWEST} order by 1"
                ).fetchall()
            )
    return Frequencies(values, common)


def _fields(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """Fields of which a rare value says more."""
    named = {level.get("tf_adjustment_column") for c in comparisons for level in c["comparison_levels"]}
    return sorted(filter(None, named))

"""Pairs of records as numbers: which level of every comparison each is at, and how rare what they agree on is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Compared pairs.

    Attributes:
        left: Place of the first record of each pair.
        right: Place of the second.
        levels: Pairs by comparisons: Splink's level, from 0 for all else up; -1 where something is missing.
        rarity: Pairs by comparisons: bits to add for a value agreed on that is rarer than the average one, less where
            it is more common; 0 where frequencies do not matter.
    """

    left: Ints
    right: Ints
    levels: Levels
    rarity: Floats

    def __len__(self) -> int:
        return len(self.left)

    def where(self, keep: npt.NDArray[Any]) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.left[keep], self.right[keep], self.levels[keep], self.rarity[keep])


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory; what memory does not hold goes to a private folder that is gone after."""
    with (
        TemporaryDirectory(prefix="identity-") as folder,
        duckdb.connect(":memory:", config={"temp_directory": folder}) as connection,
    ):
        yield connection


def numbered(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """The levels of a comparison by their number, null levels aside."""
    return [level for level in reversed(comparison["comparison_levels"]) if not level.get("is_null_level")]


def compare(
    connection: duckdb.DuckDBPyConnection, pairs: str, comparisons: Sequence[dict[str, Any]]
) -> Pairs:
    """Compare pairs of the table `fields`.

    Args:
        connection: DuckDB with the tables `fields`, as `fields_l` and `fields_r` too, `frequencies`, and the pairs.
        pairs: Table with `join_key_l`, `join_key_r`.
        comparisons: In Splink's format, with u probabilities.
    """
    left, right, levels = compare_levels(connection, pairs, comparisons)
    rarity = np.zeros(levels.shape, dtype=np.float32)
    frequencies = connection.execute("select * from frequencies order by unique_id").fetchnumpy()
    sides = [np.searchsorted(frequencies["unique_id"], side) for side in (left, right)]
    for place, comparison in enumerate(comparisons):
        for number, level in enumerate(numbered(comparison)):
            column = level.get("tf_adjustment_column")
            if column:
                at = np.flatnonzero(levels[:, place] == number)
                common = np.maximum.reduce([np.asarray(frequencies[column])[side[at]] for side in sides])
                rarity[at, place] = np.log2(
                    level["u_probability"] / np.maximum(common, level["tf_minimum_u_value"])
                )
    return Pairs(left, right, levels, rarity)


def compare_levels(
    connection: duckdb.DuckDBPyConnection, pairs: str, comparisons: Sequence[dict[str, Any]]
) -> tuple[Ints, Ints, Levels]:
    """Both sides of each pair, in order, and its level of every comparison."""
    columns = ", ".join(f"({_case(c)})::tinyint as gamma_{place}" for place, c in enumerate(comparisons))
    found = connection.execute(
        f"select p.join_key_l as l, p.join_key_r as r, {columns} from {pairs} p "
        "join fields_l on fields_l.unique_id_l = p.join_key_l join fields_r on fields_r.unique_id_r = p.join_key_r"
    ).fetchnumpy()
    left, right = (np.asarray(found[side], dtype=np.int64) for side in "lr")
    order = np.lexsort((right, left))
    levels = np.column_stack(
        [np.asarray(found[f"gamma_{i}"], np.int8)[order] for i in range(len(comparisons))]
    )
    return left[order], right[order], levels


def _case(comparison: dict[str, Any]) -> str:
    """Splink's rule for a comparison vector: the first level whose condition holds."""
    whens, number = [], len(numbered(comparison)) - 1
    for level in comparison["comparison_levels"]:
        if level.get("is_null_level"):
            whens.append(f"when {level['sql_condition']} then -1")
        elif level["sql_condition"].strip().upper() == "ELSE":
            whens.append(f"else {number}")
        else:
            whens.append(f"when {level['sql_condition']} then {number}")
            number -= 1
    return f"case {' '.join(whens)} end"

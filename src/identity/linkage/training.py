"""Splink learns: how often matches are, what agreement by chance looks like, what a match looks like."""

from collections.abc import Collection
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from identity.linkage.comparisons import comparisons
from identity.linkage.model import LARGEST_PRIOR, LEAST_PRIOR, Model, smoothed
from identity.linkage.pairs import compare_levels, numbered

# Agreement that makes a match almost surely; the share of matches that it finds is a guess, which learning mends.
CERTAIN: Final = (
    ("given", "family", "born"), ("given", "family", "postcode"), ("born", "postcode"), ("national_id", "given"),
    ("national_id", "family"), ("national_id", "born"), ("email", "given"), ("email", "phone"), ("phone", "given"),
    ("phone", "family"), ("given", "family", "address"),
)  # fmt: skip
RECALL_OF_CERTAIN: Final = 0.7
_RANDOM_PAIRS: Final = 250_000
_FEWEST_YEARS_MISSING: Final = 0.002
SEED: Final = 1


def train(connection: duckdb.DuckDBPyConnection, fields: Collection[str], *, seed: int = SEED) -> Model:
    """Learn a model of the table `fields`; the seed draws the random pairs that chance is counted of."""
    from splink import DuckDBAPI, Linker, block_on

    has = set(fields)
    years_missing = (
        "born" in has and _share(connection, "year is null and birthday is not null") > _FEWEST_YEARS_MISSING
    )
    settings: dict[str, Any] = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "blocking_rules_to_generate_predictions": [],
        "comparisons": comparisons(has, years_missing=years_missing),
        "max_iterations": 25,
        "linker_uid": "identity",
    }
    table = DuckDBAPI(connection=connection).register(connection.table("fields"))
    linker = Linker(table, settings, log_level=50)
    certain: list[Any] = [block_on(*rule) for rule in CERTAIN if set(rule) <= has]
    if certain and _number(connection, "select count(*) from fields") > 1:
        linker.training.estimate_probability_two_random_records_match(certain, recall=RECALL_OF_CERTAIN)
    model = linker.misc.save_model_to_json()
    # In a very small table the certain pairs may be all there are, or none.
    prior = "probability_two_random_records_match"
    model[prior] = min(max(model[prior], LEAST_PRIOR), LARGEST_PRIOR)
    _count_chance(connection, model["comparisons"], seed)
    smoothed(model["comparisons"])
    return Model(model)


def _count_chance(
    connection: duckdb.DuckDBPyConnection, comparisons: list[dict[str, Any]], seed: int
) -> None:
    """How two random records agree: counted of random pairs, and exactly where a level says that two values are one."""
    _draw_pairs(connection, seed)
    _, _, found = compare_levels(connection, "random_pairs", comparisons)
    for place, comparison in enumerate(comparisons):
        levels = numbered(comparison)
        counts = np.bincount(found[:, place][found[:, place] >= 0], minlength=len(levels))
        for level, count in zip(levels, counts, strict=True):
            column = level.get("tf_adjustment_column")
            if column and level["sql_condition"] == f"{column}_l = {column}_r":
                chance = _number(
                    connection,
                    "select sum(n * (n - 1)) / nullif(sum(n) * (sum(n) - 1), 0) from "
                    f"(select count(*)::double as n from fields where {column} is not null group by {column})",
                )
                level["u_probability"] = max(chance, 1e-7)
            else:
                level["u_probability"] = float(count / counts.sum()) if count else 1e-6


def _draw_pairs(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Random pairs of records, or all there are if they are not more."""
    records = int(_number(connection, "select count(*) from fields"))
    if records * (records - 1) // 2 <= _RANDOM_PAIRS:
        left, right = np.triu_indices(records, 1)
    else:
        drawn = np.random.default_rng(seed).integers(0, records, size=(2, _RANDOM_PAIRS))
        left, right = drawn[:, drawn[0] != drawn[1]]
    connection.register("random_pairs", pa.table({"join_key_l": left, "join_key_r": right}))


def _share(connection: duckdb.DuckDBPyConnection, condition: str) -> float:
    return _number(
        connection, f"select count(*) filter (where {condition}) / greatest(count(*), 1) from fields"
    )


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    """The one number a query gives; 0 for null."""
    return float(connection.execute(query).fetchall()[0][0] or 0.0)

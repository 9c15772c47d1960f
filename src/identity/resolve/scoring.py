"""Probabilistic edges: Splink on its DuckDB backend, in the driver. The door another engine would come through."""

from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.resolve.comparisons import comparisons
from identity.resolve.identifiers import EDGE
from identity.resolve.model import BLOCKING_RULES

RANK = 100  # after every identifier namespace
_BORN_ON_ONE_DAY = 4  # the highest level of the comparison `birth_date`
_PREDICTED = ("unique_id_l", "unique_id_r", "match_weight", "match_probability", "gamma_given_name",
              "gamma_birth_date", "gamma_emails", "gamma_phones")  # fmt: skip


def comparable_records(persons: DataFrame, permission: DataFrame, *, sources: tuple[str, ...]) -> DataFrame:
    """silver.person_record rows worth comparing: they may be joined, have names, and are no tests."""
    may = permission.where("link_permission = 'permitted'").select("source", "source_key")
    named = persons.where(F.col("source").isin(*sources) & (F.col("subject_kind") != "test"))
    return named.join(may, on=["source", "source_key"], how="left_semi")


def comparable(records: DataFrame) -> DataFrame:
    """What Splink gets to see of silver.person_record: one key and the columns it compares, empty lists as null."""
    return records.where("given_name is not null or family_name is not null").select(
        F.concat_ws("\x1f", "source", "source_key").alias("unique_id"),
        "given_name",
        "other_given_names",
        "family_name",
        F.col("birth_date").cast("string").alias("birth_date"),
        F.when(F.size("emails") > 0, F.col("emails")).alias("emails"),
        F.when(F.size("phones") > 0, F.col("phones")).alias("phones"),
        "street",
        "postal_code",
        "city",
        F.col("given_name").alias("given_name_x"),
        F.col("family_name").alias("family_name_x"),
        F.get("emails", F.lit(0)).alias("email"),
        F.get("phones", F.lit(0)).alias("phone"),
    )


def score(records: DataFrame, *, model: dict[str, Any], at_least: float) -> DataFrame:
    """Score the pairs of records that blocking brings together.

    Args:
        records: silver.person_record rows that may be joined, from sources with names worth comparing.
        model: A model of `model.load_model`.
        at_least: Probability below which a pair is not kept.

    Returns:
        Edges in the shape `EDGE`, `rule` being the model's version, in no particular order.
    """
    table = comparable(records).toArrow().sort_by("unique_id")
    spark = records.sparkSession
    if table.num_rows < 2:
        return spark.createDataFrame([], EDGE)
    pairs = predict(table, settings=model["splink"], at_least=at_least)
    if not len(pairs):
        return spark.createDataFrame([], EDGE)
    scored = spark.createDataFrame(pairs)
    left, right = F.split("unique_id_l", "\x1f"), F.split("unique_id_r", "\x1f")
    return scored.select(
        left[0].alias("source_l"),
        left[1].alias("source_key_l"),
        right[0].alias("source_r"),
        right[1].alias("source_key_r"),
        F.lit("probabilistic").alias("kind"),
        F.lit(model["version"]).alias("rule"),
        F.lit(RANK).alias("rank"),
        "match_weight",
        F.col("match_probability").alias("probability"),
        _contradiction().alias("reason"),
    )


def _contradiction() -> Column:
    """What a high weight cannot mend: a household shares street and family name, twins the birth date too.

    Persons whose given names have nothing in common are one only when they were born on one day and share an
    e-mail or a phone; persons born on wholly different days are never one.
    """
    share_contact = (F.col("gamma_emails") == 1) | (F.col("gamma_phones") == 1)
    one_day = F.col("gamma_birth_date") == _BORN_ON_ONE_DAY
    other_name = (F.col("gamma_given_name") == 0) & ~(one_day & share_contact)
    return F.when(F.col("gamma_birth_date") == 0, "birth_dates_differ").when(other_name, "names_differ")


def predict(table: pa.Table, *, settings: dict[str, Any], at_least: float) -> pd.DataFrame:
    """Splink's prediction: `unique_id_l` < `unique_id_r`, `match_weight` (log2), `match_probability`, levels (`gamma_…`)."""
    linker = make_linker(table, settings)
    found: pd.DataFrame = linker.inference.predict(threshold_match_probability=at_least).as_pandas_dataframe()
    found = found[[*_PREDICTED]]
    is_turned = found["unique_id_l"] > found["unique_id_r"]
    found.loc[is_turned, ["unique_id_l", "unique_id_r"]] = found.loc[
        is_turned, ["unique_id_r", "unique_id_l"]
    ].to_numpy()
    return found.sort_values(["unique_id_l", "unique_id_r"], ignore_index=True)


def make_linker(table: pa.Table, settings: dict[str, Any]) -> Any:
    """A Splink linker over an Arrow table in a DuckDB of its own; one thread, so that sums are repeatable."""
    import duckdb
    from splink import DuckDBAPI, Linker

    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.register("person_records", table)
    return Linker(
        DuckDBAPI(connection=connection).register(connection.table("person_records")), settings, log_level=40
    )


def base_settings(seed: int) -> dict[str, Any]:
    """Splink's settings before anything is learnt."""
    from splink import block_on

    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "comparisons": comparisons(),
        "blocking_rules_to_generate_predictions": [block_on(*rule) for rule in BLOCKING_RULES],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": False,
        "linker_uid": f"identity-{seed}",
    }

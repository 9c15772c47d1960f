"""Gate U: a golden id stands in a purpose's profile only by a standing permission, with that purpose's columns only."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Purpose
from identity.consent.decide import PERSON
from identity.contracts import conform, purpose_contract

# Tests and mystery shoppers are nobody's customers.
_LEFT_OUT = ("test", "mystery_shopper")


def permitted(effective: DataFrame, purpose: str) -> DataFrame:
    """Golden ids that permit a purpose, with the contact points that may be used: `golden_id`, `contact_points`."""
    points = F.when(F.col("contact_point") != PERSON, F.col("contact_point"))
    return (
        effective.where((F.col("purpose") == purpose) & (F.col("decision") == "permit"))
        .groupBy("golden_id")
        .agg(F.sort_array(F.collect_set(points)).alias("contact_points"))
    )


def allowed_categories(effective: DataFrame, purposes: Mapping[str, Purpose]) -> DataFrame:
    """Data categories that a golden id's standing purposes may use: `golden_id`, `categories`."""
    table = effective.sparkSession.createDataFrame(
        [(name, sorted(p.categories)) for name, p in purposes.items()],
        "purpose string, allowed array<string>",
    )
    return (
        effective.where("decision = 'permit'")
        .join(F.broadcast(table), on="purpose", how="inner")
        .groupBy("golden_id")
        .agg(F.array_distinct(F.flatten(F.collect_set("allowed"))).alias("categories"))
    )


def measured(records: DataFrame, measures: list[DataFrame]) -> DataFrame:
    """Golden records with everything a purpose's profile could show; tests and mystery shoppers left out.

    Args:
        records: `golden_record.golden_records`.
        measures: Frames of one row a `golden_id` with further columns of the template.
    """
    wide = records.where(~F.col("subject_kind").isin(*_LEFT_OUT))
    for measure in measures:
        wide = wide.join(measure, on="golden_id", how="left")
    return wide.fillna(0, subset=["open_complaints", "purchases", "visits"])


def profiles(
    wide: DataFrame, effective: DataFrame, *, purposes: Mapping[str, Purpose]
) -> dict[str, DataFrame]:
    """One frame a purpose: gold.profile_<purpose>.

    Args:
        wide: `measured` records.
        effective: consent.effective.
        purposes: Purposes that have a profile.
    """
    frames = {}
    for name, purpose in purposes.items():
        contract = purpose_contract(name, categories=purpose.categories)
        may = wide.join(permitted(effective, name), on="golden_id", how="inner")
        frames[contract.name] = conform(may.select(*contract.columns), contract)
    return frames

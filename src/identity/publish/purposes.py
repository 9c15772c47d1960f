"""Gate U: a golden id stands in a purpose's profile only by a standing permission, with that purpose's columns only.

What feeds a profile is of the parts that permit the purpose; a wrong link between parts costs reach, never lawfulness.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import DETAILS, Purpose
from identity.consent.decide import PERSON
from identity.contracts import conform, purpose_contract

# Tests and mystery shoppers are nobody's customers, and staff are not analysed or marketed to.
_NOBODY: Final = ("test", "mystery_shopper")
_NOT_ASKED: Final = ("staff",)


def permitted_parts(effective: DataFrame) -> DataFrame:
    """Parts of golden ids that permit a purpose: `purpose`, `golden_id`, `part`, distinct."""
    return (
        effective.where("decision = 'permit'")
        .select("purpose", "golden_id", F.explode("permitted_parts").alias("part"))
        .distinct()
    )


def usable_parts(
    permitted: DataFrame, kinds: DataFrame, complaining: DataFrame, *, purposes: Mapping[str, Purpose]
) -> DataFrame:
    """Of the permitted parts those that a purpose may use today: `purpose`, `golden_id`, `part`.

    Tests and mystery shoppers are out of all purposes that have a profile, staff out of those that rest on consent; an
    open complaint, whoever of the golden id has it, pauses the purposes that say so.

    Args:
        permitted: `permitted_parts`.
        kinds: `golden_id`, `subject_kind`.
        complaining: `golden_id` of those with an open complaint.
        purposes: Purposes that have a profile.
    """
    on_consent = [name for name, p in purposes.items() if p.basis == "consent"]
    paused = [name for name, p in purposes.items() if p.paused_by_complaint]
    nobody = F.col("subject_kind").isin(*_NOBODY)
    not_asked = F.col("subject_kind").isin(*_NOT_ASKED) & F.col("purpose").isin(*on_consent)
    may = (
        permitted.where(F.col("purpose").isin(*purposes))
        .join(kinds, on="golden_id", how="inner")
        .where(~nobody & ~not_asked)
        .join(
            complaining.select("golden_id", F.lit(True).alias("complains")).distinct(),
            on="golden_id",
            how="left",
        )
    )
    return may.where(F.col("complains").isNull() | ~F.col("purpose").isin(*paused)).select(
        "purpose", "golden_id", "part"
    )


def with_detail(usable: DataFrame, permitted: DataFrame, *, purposes: Mapping[str, Purpose]) -> DataFrame:
    """`usable` with `detail` of purchases: the less of what the purpose needs and what the person granted.

    Where no purpose grants a detail, nobody is asked for it, and the purpose's need counts alone; otherwise who
    granted none is seen by totals.

    Args:
        usable: `usable_parts`.
        permitted: `permitted_parts`, of the purposes that grant a detail too.
        purposes: All purposes.
    """
    need = _lookup({name: DETAILS.index(p.detail) for name, p in purposes.items()})[F.col("purpose")]
    grants = {name: DETAILS.index(p.grants_detail) for name, p in purposes.items() if p.grants_detail}
    level = need
    joined = usable
    if grants:
        granted = (
            permitted.where(F.col("purpose").isin(*grants))
            .groupBy("golden_id", "part")
            .agg(F.max(_lookup(grants)[F.col("purpose")]).alias("granted"))
        )
        joined = usable.join(granted, on=["golden_id", "part"], how="left")
        level = F.least(need, F.coalesce("granted", F.lit(0)))
    names = F.array(*map(F.lit, DETAILS))
    return joined.select("purpose", "golden_id", "part", F.get(names, level).alias("detail"))


def allowed_categories(permitted: DataFrame, *, purposes: Mapping[str, Purpose]) -> DataFrame:
    """Data categories that the purposes a part permits may use: `golden_id`, `part`, `categories`."""
    table = permitted.sparkSession.createDataFrame(
        [(name, sorted(p.categories)) for name, p in purposes.items()],
        "purpose string, allowed array<string>",
    )
    return (
        permitted.join(F.broadcast(table), on="purpose", how="inner")
        .groupBy("golden_id", "part")
        .agg(F.array_distinct(F.flatten(F.collect_set("allowed"))).alias("categories"))
    )


def contact_points(effective: DataFrame, carried: DataFrame) -> DataFrame:
    """Contact points that a purpose may use: `purpose`, `golden_id`, `contact_points` (keyed hashes, sorted).

    Args:
        effective: consent.effective.
        carried: `golden_id`, `part`, `contact_point`: what records carry; a part that permits lends no other's.
    """
    permitted = effective.where((F.col("decision") == "permit") & (F.col("contact_point") != PERSON)).select(
        "purpose", "golden_id", F.explode("permitted_parts").alias("part"), "contact_point"
    )
    return (
        permitted.join(carried, on=["golden_id", "part", "contact_point"], how="left_semi")
        .groupBy("purpose", "golden_id")
        .agg(F.sort_array(F.collect_set("contact_point")).alias("contact_points"))
    )


def measured(
    records: DataFrame, measures: Sequence[DataFrame], points: DataFrame, *, purposes: Mapping[str, Purpose]
) -> DataFrame:
    """Golden records by purpose with everything the purpose's profile could show.

    Args:
        records: `golden_record.golden_records` of what each purpose may use, by `purpose` and `golden_id`.
        measures: Frames of one row a `purpose` and `golden_id` with further columns of the template.
        points: `contact_points`; a purpose that needs one has no row without.
        purposes: Purposes that have a profile.
    """
    contacting = [name for name, p in purposes.items() if p.contact is not None]
    wide = records
    for measure in (*measures, points):
        wide = wide.join(measure, on=["purpose", "golden_id"], how="left")
    reached = F.col("contact_points").isNotNull() | ~F.col("purpose").isin(*contacting)
    return wide.where(reached).fillna(0, subset=["open_complaints", "purchases", "visits"])


def profiles(wide: DataFrame, *, purposes: Mapping[str, Purpose]) -> dict[str, DataFrame]:
    """One frame a purpose: gold.profile_<purpose>.

    Args:
        wide: `measured` records.
        purposes: Purposes that have a profile.
    """
    frames = {}
    for name, purpose in purposes.items():
        contract = purpose_contract(name, categories=purpose.categories)
        frames[contract.name] = conform(
            wide.where(F.col("purpose") == name).select(*contract.columns), contract
        )
    return frames


def used_since(purposes: Mapping[str, Purpose], *, on: dt.date) -> Column:
    """The oldest day whose data the purpose of a row, in its column `purpose`, may use on a date."""
    days = _lookup({name: purpose.retention_days for name, purpose in purposes.items()})
    return F.date_sub(F.lit(on), days[F.col("purpose")])


def _lookup(numbers: Mapping[str, int]) -> Column:
    return F.create_map(*(F.lit(x) for pair in numbers.items() for x in pair))

"""The golden record: of what several sources say, which value wins, and where it came from."""

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import LEVELS

# One record of another kind makes the whole id of that kind: a test account is no customer.
_KINDS = ("test", "mystery_shopper", "staff", "b2b_contact", "customer")
_DECLARED = ("language", "birth_date", "postal_code", "country")
_CATEGORIES = {
    "language": "demographic",
    "birth_date": "demographic",
    "postal_code": "location",
    "country": "location",
    "first_seen_at": "service",
}
# As gold calls what it shows of them.
_PUBLISHED = {"birth_date": "age_band", "postal_code": "postal_area"}


def known_records(members: DataFrame, persons: DataFrame) -> DataFrame:
    """Every record of a golden id with what its source says of the person; `subject_kind` is the whole id's.

    Args:
        members: Open rows of id.golden_member.
        persons: silver.person_record.

    Returns:
        `golden_id`, `part`, `source`, `source_key`, `level`, `confidence`, `subject_kind`, `is_person` (false for
        devices), `valid_from`, `first_seen_at`, and what is declared.
    """
    known = members.select("golden_id", "part", "source", "source_key", "level", "confidence").join(
        persons.select("source", "source_key", "subject_kind", "valid_from", "first_seen_at", *_DECLARED),
        on=["source", "source_key"],
        how="left",
    )
    kinds = F.array(*(F.lit(kind) for kind in _KINDS))
    of_id = F.min(F.array_position(kinds, F.col("subject_kind"))).over(Window.partitionBy("golden_id"))
    kind = F.element_at(kinds, F.coalesce(of_id, F.lit(len(_KINDS))).cast("int"))
    return known.withColumn("is_person", F.col("subject_kind").isNotNull()).withColumn("subject_kind", kind)


def golden_records(known: DataFrame, *, on: dt.date, by: Sequence[str] = ("golden_id",)) -> DataFrame:
    """A row a golden id (and purpose): the newest value each attribute was given, by whom, and when.

    Args:
        known: `known_records`, all or those that may speak.
        on: Run date, for ages.
        by: What makes a row.

    Returns:
        `by`, `level`, `subject_kind`, `sources`, `records`, `language`, `age_band`, `postal_area`, `country`,
        `customer_since_on`, `provenance`.
    """
    order = F.struct("valid_from", "source", "source_key")
    told = {name: F.max_by(_told(name), F.when(F.col(name).isNotNull(), order)) for name in _DECLARED}
    levels = F.array(*(F.lit(level) for level in LEVELS))
    strongest = F.min(F.array_position(levels, F.col("level")))
    one = known.groupBy(*by).agg(
        strongest.alias("level_no"),
        F.min("subject_kind").alias("subject_kind"),
        F.sort_array(F.collect_set("source")).alias("sources"),
        F.count("*").alias("records"),
        F.min("first_seen_at").cast("date").alias("customer_since_on"),
        *(value.alias(name) for name, value in told.items()),
    )
    return one.select(
        *by,
        F.element_at(levels, F.col("level_no").cast("int")).alias("level"),
        "subject_kind",
        "sources",
        "records",
        F.col("language.value").alias("language"),
        age_band(F.col("birth_date.value").cast("date"), on=on).alias("age_band"),
        F.substring("postal_code.value", 1, 2).alias("postal_area"),
        F.col("country.value").alias("country"),
        "customer_since_on",
        _provenance().alias("provenance"),
    )


def age_band(born: Column, *, on: dt.date) -> Column:
    """The age band on a date."""
    age = F.floor(F.months_between(F.lit(on), born) / 12)
    band = F.when(age < 18, "under_18")
    for low, high in ((18, 24), (25, 34), (35, 44), (45, 54), (55, 64)):
        band = band.when(age <= high, f"{low}_{high}")
    return band.when(age >= 65, "65_plus")


def permitted_attributes(known: DataFrame, allowed: DataFrame, *, on: dt.date) -> DataFrame:
    """gold.profile_core: attributes whose category a standing purpose may use in the part they come from, else null.

    Args:
        known: `known_records`.
        allowed: `golden_id`, `part`, `categories` of the purposes that stand there.
        on: Run date, for ages.
    """
    joined = known.join(allowed, on=["golden_id", "part"], how="left")
    may = {
        category: F.coalesce(F.array_contains("categories", F.lit(category)), F.lit(False))
        for category in set(_CATEGORIES.values())
    }
    heard = joined.withColumns({name: F.when(may[c], F.col(name)) for name, c in _CATEGORIES.items()})
    renamed = F.transform(
        "provenance",
        lambda p: p.withField("attribute", F.coalesce(_map(_PUBLISHED)[p["attribute"]], p["attribute"])),
    )
    return golden_records(heard, on=on).withColumn("provenance", renamed)


def _told(name: str) -> Column:
    return F.struct(
        F.col(name).cast("string").alias("value"),
        "source",
        F.col("valid_from").cast("date").alias("updated_on"),
        "confidence",
    )


def _provenance() -> Column:
    each = [
        F.when(
            F.col(name).isNotNull(),
            F.struct(
                F.lit(name).alias("attribute"),
                F.col(name)["source"].alias("source"),
                F.lit("declared").alias("kind"),
                F.col(name)["confidence"].alias("confidence"),
                F.col(name)["updated_on"].alias("updated_on"),
            ),
        )
        for name in _DECLARED
    ]
    return F.array_compact(F.array(*each))


def _map(pairs: dict[str, str]) -> Column:
    return F.create_map(*(F.lit(x) for pair in pairs.items() for x in pair))

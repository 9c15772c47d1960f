"""The golden record: of what several sources say, which value wins, and where it came from."""

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import LEVELS

# One record of another kind makes the whole id of that kind: a test account is no customer.
_KINDS = ("test", "mystery_shopper", "staff", "b2b_contact", "customer")
_DECLARED = ("language", "birth_date", "postal_code", "country")


def golden_records(members: DataFrame, persons: DataFrame, *, on: dt.date) -> DataFrame:
    """A row a golden id: the newest value each attribute was given, by whom, and when.

    Args:
        members: Open rows of id.golden_member.
        persons: silver.person_record.
        on: Run date, for ages.

    Returns:
        `golden_id`, `level`, `subject_kind`, `sources`, `records`, `language`, `age_band`, `postal_area`, `country`,
        `customer_since_on`, `provenance`.
    """
    known = members.select("golden_id", "source", "source_key", "level", "confidence").join(
        persons, on=["source", "source_key"], how="left"
    )
    order = F.struct("valid_from", "source", "source_key")
    told = {name: F.max_by(_told(name), F.when(F.col(name).isNotNull(), order)) for name in _DECLARED}
    kind = F.min(F.array_position(F.array(*(F.lit(kind) for kind in _KINDS)), F.col("subject_kind")))
    levels = F.array(*(F.lit(level) for level in LEVELS))
    strongest = F.min(F.array_position(levels, F.col("level")))
    one = known.groupBy("golden_id").agg(
        strongest.alias("level_no"),
        kind.alias("kind_no"),
        F.sort_array(F.collect_set("source")).alias("sources"),
        F.count("*").alias("records"),
        F.min("first_seen_at").cast("date").alias("customer_since_on"),
        *(value.alias(name) for name, value in told.items()),
    )
    return one.select(
        "golden_id",
        F.element_at(levels, F.col("level_no").cast("int")).alias("level"),
        F.element_at(
            F.array(*(F.lit(k) for k in _KINDS)), F.coalesce("kind_no", F.lit(len(_KINDS))).cast("int")
        ).alias("subject_kind"),
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


def permitted_attributes(records: DataFrame, allowed: DataFrame) -> DataFrame:
    """gold.profile_core: attributes whose category at least one standing purpose may use; the others are null.

    Args:
        records: `golden_records`.
        allowed: `golden_id`, `categories` of its standing purposes.
    """
    categories = {
        "language": "demographic",
        "age_band": "demographic",
        "postal_area": "location",
        "country": "location",
        "customer_since_on": "service",
    }
    joined = records.join(allowed, on="golden_id", how="left")
    names = {"birth_date": "age_band", "postal_code": "postal_area"}
    may = {
        name: F.coalesce(F.array_contains("categories", F.lit(category)), F.lit(False))
        for name, category in categories.items()
    }
    masked = joined.select(
        "golden_id", "level", "subject_kind", "sources", "records",
        *(F.when(may[name], F.col(name)).alias(name) for name in categories),
        "provenance", "categories",
    )  # fmt: skip
    by_attribute = F.create_map(
        *(F.lit(x) for name, category in categories.items() for x in (name, category))
    )
    renamed = F.transform(
        "provenance",
        lambda p: p.withField("attribute", F.coalesce(_map(names)[p["attribute"]], p["attribute"])),
    )
    kept = F.filter(
        renamed, lambda p: F.array_contains(F.coalesce("categories", F.array()), by_attribute[p["attribute"]])
    )
    return masked.withColumn("provenance", kept).drop("categories")


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

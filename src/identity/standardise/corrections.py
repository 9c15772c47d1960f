"""Corrections (GDPR art. 16) laid over what sources deliver.

A correction holds until the source itself says something else: a version that it dates later than the correction, and
whose value is not the one that was put right. The parts of an address are one value: they hold or end together.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.errors import ConfigError
from identity.standardise import addresses, dates, names
from identity.standardise.contacts import email, phones
from identity.standardise.identifiers import value_hash

ADDRESS: Final = ("street", "flat", "postal_code", "city", "country")
CONTACTS: Final = ("email", "phone")
_NAMES: Final = ("given_name", "other_given_names", "family_name")
# What can be set; a street is written with its flat.
SETTABLE: Final = (*_NAMES, "birth_date", *CONTACTS, "street", "postal_code", "city", "country", "language")
_GROUPS: Final = (*((name,) for name in (*_NAMES, "birth_date", "language")), ADDRESS)
_KEY: Final = ["source", "source_key"]


def standardised(spark: SparkSession, changes: Mapping[str, str], *, on: dt.date) -> dict[str, str | None]:
    """Values as typed, as silver holds them; an empty one means that there is none.

    Args:
        spark: To read them as the sources' values are read.
        changes: By attribute.
        on: Run date; nobody is born later.

    Raises:
        ConfigError: A value cannot be read; it is not quoted.
    """
    frame = spark.createDataFrame(
        [tuple(changes.get(name, "") for name in SETTABLE)], ", ".join(f"{name} string" for name in SETTABLE)
    )
    read = frame.join(
        phones(frame.select(F.col("phone").alias("raw"))).withColumnRenamed("phone", "read_phone"),
        how="cross",
    )
    row = read.select(
        *(names.name(F.col(name)).alias(name) for name in _NAMES),
        dates.birth_date(dates.written_date(F.col("birth_date")), on=on).cast("string").alias("birth_date"),
        email(F.col("email")).alias("email"),
        F.col("read_phone").alias("phone"),
        addresses.street(F.col("street")).alias("street"),
        addresses.flat(F.col("street")).alias("flat"),
        addresses.postal_code(F.col("postal_code")).alias("postal_code"),
        names.folded(F.col("city")).alias("city"),
        addresses.country(F.col("country")).alias("country"),
        F.nullif(F.regexp_extract(F.lower(F.trim("language")), "^[a-z]{2}$", 0), F.lit("")).alias("language"),
    ).collect()[0]
    unread = [name for name, text in changes.items() if text.strip() and row[name] is None]
    if " " in (row["given_name"] or ""):
        unread.append("given_name")  # further names are other_given_names
    if unread:
        raise ConfigError(
            f"--set {unread[0]}: cannot be read as {unread[0].replace('_', ' ')}; write it as the sources deliver it"
        )
    found = {name: row[name] for name in changes}
    return found | {"flat": row["flat"]} if "street" in changes else found


def corrected_persons(persons: DataFrame, corrections: DataFrame) -> DataFrame:
    """silver.person_record with corrections laid over it; e-mails and phones come from `corrected_identifiers`.

    Args:
        persons: Person records as delivered, standardised.
        corrections: silver.correction.
    """
    told = F.struct("value", "replaced", "corrected_on")
    by_record = (
        corrections.where(~F.col("attribute").isin(*CONTACTS))
        .groupBy(*_KEY)
        .agg(F.map_from_entries(F.collect_list(F.struct("attribute", told))).alias("corrections"))
    )
    types = dict(persons.dtypes)
    values = {}
    for group in _GROUPS:
        told_first = F.col("corrections")[group[0]]
        is_later = F.coalesce(F.col("valid_from").cast("date") > told_first["corrected_on"], F.lit(False))
        says_other = ~_all(
            F.col(name).cast("string").eqNullSafe(F.col("corrections")[name]["replaced"]) for name in group
        )
        holds = told_first.isNotNull() & ~(is_later & says_other)
        for name in group:
            value = F.col("corrections")[name]["value"].cast(types[name])
            values[name] = F.when(holds, value).otherwise(F.col(name))
    joined = persons.join(F.broadcast(by_record), on=_KEY, how="left")
    return joined.select(*(values.get(name, F.col(name)).alias(name) for name in persons.columns))


def corrected_identifiers(
    known: DataFrame,
    persons: DataFrame,
    corrections: DataFrame,
    *,
    namespaces: Mapping[str, Namespace],
    key: bytes,
) -> DataFrame:
    """silver.identifier with corrected e-mails and phones: one takes the place of all that the record carried.

    Args:
        known: Identifiers as delivered, standardised.
        persons: Persons as delivered, for when their versions began: `source`, `source_key`, `valid_from`.
        corrections: silver.correction.
        namespaces: The identifier hierarchy.
        key: Key of the hashes.
    """
    of_value = [*_KEY, "namespace"]
    asked = corrections.withColumnRenamed("attribute", "namespace").where(F.col("namespace").isin(*CONTACTS))
    asked = asked.select(*of_value, F.col("value").alias("right"), "replaced", "corrected_on")
    delivered = (
        known.join(F.broadcast(asked), on=of_value, how="left_semi")
        .groupBy(*of_value)
        .agg(F.array_join(F.sort_array(F.collect_set("value")), " ").alias("delivered"))
    )
    began = persons.groupBy(*_KEY).agg(F.max("valid_from").cast("date").alias("began_on"))
    is_later = F.coalesce(F.col("began_on") > F.col("corrected_on"), F.lit(False))
    holding = (
        asked.join(delivered, on=of_value, how="left")
        .join(began, on=_KEY, how="inner")  # a record that is gone is not brought back
        .where(~(is_later & ~F.col("delivered").eqNullSafe(F.col("replaced"))))
    )
    levels = F.create_map(*(F.lit(text) for name in CONTACTS for text in (name, namespaces[name].level)))
    seen_at = F.col("corrected_on").cast("timestamp")
    added = holding.where("right is not null").select(
        "namespace",
        value_hash(F.col("namespace"), F.col("right"), key=key).alias("value_hmac"),
        *_KEY,
        F.col("right").alias("value"),
        seen_at.alias("first_seen_at"),
        seen_at.alias("last_seen_at"),
        levels[F.col("namespace")].alias("level"),
    )
    kept = known.join(F.broadcast(holding.select(*of_value)), on=of_value, how="left_anti")
    return kept.unionByName(added)


def _all(conditions: Iterable[Column]) -> Column:
    every = F.lit(True)
    for condition in conditions:
        every = every & condition
    return every

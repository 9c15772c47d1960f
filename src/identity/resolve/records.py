"""What of silver.person_record is compared: the records worth it, and their columns in the linkage engine's terms."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.linkage.fields import standardise
from identity.linkage.pairs import Ints

KEY: Final = ("source", "source_key")
# Semantic type by column of what `comparable` gives.
TYPES: Final = {
    "source": "source", "given_name": "given_name", "other_given_names": "middle_name", "family_name": "family_name",
    "birth_date": "date_of_birth", "email": "email", "other_email": "email", "phone": "phone", "street": "full_address",
    "postal_code": "postcode", "city": "city",
}  # fmt: skip

# What those types give, where every column says something.
FIELDS: Final = frozenset({
    "given", "middle", "family", "tokens", "nicknames", "given_sound", "family_sound", "born", "year", "month", "day",
    "birthday", "email", "email_name", "email_beyond", "email_digits", "phone", "number", "street", "postcode", "district",
    "city", "address",
})  # fmt: skip

# What silver.person_record says of a person, for the eyes of who may see it.
PERSONAL: Final = (
    "given_name", "other_given_names", "family_name", "birth_date", "emails", "phones", "street", "flat", "postal_code",
    "city",
)  # fmt: skip


def comparable_records(persons: DataFrame, permission: DataFrame, *, sources: tuple[str, ...]) -> DataFrame:
    """silver.person_record rows worth comparing: they may be joined, have names, and are no tests."""
    may = permission.where("link_permission = 'permitted'").select(*KEY)
    named = persons.where(
        F.col("source").isin(*sources)
        & (F.col("subject_kind") != "test")
        & F.expr("given_name is not null or family_name is not null")
    )
    return named.join(may, on=[*KEY], how="left_semi")


def why_not_comparable(record: Mapping[str, Any], sources: Collection[str]) -> str | None:
    """Why a row of silver.person_record is not worth comparing: what `comparable_records` leaves out; None if it is."""
    if record["source"] not in sources:
        return "source"
    if record["subject_kind"] == "test":
        return "test"
    if record["given_name"] is None and record["family_name"] is None:
        return "no_name"
    return None


def comparable(records: DataFrame) -> pd.DataFrame:
    """Records as the engine takes them: a row a record, by source and key; every cell a text or null."""
    rows: pd.DataFrame = records.select(
        *KEY,
        "given_name",
        "other_given_names",
        "family_name",
        F.col("birth_date").cast("string").alias("birth_date"),
        F.get("emails", F.lit(0)).alias("email"),
        F.get("emails", F.lit(1)).alias("other_email"),
        F.get("phones", F.lit(0)).alias("phone"),
        "street",
        "postal_code",
        "city",
    ).toPandas()
    return rows.sort_values([*KEY], ignore_index=True)


def comparable_rows(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """What `comparable` gives, of rows that are here already, in their order."""
    plain = ("given_name", "other_given_names", "family_name", "street", "postal_code", "city")
    rows = []
    for record in records:
        emails, phones = ((*(record[name] or ()), None, None) for name in ("emails", "phones"))
        born = record["birth_date"]
        rows.append(
            {name: record[name] for name in (*KEY, *plain)}
            | {
                "birth_date": born and str(born),
                "email": emails[0],
                "other_email": emails[1],
                "phone": phones[0],
            }
        )
    return pd.DataFrame(rows, columns=[*dict.fromkeys([*KEY, *TYPES])], dtype=object)


def fields_of(rows: pd.DataFrame, numbers: Ints | None = None) -> pd.DataFrame:
    """The fields of `comparable` rows.

    Args:
        rows: `comparable`.
        numbers: Number of each record, rising; its place by default.
    """
    fields = standardise(rows.drop(columns="source_key"), TYPES)
    return fields if numbers is None else fields.assign(unique_id=numbers)

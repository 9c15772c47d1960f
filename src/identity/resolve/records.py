"""What of silver.person_record is compared: the records worth it, and their columns in the linkage engine's terms."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.linkage.fields import standardise
from identity.linkage.pairs import Ints

KEY: Final = ("source", "source_key")
# Columns of contact points, and their namespaces.
_CONTACTS: Final = (("emails", "email"), ("phones", "phone"))
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


def comparable(records: DataFrame, namespaces: Mapping[str, Namespace]) -> pd.DataFrame:
    """Records as the engine takes them: a row a record, by source and key; every cell a text or null.

    E-mail addresses and phone numbers that fit a `blocked` pattern mean nobody, and are left out.
    """
    emails, phones = (_meaningful(column, _blocked(namespaces, name)) for column, name in _CONTACTS)
    rows: pd.DataFrame = records.select(
        *KEY,
        "given_name",
        "other_given_names",
        "family_name",
        F.col("birth_date").cast("string").alias("birth_date"),
        F.get(emails, F.lit(0)).alias("email"),
        F.get(emails, F.lit(1)).alias("other_email"),
        F.get(phones, F.lit(0)).alias("phone"),
        "street",
        "postal_code",
        "city",
    ).toPandas()
    return rows.sort_values([*KEY], ignore_index=True)


def _blocked(namespaces: Mapping[str, Namespace], name: str) -> tuple[str, ...]:
    return namespaces[name].blocked if name in namespaces else ()


def _meaningful(values: str, patterns: Iterable[str]) -> Column:
    def means_somebody(value: Column) -> Column:
        return ~reduce(or_, (value.rlike(pattern) for pattern in patterns), F.lit(False))

    return F.filter(values, means_somebody)


def comparable_rows(
    records: Iterable[Mapping[str, Any]], namespaces: Mapping[str, Namespace]
) -> pd.DataFrame:
    """What `comparable` gives, of rows that are here already, in their order."""
    plain = ("given_name", "other_given_names", "family_name", "street", "postal_code", "city")
    rows = []
    for record in records:
        emails, phones = (
            [v for v in record[column] or () if not any(re.search(p, v) for p in _blocked(namespaces, name))]
            for column, name in _CONTACTS
        )
        born = record["birth_date"]
        rows.append(
            {name: record[name] for name in (*KEY, *plain)}
            | {
                "birth_date": born and str(born),
                "email": emails[0] if emails else None,
                "other_email": emails[1] if len(emails) > 1 else None,
                "phone": phones[0] if phones else None,
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

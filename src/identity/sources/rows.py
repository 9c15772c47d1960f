"""The shapes every source turns its feeds into, before anything is standardised, and what they share.

Persons:     source, source_key, subject_kind, linkage, first_names, last_names, birth_text, emails, phones,
             street, postal_code, city, country, language, valid_from, first_seen_at
Identifiers: source, source_key, namespace, raw, first_seen_at, last_seen_at
Consents:    source, subject_namespace, subject_raw, code, answer, contact_point_raw, asked_in, asserted_at,
             delivered_on, notice_version, benefit_shown, benefit_type
"""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

PERSON = (
    "source string, source_key string, subject_kind string, linkage string, first_names string, last_names string, "
    "birth_text string, emails array<string>, phones array<string>, street string, postal_code string, city string, "
    "country string, language string, valid_from timestamp, first_seen_at timestamp"
)
IDENTIFIER = "source string, source_key string, namespace string, raw string, first_seen_at timestamp, last_seen_at timestamp"
CONSENT = (
    "source string, subject_namespace string, subject_raw string, code string, answer string, contact_point_raw string, "
    "asked_in string, asserted_at timestamp, delivered_on date, notice_version string, benefit_shown boolean, "
    "benefit_type string"
)

Feeds = Mapping[str, DataFrame]
Rows = Mapping[str, DataFrame]


def newest(df: DataFrame, *key: str) -> DataFrame:
    """Keep the newest delivered version of each key: the last delivery, and in it the last file and line."""
    order = Window.partitionBy(*key).orderBy(F.desc("delivered_on"), F.desc("file"), F.desc("row_no"))
    return df.withColumn("_place", F.row_number().over(order)).where("_place = 1").drop("_place")


def shaped(df: DataFrame, ddl: str, **values: Column | str) -> DataFrame:
    """Select a shape: a value a column, by expression or by column name; what is not given is null."""
    columns = []
    for part in ddl.split(", "):
        name, kind = part.split(" ", 1)
        value = values.pop(name, F.lit(None))
        columns.append((F.col(value) if isinstance(value, str) else value).cast(kind).alias(name))
    assert not values, f"not in the shape: {sorted(values)}"
    return df.select(*columns)


def names_of(ddl: str) -> list[str]:
    """The columns of a shape, in order."""
    return [part.split(" ", 1)[0] for part in ddl.split(", ")]


def carried(df: DataFrame, *, source: str, key: str, values: Mapping[str, Column], seen: Column) -> DataFrame:
    """Identifiers that records carry: a row a namespace and value, first and last seen."""
    each = F.array(
        *(
            F.struct(F.lit(namespace).alias("namespace"), value.cast("array<string>").alias("raws"))
            for namespace, value in values.items()
        )
    )
    return (
        df.select(F.col(key).alias("source_key"), seen.alias("seen_at"), F.explode(each).alias("e"))
        .select("source_key", "seen_at", "e.namespace", F.explode("e.raws").alias("raw"))
        .where("raw is not null and source_key is not null")
        .groupBy(F.lit(source).alias("source"), "source_key", "namespace", "raw")
        .agg(F.min("seen_at").alias("first_seen_at"), F.max("seen_at").alias("last_seen_at"))
    )


def union(frames: list[DataFrame]) -> DataFrame:
    """All rows of frames of one shape."""
    return reduce(lambda left, right: left.unionByName(right), frames)

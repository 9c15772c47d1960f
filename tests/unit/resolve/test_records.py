"""What is compared, and in which columns: Spark and plain rows agree."""

import datetime as dt
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.resolve.records import comparable, comparable_records, comparable_rows, why_not_comparable

SOURCES = ("crm", "loyalty")
NAMESPACES = load_config(Path(__file__).parents[3] / "conf" / "local.yaml").namespaces


def person(source: str, key: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "source_key": key, "subject_kind": "person", "linkage": "allowed"} | more


ROWS = [
    person("crm", "1", given_name="salla", family_name="aho", birth_date=dt.date(1980, 1, 31), emails=["a@x.fi"]),
    person("crm", "2", family_name="aho", other_given_names="maria", emails=["a@x.fi", "b@x.fi", "c@x.fi"], phones=[]),
    person("crm", "3", emails=["a@x.fi"], street="tie 1", postal_code="00100", city="helsinki"),
    person("crm", "4", given_name="testi", subject_kind="test"),
    person("loyalty", "1", given_name="salla", phones=["+35840123", "+35840124"]),
    person("loyalty", "2", given_name="salla", emails=["test@home.fi", "a@x.fi"], phones=["+358400000000"]),
    person("tills", "1", given_name="salla"),
    person("web_events", "1"),
]  # fmt: skip
NAMES = list(contract_of("silver.person_record").columns)


def test_who_is_worth_comparing(spark: SparkSession):
    schema = contract_of("silver.person_record").spark_schema
    persons = spark.createDataFrame([tuple(row.get(name) for name in NAMES) for row in ROWS], schema)
    permission = persons.selectExpr("source", "source_key", "'permitted' as link_permission")
    found = comparable_records(persons, permission, sources=SOURCES)
    full = [{name: row.get(name) for name in NAMES} for row in ROWS]
    why = {(row["source"], row["source_key"]): why_not_comparable(row, SOURCES) for row in full}
    assert {(row.source, row.source_key) for row in found.collect()} == {
        r for r, reason in why.items() if not reason
    }
    assert list(why.values()) == [None, None, "no_name", "test", None, None, "source", "source"]
    # The same columns with the same texts, in the same order.
    mine, sparks = comparable_rows(full, NAMESPACES), comparable(persons, NAMESPACES)
    assert list(mine.columns) == list(sparks.columns)
    assert mine.to_dict("records") == sparks.astype(object).where(sparks.notna(), None).to_dict("records")
    # What means nobody is not compared.
    (placeholders,) = (
        row for row in mine.to_dict("records") if (row["source"], row["source_key"]) == ("loyalty", "2")
    )
    assert (placeholders["email"], placeholders["other_email"], placeholders["phone"]) == (
        "a@x.fi",
        None,
        None,
    )

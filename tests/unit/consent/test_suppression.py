"""Suppressed persons are known by what their records carry, and by keyed hashes only."""

import json

from pyspark.sql import SparkSession

from identity.config import Feed, Namespace
from identity.consent.suppression import carried_identifiers, suppressed
from identity.standardise.identifiers import hash_key, normalised

KEY = hash_key(b"a secret of the tests")


def feed(**columns: tuple[str, str | None]) -> Feed:
    return Feed.model_validate(
        {
            "pattern": "*",
            "format": "json",
            "columns": {
                name: {"type": type_, "identifier": space} for name, (type_, space) in columns.items()
            },
        }
    )


FEEDS = {
    "contacts": feed(
        contact_id=("string", "contact"),
        emails=("array<string>", "email"),
        phones=("array<string>", "phone"),
        first_name=("string", None),
    ),
    "receipts": feed(receipt_id=("string", None), email=("string", "email")),
}
RECORDS = [
    # two e-mails, one phone
    ("contacts", "f1", 1, {"contact_id": "C1", "emails": ["a@x.fi", "A2@x.fi"], "phones": ["040 123 4567"]}),
    # no contact point at all: null, empty, not there
    ("contacts", "f1", 2, {"contact_id": "C2", "emails": None, "phones": []}),
    # a column of that name in another feed is no identifier there
    ("receipts", "f2", 1, {"receipt_id": "C1", "contact_id": "C1", "email": "b@x.fi"}),
    ("receipts", "f2", 2, {"receipt_id": "R2"}),
]
CARRIED = {
    ("f1", 1, "contact", "C1"),
    ("f1", 1, "email", "a@x.fi"),
    ("f1", 1, "email", "A2@x.fi"),
    ("f1", 1, "phone", "040 123 4567"),
    ("f1", 2, "contact", "C2"),
    ("f2", 1, "email", "b@x.fi"),
}
NAMESPACES = {
    name: Namespace(level="identified", rank=rank, links="always", max_persons=9)
    for rank, name in enumerate(("contact", "email", "phone"), 1)
}
RECORD = "feed string, file_id string, row_no bigint, record string"


def test_identifiers_are_read_from_the_columns_the_contract_names(spark: SparkSession):
    records = spark.createDataFrame([(*row[:3], json.dumps(row[3])) for row in RECORDS], RECORD)
    rows = carried_identifiers(records, FEEDS).select("file_id", "row_no", "namespace", "raw").collect()
    assert {tuple(row) for row in rows} == CARRIED
    assert len(rows) == len(CARRIED)


def test_records_of_suppressed_identifiers_are_told_whatever_the_spelling(spark: SparkSession):
    shape = "file_id string, row_no bigint, namespace string, raw string"
    carried = normalised(spark.createDataFrame(sorted(CARRIED), shape), namespaces=NAMESPACES, key=KEY)
    # On the list: an e-mail and a phone of one record, a phone's digits as a contact's number, and one nobody has.
    listed = [
        ("email", "a2@X.FI "),
        ("phone", "+358 40 1234567"),
        ("contact", "+358401234567"),
        ("email", "c@x.fi"),
    ]
    suppression = normalised(
        spark.createDataFrame(listed, "namespace string, raw string"), namespaces=NAMESPACES, key=KEY
    ).select("namespace", "value_hmac")
    assert [tuple(row) for row in suppressed(carried, suppression).collect()] == [("f1", 1)]


def test_an_empty_list_suppresses_nobody(spark: SparkSession):
    shape = "file_id string, row_no bigint, namespace string, value_hmac string"
    carried = spark.createDataFrame([("f1", 1, "email", "h")], shape)
    nobody = spark.createDataFrame([], "namespace string, value_hmac string")
    assert suppressed(carried, nobody).collect() == []

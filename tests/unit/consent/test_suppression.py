"""Suppressed persons are known by what their records carry, and by keyed hashes only."""

import json

from pyspark.sql import SparkSession

from identity.config import Feed, Namespace
from identity.consent.suppression import carried_identifiers, suppressed
from identity.standardise.identifiers import hash_key, normalised

KEY = hash_key(b"a secret of the tests")


def feed(**columns: tuple[str, str | None, int | None]) -> Feed:
    told = {name: {"type": t, "identifier": space, "owner": o} for name, (t, space, o) in columns.items()}
    return Feed.model_validate({"pattern": "*", "format": "json", "columns": told})


FEEDS = {
    "contacts": feed(
        contact_id=("string", "contact", 1),
        emails=("array<string>", "email", None),
        phones=("array<string>", "phone", None),
        first_name=("string", None, None),
    ),
    "receipts": feed(receipt_id=("string", None, None), email=("string", "email", None)),
    "events": feed(login=("string", "contact", 1), cookie=("string", "cookie", 2)),
}
RECORDS = [
    # two e-mails, one phone
    ("contacts", "f1", 1, {"contact_id": "C1", "emails": ["a@x.fi", "A2@x.fi"], "phones": ["040 123 4567"]}),
    # no contact point at all: null, empty, not there
    ("contacts", "f1", 2, {"contact_id": "C2", "emails": None, "phones": []}),
    # a column of that name in another feed is no identifier there
    ("receipts", "f2", 1, {"receipt_id": "C1", "contact_id": "C1", "email": "b@x.fi"}),
    ("receipts", "f2", 2, {"receipt_id": "R2"}),
    # a device is owned by who is logged in, and by itself where nobody is
    ("events", "f3", 1, {"login": "C2", "cookie": "k1"}),
    ("events", "f3", 2, {"login": " ", "cookie": "k1"}),
    ("events", "f3", 3, {"cookie": "k2"}),
]
# Whether it says whose the line is: the first column that is to say it and is filled; any, where none is to.
CARRIED = {
    ("f1", 1, "contact", "C1", True),
    ("f1", 1, "email", "a@x.fi", False),
    ("f1", 1, "email", "A2@x.fi", False),
    ("f1", 1, "phone", "040 123 4567", False),
    ("f1", 2, "contact", "C2", True),
    ("f2", 1, "email", "b@x.fi", True),
    ("f3", 1, "contact", "C2", True),
    ("f3", 1, "cookie", "k1", False),
    ("f3", 2, "contact", " ", True),
    ("f3", 2, "cookie", "k1", True),
    ("f3", 3, "cookie", "k2", True),
}
NAMESPACES = {
    name: Namespace(level="identified", rank=rank, links="always", max_persons=9)
    for rank, name in enumerate(("contact", "email", "phone", "cookie"), 1)
}
RECORD = "feed string, file_id string, row_no bigint, record string"
SHAPE = "file_id string, row_no bigint, namespace string, raw string, is_owner boolean"


def out(spark: SparkSession, *listed: tuple[str, str, bool]) -> set[tuple[str, int]]:
    """Lines that a list of namespace, value, is_owner_only keeps out."""
    carried = normalised(spark.createDataFrame(sorted(CARRIED), SHAPE), namespaces=NAMESPACES, key=KEY)
    suppression = normalised(
        spark.createDataFrame(list(listed), "namespace string, raw string, is_owner_only boolean"),
        namespaces=NAMESPACES,
        key=KEY,
    )
    rows = [tuple(row) for row in suppressed(carried, suppression).collect()]
    assert len(rows) == len(set(rows))
    return set(rows)


def test_identifiers_are_read_from_the_columns_the_contract_names(spark: SparkSession):
    records = spark.createDataFrame([(*row[:3], json.dumps(row[3])) for row in RECORDS], RECORD)
    told = ["file_id", "row_no", "namespace", "raw", "is_owner"]
    rows = carried_identifiers(records, FEEDS).select(*told).collect()
    assert {tuple(row) for row in rows} == CARRIED
    assert len(rows) == len(CARRIED)


def test_records_of_suppressed_identifiers_are_told_whatever_the_spelling(spark: SparkSession):
    # On the list: an e-mail and a phone of one record, a phone's digits as a contact's number, and one nobody has.
    listed = [
        ("email", "a2@X.FI ", False),
        ("phone", "+358 40 1234567", False),
        ("contact", "+358401234567", False),
        ("email", "c@x.fi", False),
    ]
    assert out(spark, *listed) == {("f1", 1)}


def test_what_somebody_else_carries_too_keeps_out_only_lines_of_its_own(spark: SparkSession):
    assert out(spark, ("cookie", "k1", False)) == {("f3", 1), ("f3", 2)}
    assert out(spark, ("cookie", "k1", True), ("email", "a@x.fi", True)) == {("f3", 2)}
    assert out(spark, ("contact", "C2", True)) == {("f1", 2), ("f3", 1)}


def test_an_empty_list_suppresses_nobody(spark: SparkSession):
    assert out(spark) == set()

"""silver.consent_event from what sources deliver: when a thing was said, and of which contact point."""

import datetime as dt
import hashlib
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from identity.config import SourceContract
from identity.standardise.identifiers import hash_of
from identity.standardise.records import consent_events

KEY = b"k" * 32
SOURCE = SourceContract.model_validate(
    {
        "source": "crm", "version": 1, "meaning": "m", "owner": "o", "region": "EEA", "latency_hours": 1,
        "retention_days": 9, "linkage": "allowed", "collection_basis": "legitimate_interest",
        "feeds": {"f": {"pattern": "*", "format": "json", "columns": {"c": {"type": "string"}}}},
        "consent": {
            "asked": True,
            "codes": {"EM": ["marketing.email"]},
            "values": {"yes": "y", "no": "n", "never": "objection", "asked": "pending"},
        },
    }
)  # fmt: skip
RAW = (
    "source string, subject_namespace string, subject_raw string, code string, answer string, contact_point_raw string, "
    "asked_in string, asserted_at timestamp, delivered_on date, notice_version string, benefit_shown boolean, "
    "benefit_type string"
)


def day(number: int) -> dt.date:
    return dt.date(2026, 1, number)


def at(number: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2026, 1, number, hour, tzinfo=dt.UTC)


def said(
    answer: str, delivered: int, at: dt.datetime | None = None, point: str | None = None, **more: Any
) -> tuple[Any, ...]:
    told = ("crm", "crm_contact", more.get("who", "c1"), "EM", answer, point, None, at, day(delivered))
    return (*told, more.get("notice"), None, None)


def events(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return consent_events(spark.createDataFrame(list(rows), RAW), sources={"crm": SOURCE}, key=KEY)


def times(spark: SparkSession, *rows: tuple[Any, ...]) -> list[tuple[str, dt.datetime]]:
    found = events(spark, *rows).collect()
    return sorted((row["value"], row["asserted_at"].replace(tzinfo=dt.UTC)) for row in found)


def test_a_statement_delivered_again_is_one(spark: SparkSession):
    assert times(spark, said("yes", 3, at(2, 9)), said("yes", 7, at(2, 9))) == [("y", at(2, 9))]


def test_a_yes_without_time_was_said_when_it_first_came(spark: SparkSession):
    assert times(spark, said("yes", 3), said("yes", 7), said("no", 5, at(5, 8))) == [
        ("n", at(5, 8)),
        ("y", at(3)),
    ]


def test_under_another_notice_it_is_another_yes(spark: SparkSession):
    assert times(spark, said("yes", 3, notice="1"), said("yes", 7, notice="2")) == [
        ("y", at(3)),
        ("y", at(7)),
    ]


def test_a_no_without_time_was_said_whenever_it_came(spark: SparkSession):
    assert times(spark, said("no", 3), said("no", 7)) == [("n", at(3)), ("n", at(7))]


def test_what_is_dated_after_its_delivery_has_no_time(spark: SparkSession):
    future = dt.datetime(2062, 1, 3, tzinfo=dt.UTC)
    assert times(spark, said("yes", 3, future), said("yes", 9, future), said("no", 5, future)) == [
        ("n", at(5)),
        ("y", at(3)),
    ]
    assert times(spark, said("yes", 3, at(4, 23))) == [("y", at(4, 23))]  # clocks differ by a day at most


MAIL = hash_of("email", "aino@example.fi", key=KEY)
HASHED = hashlib.sha256(b"aino@example.fi").hexdigest()
UNREADABLE = ("Aino <aino@example.fi>", "a@x.fi, b@x.fi", "040 1234567 (work)")


def test_a_statement_is_bound_to_the_contact_point_it_names(spark: SparkSession):
    """Of what nobody can read a yes is a yes for nothing, and a no is one for all."""
    answers = {
        ("yes", " Aino@Example.fi "): MAIL,
        ("no", HASHED): MAIL,
        ("yes", "040 1234567"): hash_of("phone", "+358401234567", key=KEY),
        **{("yes", nothing): None for nothing in (None, "", "  ")},
        **{(answer, text): None for answer in ("no", "never") for text in UNREADABLE},
        **{(answer, text): "nothing" for answer in ("yes", "asked") for text in UNREADABLE},
    }
    rows = [said(answer, 3, at(2), point, who=str(number)) for number, (answer, point) in enumerate(answers)]
    found = {row["subject_hmac"]: row["contact_point_hmac"] for row in events(spark, *rows).collect()}
    bound = [found[hash_of("crm_contact", str(number), key=KEY)] for number in range(len(answers))]
    known = {MAIL, hash_of("phone", "+358401234567", key=KEY), None}
    assert [point if point in known else "nothing" for point in bound] == list(answers.values())

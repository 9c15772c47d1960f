"""Of a file that is replaced stays what it refused and nobody repeats; what it permitted is taken back."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.sources.refusals import taken_back

DAY = dt.date(2026, 2, 1)


@pytest.fixture
def config(warehouse: Path) -> Config:
    conf = Path(__file__).parents[3] / "conf/local.yaml"
    return load_config(conf, warehouse=warehouse, need_model=False)


def line(
    feed: str, file_id: str, row_no: int, kept_for: str | None = None, **record: object
) -> dict[str, Any]:
    return {
        "source": "s", "feed": feed, "file_id": file_id, "file": f"{DAY}/f", "row_no": row_no, "delivered_on": DAY,
        "record": json.dumps(record, separators=(",", ":")), "batch_id": file_id, "contract_version": 1,
        "kept_for": kept_for,
    }  # fmt: skip


def frame(spark: SparkSession, source: str, *lines: dict[str, Any]) -> DataFrame:
    contract = contract_of(f"bronze.{source}")
    return spark.createDataFrame(
        [tuple(row[name] for name in contract.columns) for row in lines], contract.spark_schema
    )


def left(spark: SparkSession, config: Config, source: str, *lines: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Row number and record of what stays of the file `old`."""
    kept = taken_back(frame(spark, source, *lines), config.sources[source], file_ids=["old"]).collect()
    assert {(row["file_id"], row["kept_for"], row["batch_id"]) for row in kept} <= {("old", "refusal", "old")}
    return sorted((row["row_no"], json.loads(row["record"])) for row in kept)


def said(answer: str, member: str = "M1", **more: str) -> dict[str, str]:
    at = "2026-01-10T08:00:00Z"
    return {"member_no": member, "permission": "EM", "answer": answer, "asserted_at": at, **more}


def test_refusals_and_objections_stay_and_other_answers_go(spark: SparkSession, config: Config):
    answers = dict(enumerate("KEPVOT", 1))
    lines = [line("consents", "old", n, **said(a, f"M{n}")) for n, a in answers.items()]
    # What nobody mapped stops every run until its file is replaced.
    lines += [
        line("consents", "old", 8, **said("Z")),
        line("consents", "old", 9, **{**said("E"), "permission": "ZZ"}),
    ]
    assert left(spark, config, "loyalty", *lines) == [(n, said(answers[n], f"M{n}")) for n in (2, 3, 4)]


def test_what_the_new_file_or_another_says_in_the_same_words_goes(spark: SparkSession, config: Config):
    lines = [
        *(line("consents", "old", n, **said("E", f"M{n}")) for n in (1, 2, 3, 4)),
        line("consents", "old", 5, **said("E", "M4")),  # twice in one file
        line("consents", "new", 1, **said("E", "M1")),
        line("consents", "new", 2, **said("K", "M2")),  # another answer: the no stays beside it
        line("consents", "before", 9, "refusal", **said("E", "M3")),
    ]
    assert [row_no for row_no, _ in left(spark, config, "loyalty", *lines)] == [2, 4]


def test_what_stayed_before_is_no_line_of_the_file(spark: SparkSession, config: Config):
    """Whoever died after it was written and before the file's lines were removed does both again."""
    lines = [line("consents", "old", 1, **said("E")), line("consents", "old", 1, "refusal", **said("E"))]
    assert left(spark, config, "loyalty", *lines) == []


def test_of_a_contact_the_refused_permissions_stay_alone(spark: SparkSession, config: Config):
    no, yes, objection = (
        {"code": code, "value": value, "at": "2026-01-10T08:00:00Z"}
        for code, value in (("ads", "withdrawn"), ("analytics", "granted"), ("email_marketing", "objected"))
    )
    person = {
        "contact_id": "C1",
        "last_name": "Virtanen",
        "updated_at": "2026-01-10T08:00:00Z",
        "deleted": False,
    }
    lines = [
        line("contacts", "old", 1, **person, permissions=[no, yes, objection]),
        line("contacts", "old", 2, **{**person, "contact_id": "C2"}, permissions=[yes]),
        line("contacts", "old", 3, **{**person, "contact_id": "C3"}, permissions=[]),
        line("contacts", "old", 4, **{**person, "contact_id": "C4"}),
        line("interactions", "old", 5, contact_id="C1", topic="t"),
    ]
    ((row_no, record),) = left(spark, config, "crm", *lines)
    assert row_no == 1
    assert record["permissions"] == [no, objection]
    assert set(record) == {"contact_id", "permissions", "updated_at", "deleted"}
    # In the new file she is the same but for what she permits: nothing is lost.
    again = line("contacts", "new", 1, **{**person, "last_name": "Virta"}, permissions=[no, objection])
    assert left(spark, config, "crm", *lines, again) == []


def test_of_a_choice_the_refused_ones_stay_alone(spark: SparkSession, config: Config):
    event = {"event_id": "e", "type": "consent_choice", "at": "2026-01-10T08:00:00Z", "cookie_id": "ck"}
    choices = {"ads": "false", "analytics": "true", "email": "later", "gcm": "false", "unmapped": "false"}
    lines = [
        line("events", "old", 1, **event, choices=choices, url="https://shop.example/secret"),
        line("events", "old", 2, **{**event, "type": "page_view"}, url="https://shop.example/secret"),
        line("events", "old", 3, **event, choices={"ads": "true"}),
    ]
    ((row_no, record),) = left(spark, config, "web_events", *lines)
    assert (row_no, record["choices"]) == (1, {"ads": "false"})
    assert "url" not in record


def test_a_source_that_asks_nobody_has_nothing_to_keep(spark: SparkSession, config: Config):
    assert left(spark, config, "tills", line("stores", "old", 1, store_id="S")) == []

"""Lifting takes exactly what was asked off the list, tells no value, and changes nothing when nothing is found."""

import datetime as dt

import pytest
from pyspark.sql import SparkSession

from identity.config import Namespace
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.errors import ConfigError, SuppressionError
from identity.keys import fingerprint
from identity.standardise.identifiers import hash_key, normalised
from identity.suppression import identifiers_of, lift, listed
from identity.tables import Tables

KEY = b"0123456789abcdef0123"
ON, SINCE = dt.date(2026, 2, 1), dt.date(2026, 1, 31)
PEOPLE = [("email", "aino@example.org"), ("email", "veikko@example.org"), ("phone", "+358401234567")]


@pytest.fixture(scope="module")
def namespaces() -> dict[str, Namespace]:
    from pathlib import Path

    return load_config(Path(__file__).parents[2] / "conf/local.yaml", need_model=False).namespaces


@pytest.fixture
def tables(spark: SparkSession, warehouse, namespaces) -> Tables:
    tables = Tables(spark, warehouse)
    raw = spark.createDataFrame(PEOPLE, "namespace string, raw string")
    rows = normalised(raw, namespaces=namespaces, key=hash_key(KEY)).collect()
    tables.append_rows(
        [
            {
                "namespace": r["namespace"],
                "value_hmac": r["value_hmac"],
                "key_fingerprint": fingerprint(KEY),
                "is_owner_only": False,
                "reason": "erasure",
                "since_on": SINCE,
            }
            for r in rows
        ],
        contract_of("consent.suppression"),
    )
    return tables


def test_what_was_asked_goes_and_the_rest_stays(tables: Tables, namespaces):
    asked = identifiers_of(["email= AINO@example.org", "phone=040 123 4567"], namespaces)
    assert lift(tables, asked, namespaces=namespaces, keys=[KEY], reason="signed up again", on=ON) == 2
    assert listed(tables.root) == [
        {
            "namespace": "email",
            "reason": "erasure",
            "since_on": SINCE,
            "key_fingerprint": fingerprint(KEY),
            "identifiers": 1,
        }
    ]
    lifts = sorted(tables.rows("ops.suppression_lift"), key=lambda row: row["lift_no"])
    assert [(r["lift_no"], r["namespace"], r["suppressed_for"], r["lifted_on"]) for r in lifts] == [
        (1, "email", "erasure", ON),
        (2, "phone", "erasure", ON),
    ]


def test_again_finds_nothing_and_changes_nothing(tables: Tables, namespaces):
    asked = [PEOPLE[0]]
    lift(tables, asked, namespaces=namespaces, keys=[KEY], reason="signed up again", on=ON)
    before = tables.version("consent.suppression"), tables.version("ops.suppression_lift")
    with pytest.raises(SuppressionError):
        lift(tables, asked, namespaces=namespaces, keys=[KEY], reason="signed up again", on=ON)
    assert (tables.version("consent.suppression"), tables.version("ops.suppression_lift")) == before


def test_no_value_and_no_hash_of_the_lifted_is_in_the_logs(tables: Tables, namespaces):
    hashes = {r["value_hmac"] for r in tables.rows("consent.suppression")}
    lift(tables, PEOPLE, namespaces=namespaces, keys=[KEY], reason="all again", on=ON)
    # The first log entry, of the fixture's rows, may hold hashes as statistics; the lift's may hold none.
    log = "".join(
        path.read_text()
        for path in tables.root.rglob("_delta_log/*.json")
        if not (path.parts[-3] == "suppression" and path.stem.endswith("00"))
    )
    assert log
    assert not any(value in log for value in [*hashes, *(raw for _, raw in PEOPLE)])


QUOTING = [
    ("email=aino@example.org", "Aino@Example.org came back"),
    ("email=mailto:Aino@example.org", "written from aino@example.org"),
    ("phone=0401234567", "called from 040 123 4567"),
    ("phone=040-1234567", "called from (0)40/1234567 on 2026-02-01"),
    ("phone=+358 40 123 4567", "called from 0401234567"),
    ("phone=0401234567", "called from 00358-40-1234567"),
    ("phone=0401234567", "called from 40 123 4567"),
    ("loyalty_card=6392 0000 1234", "card 639200001234 shown"),
    ("loyalty_member=M00000001", "is m-00000001"),
    ("phone=?", "who knows?"),
]


@pytest.mark.parametrize(("text", "reason"), QUOTING)
def test_a_reason_that_quotes_the_value_is_refused(tables: Tables, namespaces, text: str, reason: str):
    asked = [*identifiers_of([text], namespaces), *PEOPLE[1:2]]
    with pytest.raises(ConfigError, match="quotes"):
        lift(tables, asked, namespaces=namespaces, keys=[KEY], reason=reason, on=ON)


def test_other_digits_in_a_reason_quote_nothing(tables: Tables, namespaces):
    reason = "signed up again at till 12 on 2026-02-01, ticket 4012"
    assert lift(tables, PEOPLE, namespaces=namespaces, keys=[KEY], reason=reason, on=ON) == 3


@pytest.mark.parametrize("text", ["aino@example.org", "email=", "shoe=42", "email:aino@example.org"])
def test_an_identifier_is_written_with_its_namespace(text: str, namespaces):
    with pytest.raises(ConfigError) as refused:
        identifiers_of([text], namespaces)
    assert "aino" not in str(refused.value)


def test_an_empty_list_is_no_error(warehouse):
    assert listed(warehouse) == []

"""Statements made to the company itself, on tables written by hand."""

import datetime as dt
from pathlib import Path

import pytest

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.rights.persons import Subject
from identity.rights.statements import state
from identity.tables import rows_at
from tests.unit.by_hand import write

ROOT = Path(__file__).parents[3]
DAY = dt.date(2026, 2, 1)
MORNING = dt.datetime(2026, 2, 1, 9, tzinfo=dt.UTC)
END = dt.datetime(2026, 2, 1, 23, 59, 59, 999999, tzinfo=dt.UTC)


@pytest.fixture
def config(warehouse: Path) -> Config:
    """A contact that names its loyalty membership, and the member; and a contact of somebody else that names it, too."""
    carried = [
        ("crm", "c1", "crm_contact", "c"),
        ("crm", "c1", "loyalty_member", "m"),
        ("loyalty", "m1", "loyalty_member", "m"),
        ("crm", "c2", "crm_contact", "d"),
        ("crm", "c2", "loyalty_member", "m"),
        ("crm", "c2", "email", "e"),
    ]
    write(
        warehouse,
        contract_of("silver.identifier"),
        *({"source": s, "source_key": k, "namespace": n, "value_hmac": v} for s, k, n, v in carried),
    )
    write(warehouse, contract_of("consent.statement"))
    return load_config(ROOT / "conf/local.yaml", warehouse=warehouse)


HER = Subject(frozenset({("g", "p")}), (("crm", "c1"), ("loyalty", "m1")), ())


def said(config: Config, *answers: tuple[str, str, str, dt.datetime]) -> None:
    """Make these the consent events: subject's namespace and hash, purpose, when."""
    names = ("subject_namespace", "subject_hmac", "purpose", "asserted_at")
    rows = [dict(zip(names, answer, strict=True)) | {"value": "y"} for answer in answers]
    write(config.warehouse, contract_of("silver.consent_event"), *rows)


def asked(config: Config, request_id: str, on: dt.date) -> int:
    return state(config, HER, "withdrawal", ["marketing.post"], request_id=request_id, on=on)


def recorded(config: Config) -> list[tuple[str, dt.datetime, dt.date, str]]:
    """Rows that speak for the member; every one is there for her contact, too."""
    rows = rows_at(config.warehouse, "consent.statement")
    told = sorted(
        (r["subject_hmac"], r["asserted_at"].replace(tzinfo=dt.UTC), r["said_on"], r["request_id"])
        for r in rows
    )
    of_member = [row for row in told if row[0] == "m"]
    assert [("m", *row[1:]) for row in told if row[0] == "c"] == of_member
    assert len({row["event_key"] for row in rows}) == len(rows) == 2 * len(of_member)
    return of_member


@pytest.mark.parametrize("who", [("crm_contact", "c"), ("loyalty_member", "m")])
def test_a_withdrawal_is_no_older_than_any_yes_of_hers_that_is_known(config: Config, who: tuple[str, str]):
    tomorrow = MORNING + dt.timedelta(days=1)  # where the sun rises earlier
    said(
        config,
        (*who, "marketing.post", tomorrow),
        ("login", "another", "marketing.post", tomorrow.replace(hour=20)),
        (*who, "analytics", tomorrow.replace(hour=21)),
    )
    assert asked(config, "R-1", DAY) == 2
    assert recorded(config) == [("m", tomorrow, DAY, "R-1")]


def test_it_is_made_for_the_strongest_identifier_and_for_the_records_own_key(config: Config):
    said(config)
    asked(config, "R-1", DAY)
    rows = rows_at(config.warehouse, "consent.statement")
    assert {(r["subject_namespace"], r["subject_hmac"], r["value"]) for r in rows} == {
        ("loyalty_member", "m", "n"),
        ("crm_contact", "c", "n"),
    }


def test_nobody_speaks_by_what_names_somebody_else(config: Config):
    said(config)
    him = Subject(frozenset({("g", "q")}), (("crm", "c2"),), ())
    assert state(config, him, "objection", ["marketing.post"], request_id="R-1", on=DAY) == 1
    rows = rows_at(config.warehouse, "consent.statement")
    assert [(r["subject_namespace"], r["subject_hmac"]) for r in rows] == [("crm_contact", "d")]


def test_it_is_later_than_what_else_was_said_that_day(config: Config):
    said(config, ("loyalty_member", "m", "marketing.post", MORNING))
    asked(config, "R-1", DAY)
    assert recorded(config) == [("m", END, DAY, "R-1")]


def test_a_yes_said_since_is_withdrawn_again(config: Config):
    said(config)
    assert asked(config, "R-1", DAY) == 2
    assert asked(config, "R-2", DAY) == asked(config, "R-1", DAY + dt.timedelta(days=9)) == 0
    later = END + dt.timedelta(hours=3)
    said(config, ("loyalty_member", "m", "marketing.post", later))
    # On the same day already: the yes was dated the next.
    assert asked(config, "R-2", DAY) == 2
    assert asked(config, "R-2", DAY) == asked(config, "R-1", DAY) == 0
    assert recorded(config) == [("m", END, DAY, "R-1"), ("m", later, DAY, "R-2")]


def test_asked_another_day_it_is_later_than_what_is_not_delivered_yet(config: Config):
    said(config)
    asked(config, "R-1", DAY)
    assert asked(config, "R-2", DAY + dt.timedelta(days=9)) == 2
    assert [row[1] for row in recorded(config)] == [END, END + dt.timedelta(days=9)]


def test_a_date_mistyped_is_put_right_by_the_same_request(config: Config):
    said(config)
    december = dt.date(2026, 12, 1)
    asked(config, "R-1", december)
    assert asked(config, "R-1", DAY) == 2
    assert recorded(config) == [("m", END, DAY, "R-1")]
    # Another request's is left, and does not count as done either.
    asked(config, "R-2", december)
    assert asked(config, "R-3", DAY + dt.timedelta(days=1)) == 2
    assert [(row[2], row[3]) for row in recorded(config)] == [
        (DAY, "R-1"),
        (DAY + dt.timedelta(days=1), "R-3"),
        (december, "R-2"),
    ]

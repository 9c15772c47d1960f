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
MORNING, MIDNIGHT = (dt.datetime(2026, 2, 1, hour, tzinfo=dt.UTC) for hour in (9, 0))


@pytest.fixture
def config(warehouse: Path) -> Config:
    """A contact that names its loyalty membership, and the member."""
    carried = [
        ("crm", "c1", "crm_contact", "c"),
        ("crm", "c1", "loyalty_member", "m"),
        ("loyalty", "m1", "loyalty_member", "m"),
    ]
    write(
        warehouse,
        contract_of("silver.identifier"),
        *({"source": s, "source_key": k, "namespace": n, "value_hmac": v} for s, k, n, v in carried),
    )
    write(warehouse, contract_of("consent.statement"))
    return load_config(ROOT / "conf/local.yaml", warehouse=warehouse)


HER = Subject(frozenset({("g", "p")}), (("crm", "c1"), ("loyalty", "m1")), ())


@pytest.mark.parametrize("who", [("crm_contact", "c"), ("loyalty_member", "m")])
def test_a_withdrawal_is_no_older_than_any_yes_of_hers_that_is_known(config: Config, who: tuple[str, str]):
    yes = {"purpose": "marketing.post", "value": "y", "asserted_at": MORNING}
    others = [
        {"subject_namespace": "login", "subject_hmac": "another", "asserted_at": MORNING.replace(hour=20)},
        {"subject_namespace": who[0], "subject_hmac": who[1], "purpose": "analytics", "asserted_at": MORNING.replace(hour=21)},
    ]  # fmt: skip
    write(
        config.warehouse,
        contract_of("silver.consent_event"),
        {**yes, "subject_namespace": who[0], "subject_hmac": who[1]},
        *(yes | other for other in others),
    )
    assert state(config, HER, "withdrawal", ["marketing.post"], request_id="R-1", on=DAY) == 1
    [row] = rows_at(config.warehouse, "consent.statement")
    assert (row["subject_namespace"], row["subject_hmac"], row["value"]) == ("loyalty_member", "m", "n")
    assert row["asserted_at"].replace(tzinfo=dt.UTC) == MORNING


def test_where_nothing_is_known_it_was_said_as_the_day_began(config: Config):
    write(config.warehouse, contract_of("silver.consent_event"))
    state(config, HER, "withdrawal", ["marketing.post"], request_id="R-1", on=DAY)
    [row] = rows_at(config.warehouse, "consent.statement")
    assert row["asserted_at"].replace(tzinfo=dt.UTC) == MIDNIGHT

"""Whose receipts an export shows where whoever the card is of is gone, on tables written by hand."""

import datetime as dt
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.rights.export import SECTIONS, export
from identity.rights.persons import find
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import Tables
from tests.unit.by_hand import write

CONF = Path(__file__).parents[3] / "conf" / "local.yaml"
D1, D2 = dt.date(2026, 2, 1), dt.date(2026, 2, 2)
# Golden id and part, record, open until, link permission. He pays for all of them.
MEMBERS = [
    ("he", "loyalty", "M1", None, "permitted"),
    ("he", "tills", "T1", None, "permitted"),
    ("she", "crm", "C2", None, "permitted"),
    ("she", "loyalty", "M2", D2, "permitted"),  # deleted; her contact is still there
    ("left", "loyalty", "M3", D2, "permitted"),  # deleted, and she is known by nothing else
    ("apart", "crm", "C5", None, "barred"),
]
# M4's card was delivered, and the member never was.
CARDS = {"K1": "M1", "K2": "M2", "K3": "M3", "K4": "M4"}
# Receipt, card, payment card, e-mail of the receipt.
RECEIPTS = [
    ("his card", "K1", "T1", None),
    ("her card", "K2", "T1", None),
    ("card of who left", "K3", "T1", None),
    ("card of nobody known", "K4", "T1", "apart@example.org"),
    ("no card", None, "T1", "apart@example.org"),
    ("e-mail alone", None, None, "apart@example.org"),
    ("card that was never delivered", "K9", "T1", None),
]


@pytest.fixture
def config(warehouse: Path) -> Config:
    read = load_config(CONF, warehouse=warehouse)
    key = hash_key(read.secret())
    hers = hash_of("email", "apart@example.org", key=key)
    told = {
        "id.golden_member": [
            {"golden_id": who, "part": who, "source": source, "source_key": source_key, "level": "identified",
             "link_permission": permission, "valid_from_on": D1, "valid_to_on": until}
            for who, source, source_key, until, permission in MEMBERS
        ],
        "silver.identifier": [
            {"source": "crm", "source_key": "C5", "namespace": "email", "value": "apart@example.org",
             "value_hmac": hers}
        ],
        "silver.loyalty_card": [
            {"card_no": card, "member_no": member, "holder_role": "principal"} for card, member in CARDS.items()
        ],
        "silver.sale_line": [
            {"receipt_id": receipt, "member_no": CARDS.get(card or ""), "payment_token": token,
             "email_hmac": email and hers}
            for receipt, card, token, email in RECEIPTS
        ],
        "bronze.tills": [
            {"source": "tills", "feed": "receipt_lines", "row_no": number,
             "record": json.dumps({"receipt_id": receipt, "loyalty_card_no": card, "payment_token": token,
                                   "e_receipt_email": email})}
            for number, (receipt, card, token, email) in enumerate(RECEIPTS, 1)
        ],
    }  # fmt: skip
    every = {*SECTIONS.values(), *(f"bronze.{name}" for name in read.sources)} - {"bronze._source"}
    for table in {*every, *told, "silver.product", "id.device_owner", "id.crosswalk"}:
        write(warehouse, contract_of(table), *told.get(table, []))
    return read


@pytest.mark.parametrize(
    ("named", "receipts"),
    [
        ("record=tills:T1", {"his card", "no card", "card that was never delivered"}),
        ("record=crm:C2", {"her card"}),
        ("record=loyalty:M3", {"card of who left"}),
        ("record=crm:C5", {"e-mail alone"}),
    ],
)
def test_receipts_are_whose_card_was_shown_though_she_is_gone(
    spark: SparkSession, config: Config, named: str, receipts: set[str]
):
    secret = config.secret()
    subject = find(config, [named], key=secret, with_deleted=True)
    told = export(Tables(spark, config.warehouse), config, subject, key=secret, on=D2)
    assert {row["receipt_id"] for row in told["purchases"]} == receipts
    assert {row["record"]["receipt_id"] for row in told["delivered"]} == receipts

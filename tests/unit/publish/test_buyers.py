"""Whose a receipt is where card, payment card and e-mail are different persons', worked by hand."""

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.profile.purchases import identified_lines
from tests.unit.publish.test_purposes import line, rows

# He is the golden id `he`. She is the member m2 and may not be joined, nor may the payment cards t2, which is hers,
# and t3, of which nothing is known: each is a golden id of its own. The register deleted the member m9.
MEMBERS = {
    ("loyalty", "m1"): ("he", "permitted"),
    ("crm", "c1"): ("he", "permitted"),
    ("tills", "t1"): ("he", "permitted"),
    ("loyalty", "m2"): ("she", "barred"),
    ("tills", "t2"): ("t2", "barred"),
    ("tills", "t3"): ("t3", "barred"),
}
EMAILS = {
    "his": [("crm", "c1"), ("tills", "t1")],
    "hers": [("loyalty", "m2")],
    "hers and her payment card's": [("loyalty", "m2"), ("tills", "t2")],
    "theirs": [("crm", "c1"), ("loyalty", "m2")],
    "of t3": [("tills", "t3")],
}
# Member of the card, payment card, e-mail, and who bought.
RECEIPTS = [
    ("m1", "t1", "his", "he"),
    ("m1", "t2", None, "he"),
    ("m1", None, "hers", "he"),
    ("m2", None, "his", None),
    ("m2", "t1", None, None),
    ("m2", "t2", "hers", None),
    ("m9", None, None, None),
    ("m9", "t1", None, None),
    ("m9", None, "his", None),
    ("m9", "t1", "his", None),
    (None, "t1", None, "he"),
    (None, "t1", "his", "he"),
    (None, "t1", "of nobody", "he"),
    (None, "t1", "hers", None),
    (None, "t1", "theirs", None),
    (None, "t1", "of t3", None),
    (None, "t2", "his", "t2"),
    (None, "t2", "hers", None),
    (None, "t2", "hers and her payment card's", None),
    (None, "t3", None, "t3"),
    (None, "t3", "of t3", "t3"),
    (None, None, "his", "he"),
    (None, None, "hers", None),
    (None, None, "theirs", None),
    (None, "never seen", "his", "he"),
    (None, "never seen", "hers", None),
    (None, None, None, None),
]


@pytest.fixture(scope="module")
def buyers(spark: SparkSession) -> DataFrame:
    told = [
        line(f"r{n}", "pan", member_no=m, payment_token=t, email_hmac=e)
        for n, (m, t, e, _) in enumerate(RECEIPTS)
    ]
    members = [
        {"golden_id": who, "part": who, "source": source, "source_key": key, "level": "identified",
         "confidence": 1.0, "link_permission": permission}
        for (source, key), (who, permission) in MEMBERS.items()
    ]  # fmt: skip
    carried = [
        {"namespace": "email", "value_hmac": email, "source": source, "source_key": key}
        for email, carriers in EMAILS.items()
        for source, key in carriers
    ]
    return identified_lines(
        rows(spark, "silver.sale_line", *told),
        rows(spark, "id.golden_member", *members),
        rows(spark, "silver.identifier", *carried),
        rows(spark, "silver.product"),
    )


def test_a_receipt_is_nobodys_rather_than_somebody_elses(buyers: DataFrame):
    found = {row["receipt_id"]: row for row in buyers.collect()}
    assert len(found) == len(RECEIPTS)
    told = [(*each[:3], found[f"r{number}"]["buyer"]) for number, each in enumerate(RECEIPTS)]
    assert told == RECEIPTS
    assert all(row["part"] == row["buyer"] and row["net_amount"] == 10 for row in found.values())

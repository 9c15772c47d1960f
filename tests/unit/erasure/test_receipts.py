"""What an erasure blanks on receipts: what names the erased, and what would make their purchases another's."""

from typing import Any

import pyarrow as pa

from identity.erasure.receipts import of_others, unlinked

COLUMNS = [("card", "loyalty_card"), ("token", "payment_token"), ("mail", "email")]
HER_CARD, HER_TOKEN, HER_MAIL = "her card", "her token", "her mail"


def receipt(row_no: int, card: str = "", token: str = "", mail: str = "") -> list[dict[str, Any]]:
    """The identifiers of one line; hashes are the values."""
    told = zip(("loyalty_card", "payment_token", "email"), (card, token, mail), strict=True)
    return [
        {"file_id": "f", "row_no": row_no, "namespace": namespace, "value_hmac": value}
        for namespace, value in told
        if value
    ]


def blanked(*receipts: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Columns blanked by line, where line 1 on are receipts with her card or paid with hers."""
    rows = [row for lines in receipts for row in lines]
    by_card = {("f", r["row_no"]) for r in rows if r["value_hmac"] == HER_CARD}
    hers = by_card | {("f", r["row_no"]) for r in rows if r["value_hmac"] == HER_TOKEN}
    of_lines = [row for row in rows if ("f", row["row_no"]) in hers]
    others = of_others(pa.Table.from_pylist(rows), of_lines, by_card)
    unlink, gone = unlinked(
        of_lines, COLUMNS, own={HER_TOKEN}, known={HER_CARD, HER_TOKEN, HER_MAIL}, of_others=others
    )
    assert {line for line, _, _ in gone} == unlink.keys()
    return {row_no: columns for (_, row_no), columns in unlink.items()}


def test_what_she_bought_does_not_become_whose_it_was_who_paid():
    hers, his = receipt(1, HER_CARD, "his token", "his mail"), receipt(2, token="his token", mail="his mail")
    assert blanked(hers, his) == {1: ["card", "mail", "token"]}


def test_who_is_known_by_this_receipt_alone_stays_known():
    assert blanked(receipt(1, HER_CARD, "his token", "his mail"), receipt(2, HER_CARD, "his token")) == {
        1: ["card"],
        2: ["card"],
    }
    assert blanked(receipt(1, HER_CARD, "his token", "his mail"), receipt(2, token="his token")) == {
        1: ["card", "token"]
    }


def test_a_receipt_with_anothers_card_stays_the_others():
    shown = receipt(1, "his card", HER_TOKEN, "his mail")
    assert blanked(shown, receipt(2, "his card", mail="his mail")) == {1: ["token"]}


def test_on_a_receipt_that_she_paid_the_address_is_hers():
    assert blanked(receipt(1, token=HER_TOKEN, mail="new mail")) == {1: ["mail", "token"]}
    assert blanked(receipt(1, token="his token", mail=HER_MAIL)) == {}

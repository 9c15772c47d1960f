"""Case files as deliveries: what people say of records, visits and receipts, written as the sources' own files.

All cases are delivered together, each record and device under a key that ends in the number of its case.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Case = Mapping[str, Any]
Row = dict[str, Any]

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAID = {
    "given", "family", "born", "street", "postal_code", "city", "email", "phone", "member", "kind", "written", "since",
    "barred", "deleted",
}  # fmt: skip
DELIVERED = {"records", "receipts", "visits"}
_NOTICE = {"notice_version": "2025-2", "benefit_shown": True, "benefit_type": "service"}
_LINE = {"line_no": 1, "store_id": "S99", "till_no": "1", "product_id": "SKU-00836", "quantity": 1, "gross_amount": "9.90",
         "discount_amount": "0.00", "net_amount": "9.90", "currency": "EUR"}  # fmt: skip


def deliver(cases: Iterable[Case], day: str, folder: Path) -> None:
    """Add the files of a day (`first` or `then`) of all cases to a delivery folder."""
    members: list[Row] = []
    cards: list[Row] = []
    accounts: list[Row] = []
    consents: list[Row] = []
    contacts: list[Row] = []
    lines: list[Row] = []
    events: list[Row] = []
    for place, case in enumerate(cases):
        told = case.get(day, {})
        for key, said in (told.get("records") or {}).items():
            assert set(said or {}) <= SAID, (case["case"], key)
            if key[0] == "M":
                members.append(member(named(key, place), said, day))
                consents.append(consent(named(key, place), said, day))
            elif key[0] == "C":
                contacts.append(contact(named(key, place), said, day, place))
        for account, holders in accounts_of(case).items() if day == "first" else ():
            accounts.append({"account_no": f"A-{named(account, place)}", "tier": "basic", "opened_on": "2020-01-01",
                             "updated_at": "2025-01-01T00:00:00Z"})  # fmt: skip
            cards += [
                card(named(m, place), f"A-{named(account, place)}", role)
                for m, role in holding(holders).items()
            ]
        lines += [receipt(place, n, shown, day) for n, shown in enumerate(told.get("receipts", []))]
        events += visits(place, case, told, day)
    write_csv(folder / "loyalty" / "members_cases.csv", members)
    write_csv(folder / "loyalty" / "consents_cases.csv", consents)
    write_csv(folder / "loyalty" / "accounts_cases.csv", accounts)
    write_csv(folder / "loyalty" / "cards_cases.csv", cards)
    write_csv(folder / "tills" / "receipt_lines_cases.csv", lines)
    write_json(folder / "crm" / "contacts_cases.jsonl", contacts)
    write_json(folder / "web_events" / "events_cases.jsonl", events)


def named(key: str, place: int) -> str:
    """A key of a case, told apart from those of the others."""
    return f"{key}-{place:02}"


def member(no: str, said: Row, day: str) -> Row:
    return {
        "member_no": no,
        "first_name": said.get("given"),
        "last_name": said.get("family"),
        "birth_date": said.get("born"),
        "email": said.get("email"),
        "phone": said.get("phone"),
        "street": said.get("street"),
        "postal_code": said.get("postal_code"),
        "city": said.get("city"),
        "country": "FI",
        "language": "fi",
        "member_kind": said.get("kind", "customer"),
        "joined_on": said.get("since", "2020-01-01"),
        "updated_at": written(said, day),
        "deleted": bool(said.get("deleted")),
    }


def consent(no: str, said: Row, day: str) -> Row:
    answer = "E" if said.get("barred") else "K"
    return {
        "member_no": no,
        "permission": "YHD",
        "answer": answer,
        "asked_in": "web",
        "asserted_at": asked(day),
        **_NOTICE,
    }


def contact(no: str, said: Row, day: str, place: int) -> Row:
    home = {name: said.get(name) for name in ("street", "postal_code", "city")}
    answer = "refused" if said.get("barred") else "granted"
    return {
        "contact_id": no,
        "contact_kind": "company" if said.get("kind") == "company" else "person",
        "first_name": said.get("given"),
        "last_name": said.get("family"),
        "birth_date": None if "born" not in said else str(said["born"]),
        "emails": [said["email"]] if "email" in said else [],
        "phones": [str(said["phone"])] if "phone" in said else [],
        "address": {**home, "country": "FI", "address_kind": "home"} if "street" in said else None,
        "language": "fi",
        "loyalty_member_no": named(said["member"], place) if "member" in said else None,
        "subject_kind": said.get("kind", "customer"),
        "company_name": None,
        "permissions": [
            {
                "code": "profiling_link",
                "value": answer,
                "at": asked(day),
                "channel": "web",
                "contact_point": None,
                **_NOTICE,
            }
        ],
        "created_at": f"{said.get('since', '2021-01-01')}T00:00:00Z",
        "updated_at": written(said, day),
        "deleted": bool(said.get("deleted")),
    }


def written(said: Row, day: str) -> str:
    return f"{said.get('written', '2025-01-01' if day == 'first' else '2026-01-31')}T00:00:00Z"


def asked(day: str) -> str:
    return "2025-06-01T10:00:00Z" if day == "first" else "2026-01-31T10:00:00Z"


def accounts_of(case: Case) -> dict[str, Row]:
    """The accounts a case names, and one of their own for all other members."""
    told: dict[str, Row] = case.get("accounts", {})
    held = {m for holders in told.values() for m in holding(holders)}
    members = {
        key for day in ("first", "then") for key in case.get(day, {}).get("records") or {} if key[0] == "M"
    }
    return {**told, **{m: {"principal": m} for m in sorted(members - held)}}


def holding(account: Row) -> dict[str, str]:
    """Members of an account, and what they are in it."""
    return {account["principal"]: "principal", **dict.fromkeys(account.get("parallel", ()), "parallel")}


def card(no: str, account: str, role: str) -> Row:
    return {"card_no": f"K-{no}", "account_no": account, "member_no": no, "holder_role": role, "issued_on": "2020-01-01",
            "closed_on": None}  # fmt: skip


def receipt(place: int, number: int, shown: Row, day: str) -> Row:
    return {
        "receipt_id": f"R-{day}-{number}-{place:02}",
        **_LINE,
        "sold_at": f"{shown['day']}T12:00:00Z",
        "loyalty_card_no": f"K-{named(shown['card'], place)}" if "card" in shown else None,
        "payment_token": named(shown["token"], place),
        "e_receipt_email": shown.get("email"),
    }


def visits(place: int, case: Case, told: Case, day: str) -> Iterator[Row]:
    """Visits of the web shop, on each of which the visitor agrees to everything; a login may come without a device."""
    mails = {
        key: said["email"]
        for block in ("first", "then")
        for key, said in (case.get(block, {}).get("records") or {}).items()
        if key[0] == "u" and said and "email" in said
    }
    seen = [tuple(visit.split()) for visit in told.get("visits", ())]
    bare = [
        ("-", key, "2026-01-02")
        for key in (told.get("records") or {})
        if key[0] == "u" and not any(key in visit for visit in seen)
    ]
    for number, (device, login, on) in enumerate([*seen, *bare]):
        who = None if login == "-" else login
        mail = hashlib.sha256(mails[who].lower().encode()).hexdigest() if who in mails else None
        yield {
            "event_id": f"E-{day}-{number}-{place:02}",
            "type": "consent_choice",
            "at": f"{on}T12:00:00Z",
            "cookie_id": None if device == "-" else named(device, place),
            "login_id": None if who is None else named(who, place),
            "email_sha256": mail,
            "url": "https://www.kauppa.example/suostumus",
            "choices": {"linking": True, "analytics": True},
            "user_agent": AGENT,
            **_NOTICE,
        }


def write_csv(path: Path, rows: list[Row]) -> None:
    if rows:
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, rows[0])
            out.writeheader()
            out.writerows(
                {k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in rows
            )


def write_json(path: Path, rows: list[Row]) -> None:
    if rows:
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows), encoding="utf-8")

"""The register of requests: what was asked, by when it must be answered, and how it ended (GDPR art. 12).

It is answered within one month of its receipt; by two further months the time can be extended, and the person is told
within the first month (art. 12(3)).
"""

import datetime as dt
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from identity.contracts import contract_of
from identity.errors import SubjectError
from identity.rights.persons import Subject, memberships
from identity.tables import among, replace_at, rows_at

RIGHTS: Final = (
    "access", "portability", "rectification", "erasure", "restriction", "objection", "withdrawal",
)  # fmt: skip
_TABLE: Final = "ops.subject_request"
# It stands in file names and reports, so it is a number of the company's and never a name.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Request = dict[str, Any]


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day some months later, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (dt.date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month + 1, min(day.day, last))


def requests(warehouse: Path, *, overdue_on: dt.date | None = None) -> list[Request]:
    """All requests by the day they are due, or those that are overdue on a date."""
    rows = sorted(rows_at(warehouse, _TABLE), key=lambda row: (row["due_on"], row["request_id"]))
    if overdue_on is None:
        return rows
    return [row for row in rows if row["status"] in ("open", "extended") and row["due_on"] < overdue_on]


def receive(
    warehouse: Path, request_id: str, right: str, golden_ids: tuple[str, ...], on: dt.date
) -> Request:
    """Register a request; the same one again changes nothing.

    Raises:
        SubjectError: Another request of this name is registered, or the name or the right is none.
    """
    if not _NAME.fullmatch(request_id):
        raise SubjectError(
            "a request's name has up to 64 letters, digits, dots and dashes, and no personal data"
        )
    if right not in RIGHTS:
        raise SubjectError(f"no right {right}; there are {', '.join(RIGHTS)}")
    known = _by_id(warehouse).get(request_id)
    if known is not None:
        if known["right"] != right:
            raise SubjectError(f"request {request_id} is registered already, for {known['right']}")
        return known
    row = {
        "request_id": request_id, "right": right, "golden_ids": list(golden_ids), "received_on": on,
        "due_on": months_later(on, 1), "status": "open", "closed_on": None, "outcome": None,
    }  # fmt: skip
    return _put(warehouse, row)


def extend(warehouse: Path, request_id: str, *, reason: str, on: dt.date) -> Request:
    """Extend a request's time by two months; once, and within its first month.

    Raises:
        SubjectError: It is unknown, closed, or its first month is over.
    """
    row = _open(warehouse, request_id)
    if row["status"] == "extended":
        return row
    if on > row["due_on"]:
        raise SubjectError(
            f"request {request_id} was due on {row['due_on']}; it could be extended until then only"
        )
    due = months_later(row["received_on"], 3)
    return _put(warehouse, row | {"status": "extended", "due_on": due, "outcome": reason})


def close(warehouse: Path, request_id: str, *, outcome: str, on: dt.date, refused: bool = False) -> Request:
    """Close a request; the same again changes nothing.

    Args:
        warehouse: The warehouse.
        request_id: The request.
        outcome: What was done, or why it was refused; no personal data.
        on: The day.
        refused: It was not granted (art. 12(4)).

    Raises:
        SubjectError: It is unknown.
    """
    row = _by_id(warehouse).get(request_id)
    if row is not None and row["status"] in ("closed", "refused"):
        return row
    row = _open(warehouse, request_id)
    status = "refused" if refused else "closed"
    told = {"status": status, "closed_on": on, "outcome": outcome}
    if row["right"] == "erasure" and not refused:
        told["golden_ids"] = []
    return _put(warehouse, row | told)


def requests_of(warehouse: Path, subject: Subject, named: Collection[str]) -> list[Request]:
    """A person's requests, by name, and of the golden ids they are about only hers.

    Where a golden id ever held somebody else's record, a request about it may be theirs: then it is shown only if what
    is recorded for her names it.

    Args:
        warehouse: The warehouse.
        subject: The person.
        named: Requests that what is recorded for her names.
    """
    ever = {
        row["golden_id"]
        for row in memberships(warehouse, among("source_key", {k for _, k in subject.records}))
    }
    members = memberships(warehouse, among("golden_id", ever))
    others = {
        row["golden_id"] for row in members if (row["source"], row["source_key"]) not in subject.records
    }
    hers = {row["golden_id"] for row in members} - others
    return [
        row | {"golden_ids": [golden for golden in row["golden_ids"] if golden in hers]}
        for name, row in sorted(_by_id(warehouse).items())
        if name in named or hers.intersection(row["golden_ids"])
    ]


def forget_golden_ids(warehouse: Path, golden_ids: Collection[str]) -> None:
    """Let no request tell that it was about one of these golden ids; the requests stay, and a repeat changes nothing."""
    gone = set(golden_ids)
    rows = rows_at(warehouse, _TABLE)
    left = [
        row | {"golden_ids": [golden for golden in row["golden_ids"] if golden not in gone]} for row in rows
    ]
    if left != rows:
        replace_at(warehouse, left, contract_of(_TABLE))


def _by_id(warehouse: Path) -> dict[str, Request]:
    return {row["request_id"]: row for row in rows_at(warehouse, _TABLE)}


def _open(warehouse: Path, request_id: str) -> Request:
    row = _by_id(warehouse).get(request_id)
    if row is None:
        raise SubjectError(f"no request {request_id} is registered; `identity rights requests` lists them")
    if row["status"] in ("closed", "refused"):
        raise SubjectError(f"request {request_id} was {row['status']} on {row['closed_on']}")
    return row


def _put(warehouse: Path, row: Request) -> Request:
    rows = {**_by_id(warehouse), row["request_id"]: row}
    replace_at(warehouse, [rows[name] for name in sorted(rows)], contract_of(_TABLE))
    return row

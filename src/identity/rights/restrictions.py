"""Restricting the processing of a person's data, and lifting it (GDPR art. 18). Without Spark."""

import datetime as dt
from pathlib import Path
from typing import Final

from identity.contracts import contract_of
from identity.errors import ConfigError
from identity.rights.persons import Subject
from identity.tables import append_at, replace_at, rows_at

_TABLE: Final = contract_of("consent.restriction")


def restrict(warehouse: Path, subject: Subject, *, reason: str, request_id: str, on: dt.date) -> int:
    """Restrict every record of a person; returns how many were not yet.

    Args:
        warehouse: The warehouse; the caller holds its lock.
        subject: The person.
        reason: Why, without personal data.
        request_id: The request that is answered.
        on: First run date on which it holds.

    Raises:
        ConfigError: No reason is given.
    """
    if not reason.strip():
        raise ConfigError("--reason: say why, such as 'accuracy contested'")
    held = {(row["source"], row["source_key"]) for row in rows_at(warehouse, _TABLE.name) if not _ended(row)}
    told = {"from_on": on, "to_on": None, "reason": reason.strip(), "request_id": request_id}
    rows = [
        {"source": source, "source_key": key, **told}
        for source, key in subject.records
        if (source, key) not in held
    ]
    # One that was lifted on the day it began has the key of the one that begins today.
    fresh = {(row["source"], row["source_key"]) for row in rows}
    before = rows_at(warehouse, _TABLE.name)
    kept = [r for r in before if not ((r["source"], r["source_key"]) in fresh and r["from_on"] == on)]
    if len(kept) < len(before):
        replace_at(warehouse, [*kept, *rows], _TABLE)
    else:
        append_at(warehouse, rows, _TABLE)
    return len(rows)


def lift(warehouse: Path, subject: Subject, *, on: dt.date) -> int:
    """End the restriction of a person's records from a run date on; returns how many were restricted."""
    rows, records = rows_at(warehouse, _TABLE.name), set(subject.records)
    ending = [row for row in rows if (row["source"], row["source_key"]) in records and not _ended(row)]
    if ending:
        kept = [row for row in rows if row not in ending]
        replace_at(warehouse, [*kept, *({**row, "to_on": on} for row in ending)], _TABLE)
    return len(ending)


def _ended(row: dict[str, object]) -> bool:
    return row["to_on"] is not None

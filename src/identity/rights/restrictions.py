"""Restricting the processing of a person's data, and lifting it (GDPR art. 18). Without Spark."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from identity.contracts import contract_of
from identity.errors import ConfigError
from identity.rights.persons import Record, Subject, deleted
from identity.tables import among, append_at, replace_at, rows_at

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
    before = rows_at(warehouse, _TABLE.name)
    # What begins later, or is to end one day, is not yet the restriction that is asked for: a date may be mistyped.
    held = {_record(row) for row in before if row["from_on"] <= on and row["to_on"] is None}
    told = {"from_on": on, "to_on": None, "reason": reason.strip(), "request_id": request_id}
    rows = [
        {"source": source, "source_key": key, **told}
        for source, key in subject.records
        if (source, key) not in held
    ]
    # One that was lifted on the day it began has the key of the one that begins today.
    fresh = {_record(row) for row in rows}
    kept = [row for row in before if not (_record(row) in fresh and row["from_on"] == on)]
    if len(kept) < len(before):
        replace_at(warehouse, [*kept, *rows], _TABLE)
    else:
        append_at(warehouse, rows, _TABLE)
    return len(rows)


def lift(warehouse: Path, subject: Subject, *, on: dt.date) -> int:
    """End the restriction of a person's records from a run date on; returns how many were restricted.

    Of records that are gone, those of her golden ids are lifted too: whoever follows them there is restricted with them.
    """
    rows, records = rows_at(warehouse, _TABLE.name), {*subject.records, *_gone(warehouse, subject)}
    ending = [row for row in rows if _record(row) in records and (row["to_on"] is None or row["to_on"] > on)]
    if ending:
        kept = [row for row in rows if row not in ending]
        replace_at(warehouse, [*kept, *({**row, "to_on": on} for row in ending)], _TABLE)
    return len(ending)


def _gone(warehouse: Path, subject: Subject) -> set[Record]:
    """Records that are gone, and were of what are the person's golden ids today."""
    gone = deleted(warehouse)
    moved = rows_at(
        warehouse, "id.crosswalk", among("golden_id", {golden_id for golden_id, _ in gone.values()})
    )
    live = {row["golden_id"]: row["live_golden_id"] for row in moved}
    return {record for record, (golden_id, _) in gone.items() if live.get(golden_id) in subject.golden_ids}


def _record(row: Mapping[str, Any]) -> Record:
    return row["source"], row["source_key"]

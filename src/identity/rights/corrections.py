"""Putting right what is wrong (GDPR art. 16): what the person says takes the place of what the sources deliver."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from identity.contracts import contract_of
from identity.errors import ConfigError, SubjectError
from identity.rights.persons import Record, Subject
from identity.standardise.corrections import ADDRESS, CONTACTS, SETTABLE
from identity.tables import replace_at, rows_at

_TABLE: Final = contract_of("silver.correction")
_PLURAL: Final = {"email": "emails", "phone": "phones"}


def changes_of(texts: Sequence[str]) -> dict[str, str]:
    """What `--set attribute=value` says, by attribute; an empty value says that there is none.

    Raises:
        ConfigError: One is written otherwise, unknown or there twice; no value is quoted.
    """
    changes: dict[str, str] = {}
    for number, text in enumerate(texts, 1):
        name, is_written, value = text.partition("=")
        if not is_written or name not in SETTABLE:
            raise ConfigError(f"--set {number}: write attribute=value, with one of {', '.join(SETTABLE)}")
        if name in changes:
            raise ConfigError(f"--set {name}: is given twice")
        changes[name] = value
    if not changes:
        raise ConfigError(f"--set: say what is right, as attribute=value, with one of {', '.join(SETTABLE)}")
    return changes


def correct(
    warehouse: Path,
    subject: Subject,
    right: Mapping[str, str | None],
    *,
    only: Record | None,
    request_id: str,
    on: dt.date,
) -> int:
    """Record corrections; returns how many values are new.

    A value is put right in the records that hold one, and where none does, in all of the person's.

    Args:
        warehouse: The warehouse; the caller holds its lock.
        subject: The person.
        right: What `standardise.corrections.standardised` read, by attribute.
        only: The one record to be corrected; None corrects all of the person's.
        request_id: The request that is answered.
        on: Run date.

    Raises:
        SubjectError: No record of the person tells of her, as devices do not.
    """
    wanted = {only} if only is not None else set(subject.records)
    persons = [row for row in _of(warehouse, "silver.person_record", wanted) if _record(row) in wanted]
    if not persons:
        raise SubjectError("none of the person's records holds such values; devices hold none")
    known = {(*_record(row), row["attribute"]): row for row in rows_at(warehouse, _TABLE.name)}
    told = {"corrected_on": on, "request_id": request_id}
    fresh: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in _holding(persons, right):
        source, source_key = _record(row)
        for group in _groups(right):
            was = {name: _standing(row, name, known.get((source, source_key, name))) for name in group}
            becomes = {name: right.get(name, was[name][0]) for name in group}
            before = [
                known[place] for place in ((source, source_key, name) for name in group) if place in known
            ]
            # One that is dated later was mistyped, for it was asked for today.
            is_late = any(row["corrected_on"] > on for row in before)
            if all(becomes[name] == was[name][0] for name in group) and not is_late:
                continue
            for name in group:
                fresh[source, source_key, name] = {
                    "source": source, "source_key": source_key, "attribute": name, "value": becomes[name],
                    "replaced": was[name][1], **told,
                }  # fmt: skip
    if fresh:
        rows = known | fresh
        replace_at(warehouse, [rows[place] for place in sorted(rows)], _TABLE)
    return len(fresh)


def _standing(
    row: Mapping[str, Any], name: str, before: Mapping[str, Any] | None
) -> tuple[str | None, str | None]:
    """What counts of a record today, and what its source delivered: an earlier correction may lie over that."""
    now = _text(row, name)
    if before is not None and now in (before["value"], before["replaced"]):
        return before["value"], before["replaced"]
    return now, now


def _groups(right: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What is put right, an address as a whole: its parts are corrected and delivered as one."""
    alone: list[tuple[str, ...]] = [(name,) for name in right if name not in ADDRESS]
    return [*alone, ADDRESS] if set(right) & set(ADDRESS) else alone


def _holding(persons: list[dict[str, Any]], right: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records that hold a value of what is put right; all of them where none does."""
    holding = [row for row in persons if any(_text(row, name) is not None for name in right)]
    return holding or persons


def _text(row: Mapping[str, Any], name: str) -> str | None:
    if name in CONTACTS:
        return " ".join(sorted(row[_PLURAL[name]])) or None
    return None if row[name] is None else str(row[name])


def _of(warehouse: Path, name: str, records: Collection[Record]) -> list[dict[str, Any]]:
    keys = pa.array(sorted({source_key for _, source_key in records}), pa.string())
    return rows_at(warehouse, name, ds.field("source_key").isin(keys))


def _record(row: Mapping[str, Any]) -> Record:
    return row["source"], row["source_key"]

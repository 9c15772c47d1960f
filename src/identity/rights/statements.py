"""Objections (GDPR art. 21) and withdrawals of consent (art. 7(3)), made to the company itself. Without Spark.

A statement is made for the strongest identifier of each record of the person, so that it reaches her whole confirmed
part, and the next run hears it as it hears the sources.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from identity.config import STRENGTHS, Config, Namespace, Purpose
from identity.contracts import contract_of
from identity.errors import ConfigError, SubjectError
from identity.rights.persons import DEVICES, Record, Subject
from identity.tables import among, append_at, columns_at, rows_at

Kind = Literal["objection", "withdrawal"]
_TABLE: Final = contract_of("consent.statement")
_BASIS: Final[Mapping[Kind, str]] = {"objection": "objection", "withdrawal": "consent"}
_MARKETING: Final = "marketing."
"""To direct marketing one may object whatever it rests on (art. 21(2)); purposes of it are called so."""


def purposes_of(kind: Kind, asked: Collection[str], purposes: Mapping[str, Purpose]) -> list[str]:
    """Purposes that a statement is about, sorted.

    Args:
        kind: An objection, or a withdrawal of consent.
        asked: Their names; none stands for all that can be objected to.
        purposes: All purposes.

    Raises:
        ConfigError: One is unknown or does not take such a statement, or a withdrawal names none.
    """
    possible = sorted(name for name, purpose in purposes.items() if _takes(kind, name, purpose))
    wrong = sorted(set(asked) - set(possible))
    if wrong:
        other = "withdraw" if kind == "objection" else "object"
        raise ConfigError(
            f"--purpose {wrong[0]}: no purpose that {'one can object to' if kind == 'objection' else 'rests on consent'}; "
            f"there are {', '.join(possible)} (see also `identity rights {other}`)"
        )
    if not asked and kind == "withdrawal":
        raise ConfigError(f"--purpose: say which consent is withdrawn; there are {', '.join(possible)}")
    return sorted(set(asked)) or possible


def _takes(kind: Kind, name: str, purpose: Purpose) -> bool:
    if kind == "withdrawal":
        return purpose.basis == "consent"
    return purpose.basis == "legitimate_interest" or name.startswith(_MARKETING)


def state(
    config: Config, subject: Subject, kind: Kind, purposes: Sequence[str], *, request_id: str, on: dt.date
) -> int:
    """Record a person's statement; returns how many rows are new.

    Args:
        config: The warehouse, whose lock the caller holds, and the identifier hierarchy.
        subject: The person.
        kind: An objection, or a withdrawal of consent.
        purposes: What it is about.
        request_id: The request that is answered; what was recorded for it is not recorded again.
        on: Run date it is made for.

    Raises:
        SubjectError: None of the person's records carries an identifier.
    """
    speaking = strongest(config.warehouse, subject.records, config.namespaces)
    if not speaking:
        raise SubjectError("no record of the person carries an identifier that a statement could be made for")
    basis, known = _BASIS[kind], rows_at(config.warehouse, _TABLE.name)
    keys = {row["event_key"] for row in known}
    answered = {
        (row["subject_namespace"], row["subject_hmac"], row["purpose"])
        for row in known
        if row["request_id"] == request_id and row["basis"] == basis
    }
    newest = _newest_answers(config.warehouse, subject.records)
    start = dt.datetime.combine(on, dt.time(), dt.UTC)
    rows = []
    for namespace, hashed in sorted(speaking):
        for purpose in purposes:
            name = event_key(namespace, hashed, purpose, basis, on)
            if name in keys or (namespace, hashed, purpose) in answered:
                continue
            rows.append(
                {
                    "event_key": name,
                    "subject_namespace": namespace,
                    "subject_hmac": hashed,
                    "purpose": purpose,
                    "contact_point_hmac": None,
                    "value": "n",
                    "basis": basis,
                    # A yes that is known already was said before, whichever of her identifiers said it: of two said at
                    # once the no counts.
                    "asserted_at": max(start, newest.get(purpose, start)),
                    "said_on": on,
                    "request_id": request_id,
                }
            )
    append_at(config.warehouse, rows, _TABLE)
    return len(rows)


def event_key(namespace: str, hashed: str, purpose: str, basis: str, said_on: dt.date) -> str:
    """The key of a statement: the same one, made twice on a date, is one."""
    told = "\x1f".join([namespace, hashed, purpose, basis, said_on.isoformat()])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def strongest(
    warehouse: Path, records: Collection[Record], namespaces: Mapping[str, Namespace]
) -> set[tuple[str, str]]:
    """The strongest identifier of each record: namespace and keyed hash; a device's is its own."""
    keys = {key for _, key in records}
    carried = rows_at(warehouse, "silver.identifier", among("source_key", keys))
    best: dict[Record, tuple[int, int, str, str]] = {}
    for row in carried:
        namespace = namespaces.get(row["namespace"])
        record = (row["source"], row["source_key"])
        if namespace is None or record not in records:
            continue
        place = (-STRENGTHS[namespace.level], namespace.rank, row["namespace"], row["value_hmac"])
        best[record] = min(best.get(record, place), place)
    devices = {(source, key) for source, key in records if source in DEVICES}
    return devices | {(namespace, hashed) for _, _, namespace, hashed in best.values()}


def _newest_answers(warehouse: Path, records: Collection[Record]) -> dict[str, dt.datetime]:
    """When a person last answered on each purpose, by any identifier of her records, as far as silver knows."""
    mine = set(records)
    carried = rows_at(warehouse, "silver.identifier", among("source_key", {key for _, key in mine}))
    hashes = {row["value_hmac"] for row in carried if (row["source"], row["source_key"]) in mine}
    hashes |= {key for source, key in mine if source in DEVICES}
    names = ["purpose", "asserted_at"]
    found: dict[str, dt.datetime] = {}
    for row in columns_at(
        warehouse, "silver.consent_event", names, among("subject_hmac", hashes)
    ).to_pylist():
        said_at = _in_utc(row["asserted_at"])
        found[row["purpose"]] = max(found.get(row["purpose"], said_at), said_at)
    return found


def _in_utc(at: dt.datetime) -> dt.datetime:
    return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)

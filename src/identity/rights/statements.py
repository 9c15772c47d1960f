"""Objections (GDPR art. 21) and withdrawals of consent (art. 7(3)), made to the company itself. Without Spark.

A statement is made for the strongest identifier that each record of the person holds, so that it reaches her whole
confirmed part, and for the record's own key, so that it stays when the record no longer carries the strongest. The next
run hears it as it hears the sources.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from identity.config import STRENGTHS, Config, Namespace, Purpose
from identity.contracts import contract_of
from identity.errors import ConfigError, SubjectError
from identity.rights.persons import DEVICES, OWN_KEYS, Record, Subject, held_alone
from identity.tables import among, append_at, columns_at, replace_at, rows_at

Kind = Literal["objection", "withdrawal"]
_TABLE: Final = contract_of("consent.statement")
_BASIS: Final[Mapping[Kind, str]] = {"objection": "objection", "withdrawal": "consent"}
_ABOUT: Final = ("subject_namespace", "subject_hmac", "purpose", "basis")
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S.%f"
_NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
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
        request_id: The request that is answered; what was recorded for it is not recorded again, unless the person
            answered otherwise since, and is recorded anew where it was dated later.
        on: Run date it is made for.

    Raises:
        SubjectError: None of the person's records carries an identifier.
    """
    speaking = spoken_for(config.warehouse, subject.records, config.namespaces)
    if not speaking:
        raise SubjectError("no record of the person carries an identifier that a statement could be made for")
    basis, known = _BASIS[kind], rows_at(config.warehouse, _TABLE.name)
    newest = _newest_answers(config.warehouse, subject.records)
    # Nobody knows at what hour of the day she said it. What else she said that day, and what is known of her already,
    # was said before, whichever of her identifiers said it: of two said at once the no counts.
    end = dt.datetime.combine(on, dt.time.max, dt.UTC)
    rows, mistyped = [], []
    for namespace, hashed in sorted(speaking):
        for purpose in purposes:
            told = (namespace, hashed, purpose, basis)
            said_before = newest.get(purpose, _NEVER)
            asserted_at = max(end, said_before)
            before = [row for row in known if tuple(row[name] for name in _ABOUT) == told]
            # A date was mistyped if the same request is dated earlier now: no run has heard it yet.
            mistyped += [row for row in before if row["said_on"] > on and row["request_id"] == request_id]
            if any(
                # The same request again is a repeat, unless she has answered since.
                _in_utc(row["asserted_at"])
                >= (said_before if row["request_id"] == request_id else asserted_at)
                for row in before
                if row["said_on"] <= on
            ):
                continue
            rows.append(
                {
                    "event_key": event_key(*told, asserted_at),
                    **dict(zip(_ABOUT, told, strict=True)),
                    "contact_point_hmac": None,
                    "value": "n",
                    "asserted_at": asserted_at,
                    "said_on": on,
                    "request_id": request_id,
                }
            )
    if mistyped:
        replace_at(config.warehouse, [*(row for row in known if row not in mistyped), *rows], _TABLE)
    else:
        append_at(config.warehouse, rows, _TABLE)
    return len(rows)


def event_key(namespace: str, hashed: str, purpose: str, basis: str, asserted_at: dt.datetime) -> str:
    """The key of a statement: the same one, made twice of a moment, is one."""
    told = "\x1f".join([namespace, hashed, purpose, basis, _in_utc(asserted_at).strftime(_MOMENT)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def spoken_for(
    warehouse: Path, records: Collection[Record], namespaces: Mapping[str, Namespace]
) -> set[tuple[str, str]]:
    """The strongest identifier that each record holds, and its own key: namespace and keyed hash; a device's is its own."""
    keys = {key for _, key in records}
    carried = rows_at(warehouse, "silver.identifier", among("source_key", keys))
    held = held_alone(carried, records)
    best: dict[Record, tuple[int, int, str, str]] = {}
    own = {(source, key) for source, key in records if source in DEVICES}
    for row in carried:
        namespace = namespaces.get(row["namespace"])
        record = (row["source"], row["source_key"])
        is_held = (row["namespace"], row["value_hmac"]) in held
        if namespace is None or record not in records or not is_held:
            continue
        if OWN_KEYS.get(row["namespace"]) == row["source"]:
            own.add((row["namespace"], row["value_hmac"]))
        place = (-STRENGTHS[namespace.level], namespace.rank, row["namespace"], row["value_hmac"])
        best[record] = min(best.get(record, place), place)
    return own | {(namespace, hashed) for _, _, namespace, hashed in best.values()}


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

"""What each purpose could do with a person on a date, by which rule, and by whose word. Without Spark.

Her golden id of that day is found by the records that are surely hers today; what is known of others in it is not told.
"""

import datetime as dt
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
import pyarrow.dataset as ds

from identity.config import Config
from identity.errors import SubjectError
from identity.rights.persons import HOLDERS, Record, Subject, own_keys
from identity.standardise.identifiers import hash_key
from identity.tables import among, columns_at, rows_at

_TABLE: Final = "consent.history"
_QUESTION: Final = ("golden_id", "purpose", "contact_point")


def decisions(
    config: Config, subject: Subject, *, key: bytes, on: dt.date, purpose: str | None = None
) -> dict[str, Any]:
    """What was decided of a person as of a date.

    Args:
        config: The warehouse.
        subject: The person.
        key: The secret.
        on: The date; what the last run up to it decided held then.
        purpose: Only this one; all by default.

    Returns:
        `as_of`, `golden_ids` (hers on that date), `restricted_since` (null where processing was not restricted), and
        `decisions`: a row a purpose, and a contact point where it needs one. `decision` is of her own confirmed part;
        `said_by` is `person`, `somebody else` or `nobody`, and `statement` what was said, if she said it.

    Raises:
        SubjectError: Decisions of that date are not kept, or none of her records was known on it.
    """
    warehouse, records = config.warehouse, set(subject.records)
    _require_kept(warehouse, on)
    members = _members(warehouse, records, on)
    if not members:
        raise SubjectError(f"none of the person's records was known on {on}: nothing was decided of her")
    told = rows_at(warehouse, _TABLE, among("golden_id", members) & (ds.field("decided_on") <= on))
    by_day = sorted(told, key=lambda row: row["decided_on"])
    newest = {tuple(row[name] for name in _QUESTION): row for row in by_day}
    standing = [row for row in newest.values() if row["decision"] != "ended"]
    points = {row["contact_point"] for row in standing if row["channel"] != "any"}
    carried = _carriers(warehouse, {key for _, key in records}, points)
    held = {identifier for identifier, carriers in carried.items() if not carriers.isdisjoint(records)}
    # A key or card speaks for its holder, and what several persons carry for nobody knows whom.
    said = own_keys(records, key=hash_key(key)) | {
        each for each in held if set() < _holders(each[0], carried[each]) <= records
    }
    mine, others = ({value for _, value in those} for those in (held, carried.keys() - held))

    def is_hers(row: dict[str, Any]) -> bool:
        if row["channel"] == "any" or row["contact_point"] in mine:
            return True
        # No record of hers has it today: she had it put right, or the record is gone.
        return members[row["golden_id"]] <= records and row["contact_point"] not in others

    own_parts = {_part_name(*record) for those in members.values() for record in those & records}
    shown = [row for row in standing if is_hers(row) and purpose in (None, row["purpose"])]
    return {
        "as_of": on,
        "golden_ids": sorted(members),
        "restricted_since": _restricted_since(warehouse, records, on),
        "decisions": [
            _told(row, own_parts, said)
            for row in sorted(shown, key=lambda row: tuple(row[name] for name in _QUESTION))
        ],
    }


def _carriers(
    warehouse: Path, keys: Collection[str], points: Collection[str]
) -> dict[tuple[str, str], set[Record]]:
    """Who carries today what records of these keys carry, and these contact points: by namespace and keyed hash."""
    names = ["namespace", "value_hmac", "source", "source_key"]
    of_keys = columns_at(warehouse, "silver.identifier", names, among("source_key", keys)).to_pylist()
    hashes = {row["value_hmac"] for row in of_keys}.union(points)
    rows = columns_at(warehouse, "silver.identifier", names, among("value_hmac", hashes)).to_pylist()
    found: dict[tuple[str, str], set[Record]] = {}
    for row in rows:
        found.setdefault((row["namespace"], row["value_hmac"]), set()).add((row["source"], row["source_key"]))
    return found


def _holders(namespace: str, carriers: Collection[Record]) -> set[Record]:
    return {record for record in carriers if HOLDERS.get(namespace, record[0]) == record[0]}


def _restricted_since(warehouse: Path, records: Collection[Record], on: dt.date) -> dt.date | None:
    rows = rows_at(warehouse, "consent.restriction")
    since = [
        row["from_on"]
        for row in rows
        if (row["source"], row["source_key"]) in records
        and row["from_on"] <= on
        and (row["to_on"] is None or row["to_on"] > on)
    ]
    return min(since, default=None)


def _require_kept(warehouse: Path, on: dt.date) -> None:
    first = pc.min(columns_at(warehouse, _TABLE, ["decided_on"]).column(0)).as_py()
    if first is None or first > on:
        since = "no run has decided yet" if first is None else f"they are kept since {first}"
        raise SubjectError(f"decisions of {on} are not kept: {since}")


def _members(warehouse: Path, records: Collection[Record], on: dt.date) -> dict[str, set[Record]]:
    """The golden ids that held one of the records on that day, each with all it held."""
    is_open = ds.field("valid_to_on").is_null() | (ds.field("valid_to_on") > on)

    def of_day(where: ds.Expression) -> list[tuple[str, Record]]:
        rows = columns_at(
            warehouse,
            "id.golden_member",
            ["golden_id", "source", "source_key"],
            (ds.field("valid_from_on") <= on) & is_open & where,
        ).to_pylist()
        return [(row["golden_id"], (row["source"], row["source_key"])) for row in rows]

    near = of_day(among("source_key", {key for _, key in records}))
    found: dict[str, set[Record]] = {golden_id: set() for golden_id, record in near if record in records}
    for golden_id, record in of_day(among("golden_id", found)):
        found[golden_id].add(record)
    return found


def _part_name(source: str, source_key: str) -> str:
    """What a part is called whose first record this is, as `golden_id.part_name` says with Spark."""
    return hashlib.sha256(f"{source}\x1f{source_key}".encode()).hexdigest()[:16]


def _told(row: dict[str, Any], own_parts: set[str], said: Collection[tuple[str, str]]) -> dict[str, Any]:
    names = ("golden_id", "purpose", "channel", "contact_point", "decided_on")
    told = {name: row[name] for name in names}
    if row["permitted_parts"] and own_parts.isdisjoint(row["permitted_parts"]):
        # Somebody permitted it for records that resemblance alone joined to hers.
        nothing = {"is_conflict": False, "valid_to_on": None, "said_by": "nobody", "statement": None}
        return told | {"decision": "deny", "rule_no": 4} | nothing
    by = (row["winning_subject_namespace"], row["winning_subject_hmac"])
    is_hers = by in said
    return told | {
        "decision": row["decision"],
        "rule_no": row["rule_no"],
        "is_conflict": row["is_conflict"],
        "valid_to_on": row["valid_to_on"],
        "said_by": "nobody" if row["winning_source"] is None else "person" if is_hers else "somebody else",
        "statement": {
            "source": row["winning_source"],
            "by": row["winning_subject_namespace"],
            "answer": "objection" if row["rule_no"] == 2 else {"y": "yes", "n": "no"}[row["winning_value"]],
            "said_at": row["winning_asserted_at"],
            "notice_version": row["winning_notice_version"],
        }
        if is_hers
        else None,
    }

"""Who is asking: one person by an identifier, with what is surely hers, and without Spark."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds

from identity.config import Config
from identity.errors import SubjectError
from identity.evaluate import require_warehouse
from identity.standardise.identifiers import hash_key, hash_of, normal_form
from identity.tables import among, columns_at, rows_at

Record = tuple[str, str]
Part = tuple[str, str]  # golden id, confirmed part
# A source's own key is an identifier of this namespace: it names one record, whoever else carries the value.
OWN_KEYS: Final = {
    "loyalty_member": "loyalty",
    "crm_contact": "crm",
    "login": "web_events",
    "payment_token": "tills",
    "cookie": "cookie",
    "mobile_id": "mobile_id",
}
DEVICES: Final = ("cookie", "mobile_id")
# An identifier of these is held by a record of that source alone: who paid for a member does not hold the card shown.
HOLDERS: Final = {**OWN_KEYS, "loyalty_card": "loyalty"}
_OF_SOURCE: Final = {source: namespace for namespace, source in OWN_KEYS.items() if source not in DEVICES}


@dataclass(frozen=True)
class Subject:
    """A person as far as it is sure who she is.

    Attributes:
        parts: (golden id, confirmed part) of the records that identifiers or a person's decision hold together.
        records: Source records of those parts, devices among them by their keyed hashes.
        doubtful: Records of the same golden ids that resemblance alone joins: perhaps somebody else's.
    """

    parts: frozenset[Part]
    records: tuple[Record, ...]
    doubtful: tuple[Record, ...]

    @property
    def golden_ids(self) -> tuple[str, ...]:
        """The golden ids, sorted."""
        return tuple(sorted({golden for golden, _ in self.parts}))


def own_keys(records: Iterable[Record], *, key: bytes) -> set[tuple[str, str]]:
    """What records are called by, deleted ones too: namespace and keyed hash; a device is known by its hash alone.

    Args:
        records: Source records; of a source whose keys are no identifiers there is nothing.
        key: Key of the hashes.
    """
    return {
        (source, own)
        if source in DEVICES
        else (_OF_SOURCE[source], hash_of(_OF_SOURCE[source], own.strip(), key=key))
        for source, own in records
        if source in DEVICES or source in _OF_SOURCE
    }


def held_alone(carried: Iterable[Mapping[str, Any]], records: Collection[Record]) -> set[tuple[str, str]]:
    """Of what records carry, what is not another record's name: a contact may tell of somebody else's member number.

    Args:
        carried: Rows of silver.identifier: `source`, `source_key`, `namespace`, `value_hmac`.
        records: The records.

    Returns:
        Namespace and keyed hash.
    """
    rows = [row for row in carried if (row["source"], row["source_key"]) in records]
    named = {
        (row["namespace"], row["value_hmac"])
        for row in rows
        if HOLDERS.get(row["namespace"]) == row["source"]
    }
    return {
        each
        for each in ((row["namespace"], row["value_hmac"]) for row in rows)
        if each[0] not in HOLDERS or each in named or each in records
    }


def holders_of_cards(warehouse: Path) -> dict[str, Record]:
    """The member who holds each loyalty card today, also if the source deleted her."""
    rows = columns_at(warehouse, "silver.loyalty_card", ["card_no", "member_no"]).to_pylist()
    return {row["card_no"].strip(): ("loyalty", row["member_no"].strip()) for row in rows}


def memberships(warehouse: Path, where: ds.Expression | None = None) -> list[dict[str, Any]]:
    """Rows of id.golden_member, closed ones too, as far as they say whose a record is; all unless told which."""
    names = ["golden_id", "part", "source", "source_key", "valid_to_on"]
    rows: list[dict[str, Any]] = columns_at(warehouse, "id.golden_member", names, where).to_pylist()
    return rows


def deleted(warehouse: Path) -> dict[Record, Part]:
    """Records that are gone since their source deleted them, and the part each was of; a device is deleted by nobody."""

    def until(row: Mapping[str, Any]) -> dt.date:
        return row["valid_to_on"] or dt.date.max

    is_open = ds.field("valid_to_on").is_null()
    closed = memberships(warehouse, ~is_open)
    # Of all that is open, only what tells whether they are still there, and whose their parts are today.
    same_key, same_part = (among(name, {row[name] for row in closed}) for name in ("source_key", "part"))
    rows = closed + memberships(warehouse, is_open & (same_key | same_part))
    last = {(row["source"], row["source_key"]): row for row in sorted(rows, key=until)}
    golden_id = {row["part"]: row["golden_id"] for row in sorted(last.values(), key=until)}
    return {
        record: (golden_id[row["part"]], row["part"])
        for record, row in last.items()
        if row["valid_to_on"] is not None and record[0] not in DEVICES
    }


def find(config: Config, identifiers: list[str], *, key: bytes, with_deleted: bool = False) -> Subject:
    """Find the person that identifiers name.

    Args:
        config: The warehouse and the namespaces.
        identifiers: Each `namespace=value` (an e-mail as it is written), `record=source:key` or `golden_id=…`.
        key: The secret of the warehouse.
        with_deleted: Whether records are hers, too, that their source has deleted since; one may name her.

    Raises:
        SubjectError: An identifier is unknown, unreadable or carried by several persons. No value is quoted.
    """
    require_warehouse(config.warehouse)
    gone = deleted(config.warehouse) if with_deleted else {}
    found: set[Part] = set()
    for number, text in enumerate(identifiers, 1):
        found |= _parts_of(
            config, text, gone, key=key, which=f"identifier {number}" if len(identifiers) > 1 else "it"
        )
    golden = among("golden_id", {golden for golden, _ in found})
    members = rows_at(config.warehouse, "id.golden_member", golden & ds.field("valid_to_on").is_null())
    mine = [row for row in members if (row["golden_id"], row["part"]) in found]
    others = [row for row in members if (row["golden_id"], row["part"]) not in found]
    hers = {*_records(mine), *(record for record, part in gone.items() if part in found)}
    return Subject(frozenset(found), tuple(sorted(hers)), _records(others))


def _parts_of(config: Config, text: str, gone: Mapping[Record, Part], *, key: bytes, which: str) -> set[Part]:
    namespace, is_written, value = text.partition("=")
    known = [*config.namespaces, "record", "golden_id"]
    if not is_written or not value.strip() or namespace not in known:
        raise SubjectError(
            f"{which} is not written namespace=value; namespaces are {', '.join(known)} (record=source:key)"
        )
    named: Record | None = None
    if namespace == "golden_id":
        rows = _members(config, ds.field("golden_id") == _live(config, value.strip()))
    elif namespace == "record":
        source, _, source_key = value.strip().partition(":")
        named = (source, source_key)
        rows = _members(config, (ds.field("source") == source) & (ds.field("source_key") == source_key))
    else:
        normal = normal_form(namespace, value)
        if normal is None:
            raise SubjectError(f"{which} cannot be read as {namespace}; write it as the sources deliver it")
        hashed = hash_of(namespace, normal, key=hash_key(key))
        named = _named(config.warehouse, namespace, normal, hashed)
        rows = _carriers(config, namespace, hashed, named)
    parts = {(row["golden_id"], row["part"]) for row in rows}
    if not parts and named is not None and named in gone:
        parts = {gone[named]}
    if not parts:
        raise SubjectError(
            f"nobody is known by what {which} says: never delivered, deleted, suppressed, or another spelling"
        )
    if len(parts) > 1:
        persons = len({golden for golden, _ in parts})
        carriers = (
            f"{persons} persons" if persons > 1 else f"{len(parts)} groups of records that may be two persons"
        )
        raise SubjectError(
            f"{which} stands for {carriers}; name something of hers alone, such as a member number, or a record as "
            "record=source:key"
        )
    return parts


def _named(warehouse: Path, namespace: str, value: str, hashed: str) -> Record | None:
    """The record that an identifier is the name of, if it is one's; a device is known by its hash alone."""
    if namespace == "loyalty_card":
        return holders_of_cards(warehouse).get(value)
    source = OWN_KEYS.get(namespace)
    if source is None:
        return None
    return source, hashed if namespace in DEVICES else value


def _carriers(config: Config, namespace: str, hashed: str, named: Record | None) -> list[dict[str, Any]]:
    """Open memberships of records that carry an identifier; of its holder alone where it is a record's key or a card."""
    is_it = (ds.field("namespace") == namespace) & (ds.field("value_hmac") == hashed)
    carried = rows_at(config.warehouse, "silver.identifier", is_it)
    holder = HOLDERS.get(namespace)
    records = {(row["source"], row["source_key"]) for row in carried if holder in (None, row["source"])}
    if not records and named is not None:
        records = {named}
    keys = {source_key for _, source_key in records}
    return [
        row
        for row in _members(config, among("source_key", keys))
        if (row["source"], row["source_key"]) in records
    ]


def _members(config: Config, where: ds.Expression) -> list[dict[str, Any]]:
    return rows_at(config.warehouse, "id.golden_member", where & ds.field("valid_to_on").is_null())


def _live(config: Config, golden_id: str) -> str:
    rows = rows_at(config.warehouse, "id.crosswalk", ds.field("golden_id") == golden_id)
    return str(rows[0]["live_golden_id"]) if rows else ""


def _records(rows: list[dict[str, Any]]) -> tuple[Record, ...]:
    return tuple(sorted((row["source"], row["source_key"]) for row in rows))

"""Who is asking: one person by an identifier, with what is surely hers, and without Spark."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow.dataset as ds

from identity.config import Config
from identity.errors import SubjectError
from identity.evaluate import require_warehouse
from identity.standardise.identifiers import hash_key, hash_of, normal_form
from identity.tables import among, rows_at

Record = tuple[str, str]
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


@dataclass(frozen=True)
class Subject:
    """A person as far as it is sure who she is.

    Attributes:
        parts: (golden id, confirmed part) of the records that identifiers or a person's decision hold together.
        records: Source records of those parts, devices among them by their keyed hashes.
        doubtful: Records of the same golden ids that resemblance alone joins: perhaps somebody else's.
    """

    parts: frozenset[tuple[str, str]]
    records: tuple[Record, ...]
    doubtful: tuple[Record, ...]

    @property
    def golden_ids(self) -> tuple[str, ...]:
        """The golden ids, sorted."""
        return tuple(sorted({golden for golden, _ in self.parts}))


def find(config: Config, identifiers: list[str], *, key: bytes) -> Subject:
    """Find the person that identifiers name.

    Args:
        config: The warehouse and the namespaces.
        identifiers: Each `namespace=value` (an e-mail as it is written), `record=source:key` or `golden_id=…`.
        key: The secret of the warehouse.

    Raises:
        SubjectError: An identifier is unknown, unreadable or carried by several persons. No value is quoted.
    """
    require_warehouse(config.warehouse)
    found: set[tuple[str, str]] = set()
    for number, text in enumerate(identifiers, 1):
        found |= _parts_of(
            config, text, key=key, which=f"identifier {number}" if len(identifiers) > 1 else "it"
        )
    golden = among("golden_id", {golden for golden, _ in found})
    members = rows_at(config.warehouse, "id.golden_member", golden & ds.field("valid_to_on").is_null())
    mine = [row for row in members if (row["golden_id"], row["part"]) in found]
    others = [row for row in members if (row["golden_id"], row["part"]) not in found]
    return Subject(frozenset(found), _records(mine), _records(others))


def _parts_of(config: Config, text: str, *, key: bytes, which: str) -> set[tuple[str, str]]:
    namespace, is_written, value = text.partition("=")
    known = [*config.namespaces, "record", "golden_id"]
    if not is_written or not value.strip() or namespace not in known:
        raise SubjectError(
            f"{which} is not written namespace=value; namespaces are {', '.join(known)} (record=source:key)"
        )
    if namespace == "golden_id":
        rows = _members(config, ds.field("golden_id") == _live(config, value.strip()))
    elif namespace == "record":
        source, _, source_key = value.strip().partition(":")
        rows = _members(config, (ds.field("source") == source) & (ds.field("source_key") == source_key))
    else:
        normal = normal_form(namespace, value)
        if normal is None:
            raise SubjectError(f"{which} cannot be read as {namespace}; write it as the sources deliver it")
        rows = _carriers(config, namespace, normal, key=key)
    if not rows:
        raise SubjectError(
            f"nobody is known by what {which} says: never delivered, deleted, suppressed, or another spelling"
        )
    parts = {(row["golden_id"], row["part"]) for row in rows}
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


def _carriers(config: Config, namespace: str, value: str, *, key: bytes) -> list[dict[str, Any]]:
    """Open memberships of records that carry an identifier; of its own record alone where it is a record's key."""
    hashed = hash_of(namespace, value, key=hash_key(key))
    if namespace == "loyalty_card":
        cards = rows_at(config.warehouse, "silver.loyalty_card", ds.field("card_no") == value)
        records = {("loyalty", row["member_no"]) for row in cards}
    else:
        is_it = (ds.field("namespace") == namespace) & (ds.field("value_hmac") == hashed)
        carried = rows_at(config.warehouse, "silver.identifier", is_it)
        records = {(row["source"], row["source_key"]) for row in carried}
        own = (OWN_KEYS.get(namespace, ""), hashed if namespace in DEVICES else value)
        if own in records or namespace in DEVICES:
            records = {own}
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

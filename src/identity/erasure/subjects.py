"""Who is meant: the records that identifiers or a person's decision hold together, and no doubtful ones."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from identity.config import Namespace
from identity.errors import ConfigError, ErasureError
from identity.rights.persons import (
    DEVICES,
    HOLDERS,
    OWN_KEYS,
    Part,
    Record,
    deleted,
    holders_of_cards,
    memberships,
)
from identity.standardise.identifiers import normalised
from identity.tables import among, columns_at


class Subjects(NamedTuple):
    """Persons to be erased.

    Attributes:
        records: Their source records, devices and what their source deleted among them, as source and key.
        persons: How many persons (confirmed parts).
        unknown: How many identifiers stand for nobody.
        retired: Golden ids that lose their last record.
    """

    records: set[Record]
    persons: int
    unknown: int
    retired: list[str]


def read_identifiers(path: Path) -> list[str]:
    """Identifiers of a file, one a line; blank lines and lines that begin with # are left out.

    Raises:
        ConfigError: The file cannot be read, or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"--requests {path}: cannot be read as text") from None
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise ConfigError(
            f"--requests {path}: holds no identifier; write one a line, such as loyalty_member=M1"
        )
    return found


def subjects(
    spark: SparkSession,
    warehouse: Path,
    identifiers: Sequence[str],
    *,
    namespaces: Mapping[str, Namespace],
    key: bytes,
) -> Subjects:
    """Find the persons that identifiers stand for.

    Args:
        spark: To normalise identifiers as records are.
        warehouse: The warehouse.
        identifiers: As `rights.persons.find` takes them: `golden_id=…`, `record=source:key` or `namespace=value`.
        namespaces: The identifier hierarchy.
        key: Key of the hashes.

    Raises:
        ErasureError: An identifier is of several persons; the message gives its place in the list.
        ConfigError: An identifier is written as none of these.
    """
    members = memberships(warehouse)
    today: dict[Record, Part] = {
        (r["source"], r["source_key"]): (r["golden_id"], r["part"]) for r in members if not r["valid_to_on"]
    }
    part_of = deleted(warehouse) | today
    parts: dict[str, set[Part]] = {}
    for part in today.values():
        parts.setdefault(part[0], set()).add(part)
    by_value = _records_by_value(spark, warehouse, identifiers, namespaces, key)
    chosen: set[Part] = set()
    unknown = 0
    for place, text in enumerate(identifiers, 1):
        name, _, value = text.partition("=")
        if name == "golden_id":
            found = parts.get(value.strip(), set())
        else:
            records = {tuple(value.strip().split(":", 1))} if name == "record" else by_value.get(place, set())
            found = {part_of[record] for record in records if record in part_of}
        if len(found) > 1:
            raise ErasureError(
                f"identifier {place} stands for {len(found)} persons; nobody was erased: "
                "name each by a record of theirs, as record=source:key (see `identity why`)"
            )
        unknown += not found
        chosen |= found
    records = {record for record, part in part_of.items() if part in chosen}
    held = {part[0] for record, part in today.items() if record in records}
    left = {part[0] for record, part in today.items() if record not in records}
    return Subjects(records, len(chosen), unknown, sorted(held - left))


def touched(warehouse: Path, records: Collection[Record]) -> list[str]:
    """Golden ids that hold some records, or one that an edge or an identifier ties to them: all that may change without them.

    Args:
        warehouse: The warehouse.
        records: Source records.
    """
    carried = columns_at(warehouse, "silver.identifier", ["source", "source_key", "value_hmac"]).to_pylist()
    hashes = {r["value_hmac"] for r in carried if (r["source"], r["source_key"]) in records}
    tied = {(r["source"], r["source_key"]) for r in carried if r["value_hmac"] in hashes}
    ends = [("source_l", "source_key_l"), ("source_r", "source_key_r")]
    for r in columns_at(warehouse, "id.edge", [name for end in ends for name in end]).to_pylist():
        left, right = ((r[source], r[key]) for source, key in ends)
        tied |= ({right} if left in records else set()) | ({left} if right in records else set())
    members = memberships(warehouse)
    changing = tied | set(records)
    return sorted(
        {
            r["golden_id"]
            for r in members
            if not r["valid_to_on"] and (r["source"], r["source_key"]) in changing
        }
    )


def _records_by_value(
    spark: SparkSession,
    warehouse: Path,
    identifiers: Iterable[str],
    namespaces: Mapping[str, Namespace],
    key: bytes,
) -> dict[int, set[Record]]:
    """Records that carry `namespace=value`, by the place in the list."""
    asked = []
    for place, text in enumerate(identifiers, 1):
        namespace, is_written, value = text.partition("=")
        known = [*namespaces, "record", "golden_id"]
        if not is_written or not value.strip() or namespace not in known:
            raise ConfigError(
                f"identifier {place} is not written namespace=value; namespaces are {', '.join(known)} "
                "(record=source:key)"
            )
        if namespace in namespaces:
            asked.append((place, namespace, value))
    if not asked:
        return {}
    frame = spark.createDataFrame(asked, "place int, namespace string, raw string")
    rows = normalised(frame, namespaces=namespaces, key=key).collect()
    places = {(row["namespace"], row["value_hmac"]): set[int]() for row in rows}
    own: dict[int, Record] = {}
    holders = holders_of_cards(warehouse) if any(row["namespace"] == "loyalty_card" for row in rows) else {}
    for row in rows:
        namespace, value, hashed = row["namespace"], row["value"], row["value_hmac"]
        places[namespace, hashed].add(row["place"])
        if namespace == "loyalty_card" and value in holders:
            own[row["place"]] = holders[value]
        if namespace in OWN_KEYS:
            own[row["place"]] = OWN_KEYS[namespace], hashed if namespace in DEVICES else value
    found: dict[int, set[Record]] = {}
    for r in carried_by(warehouse, {hmac for _, hmac in places}):
        if HOLDERS.get(r["namespace"], r["source"]) == r["source"]:
            for place in places.get((r["namespace"], r["value_hmac"]), ()):
                found.setdefault(place, set()).add((r["source"], r["source_key"]))
    # Nothing carries the key of a record that its source deleted, and a device is known by its hash alone.
    return {place: {record} for place, record in own.items()} | found


def carried_by(warehouse: Path, hashes: Collection[str]) -> list[dict[str, Any]]:
    """Rows of silver.identifier with one of these hashes."""
    names = ["namespace", "value_hmac", "source", "source_key"]
    rows: list[dict[str, Any]] = columns_at(
        warehouse, "silver.identifier", names, among("value_hmac", hashes)
    ).to_pylist()
    return rows

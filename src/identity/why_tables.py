"""What `why` and `why_not` read of a warehouse: without Spark, and of each table only the rows of two golden ids."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds

from identity.config import Config
from identity.errors import ConfigError, UnknownIdError, UnknownRecordError
from identity.resolve.decisions import Record
from identity.resolve.paths import Edge, ends_of
from identity.resolve.records import PERSONAL
from identity.resolve.why_not import Facts, Row, Side
from identity.tables import among, columns_at, rows_at

_WHICH: Final = ("first", "second")
_CARRIED: Final = ["namespace", "value_hmac", "source", "source_key"]
_SAID: Final = ["source", "source_key", "subject_kind", *PERSONAL]


def sides_of(config: Config, a: str, b: str) -> tuple[Side, Side]:
    """The two that were asked about.

    Raises:
        ConfigError: There is no warehouse, or both are the same.
        UnknownIdError: A golden id was never published.
        UnknownRecordError: A record has no golden id today, or a golden id no record.
    """
    warehouse = config.warehouse
    if not (warehouse / "id").is_dir():
        raise ConfigError(f"{warehouse} is no warehouse: it has no id tables; run `identity run` first")
    if a == b:
        raise ConfigError("both are the same; name two records or golden ids")
    one, other = (_side(warehouse, name, which) for name, which in zip((a, b), _WHICH, strict=True))
    if set(one.asked) == set(other.asked):
        raise ConfigError("both are the same golden id today; name two of its records")
    return one, other


def _side(warehouse: Path, name: str, which: str) -> Side:
    """What was asked about; in errors it is not quoted, for what was typed may be anything, an e-mail too."""
    asked: list[Record] | None = None
    if ":" in name:
        record = record_of_name(name)
        is_it = (ds.field("source") == record[0]) & (ds.field("source_key") == record[1])
        rows = _open(warehouse, is_it)
        if not rows:
            raise UnknownRecordError(
                f"the {which} record has no golden id today: it was never delivered, or is quarantined, deleted or "
                "suppressed; a record is written source:source_key"
            )
        asked, golden_id = [record], rows[0]["golden_id"]
    else:
        golden_id = _live(warehouse, name, which)
        if golden_id != name:
            asked = sorted(
                {
                    _record_of(row)
                    for row in rows_at(warehouse, "id.golden_member", ds.field("golden_id") == name)
                }
            )
    members = {_record_of(row): row for row in _open(warehouse, ds.field("golden_id") == golden_id)}
    # A golden id that lives on in another stands for the records it had, as far as they are there.
    those = sorted(members) if asked is None else [record for record in asked if record in members]
    if not those:
        raise UnknownRecordError(f"the {which} golden id has no record that lives on")
    return Side(tuple(those), golden_id, members)


def _live(warehouse: Path, golden_id: str, which: str) -> str:
    rows = rows_at(warehouse, "id.crosswalk", ds.field("golden_id") == golden_id)
    if not rows:
        raise UnknownIdError(
            f"no golden id of the {which} name was ever published in {warehouse}; a record is written source:source_key"
        )
    if rows[0]["live_golden_id"] is None:
        raise UnknownRecordError(f"the {which} golden id is retired; `identity history` tells when and why")
    return str(rows[0]["live_golden_id"])


def _open(warehouse: Path, where: ds.Expression) -> list[dict[str, Any]]:
    """Rows of id.golden_member that hold today."""
    return rows_at(warehouse, "id.golden_member", where & ds.field("valid_to_on").is_null())


def facts_of(config: Config, sides: tuple[Side, Side]) -> Facts:
    """Everything the last run knew of two golden ids, and decisions on them made since."""
    warehouse, (one, other) = config.warehouse, sides
    everybody = {**one.members, **other.members}
    carried = columns_at(warehouse, "silver.identifier", _CARRIED, _keys("source_key", everybody))
    identifiers = _of(carried.to_pylist(), everybody)
    hashes = {row["value_hmac"] for row in identifiers}
    blocked = rows_at(warehouse, "id.blocked_value", among("value_hmac", hashes))
    decided = [
        row
        for row in rows_at(warehouse, "id.review_pair", _between(everybody))
        if _is_across(row, one.members, other.members)
    ]
    devices = devices_of(config)
    return Facts(
        sides=sides,
        edges=edges_between(warehouse, one.members, other.members),
        decisions=decided,
        identifiers=identifiers,
        blocked={(row["namespace"], row["value_hmac"]): row["reason"] for row in blocked},
        persons=persons_of(warehouse, everybody),
        owners=owners_of(warehouse, [r for r in (*one.asked, *other.asked) if r[0] in devices]),
        limits={
            name: n.max_per_person for name, n in config.namespaces.items() if n.max_per_person is not None
        },
        devices=devices,
    )


def edges_between(warehouse: Path, ones: Collection[Record], others: Collection[Record]) -> list[Edge]:
    """Edges from some records to others."""
    rows = rows_at(warehouse, "id.edge", _between([*ones, *others]))
    return [row for row in rows if _is_across(row, ones, others)]


def _between(records: Collection[Record]) -> ds.Expression:
    return _keys("source_key_l", records) & _keys("source_key_r", records)


def _keys(column: str, records: Iterable[Record]) -> ds.Expression:
    """A filter that Parquet can be asked for; other sources' records of the same key are left out afterwards."""
    return among(column, {key for _, key in records})


def _is_across(row: Row, ones: Collection[Record], others: Collection[Record]) -> bool:
    left, right = ends_of(row)
    return (left in ones and right in others) or (left in others and right in ones)


def _of(rows: Iterable[dict[str, Any]], records: Collection[Record]) -> list[Row]:
    return [row for row in rows if _record_of(row) in records]


def persons_of(warehouse: Path, records: Collection[Record]) -> dict[Record, Row]:
    """Rows of silver.person_record, by record; it knows no devices."""
    rows = columns_at(warehouse, "silver.person_record", _SAID, _keys("source_key", records)).to_pylist()
    return {_record_of(row): row for row in _of(rows, records)}


def owners_of(warehouse: Path, devices: Collection[Record]) -> list[Row]:
    """Rows of id.device_owner of some devices, in order of time."""
    if not devices:
        return []
    rows = rows_at(warehouse, "id.device_owner", _keys("value_hmac", devices))
    found = [row for row in rows if (row["namespace"], row["value_hmac"]) in devices]
    return sorted(found, key=lambda row: (row["namespace"], row["value_hmac"], row["from_at"]))


def devices_of(config: Config) -> frozenset[str]:
    """Sources whose records are devices."""
    return frozenset(name for name, n in config.namespaces.items() if n.level in ("cookie", "mobile"))


def record_of_name(name: str) -> Record:
    """The record that is written so."""
    source, _, key = name.partition(":")
    return source, key


def _record_of(row: Row) -> Record:
    return row["source"], row["source_key"]

"""Who was given a person's contact points: what she is told (art. 15), and whom to tell that she is erased (art. 19)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from identity.rights.persons import Record
from identity.tables import among, columns_at, rows_at

_KEY: Final = ["source", "source_key"]


def uses_of(
    warehouse: Path, records: Collection[Record], *, points: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Rows of ops.data_use_log that are about a person, by `use_id`.

    A use is hers if it was of a golden id that ever held one of her records, and of a contact point she carries. Of her
    golden id of today it is hers also if nobody else carries the contact point: she had it put right, or its hash is gone.

    Args:
        warehouse: The warehouse.
        records: Her source records.
        points: Keyed hashes of contact points that are hers alone, though no record carries them today.
    """
    mine = set(records)
    members = columns_at(
        warehouse,
        "id.golden_member",
        ["golden_id", *_KEY, "valid_to_on"],
        among("source_key", {key for _, key in mine}),
    ).to_pylist()
    held = [row for row in members if (row["source"], row["source_key"]) in mine]
    ever, today = (
        {row["golden_id"] for row in rows} for rows in (held, [r for r in held if not r["valid_to_on"]])
    )
    logged = rows_at(warehouse, "ops.data_use_log", among("golden_id", ever))
    used = {row["contact_point_hmac"] for row in logged} - {None}
    carried = columns_at(
        warehouse, "silver.identifier", ["value_hmac", *_KEY], among("value_hmac", used)
    ).to_pylist()
    own = {row["value_hmac"] for row in carried if (row["source"], row["source_key"]) in mine} | set(points)
    others = {row["value_hmac"] for row in carried} - own
    return sorted(
        (
            row
            for row in logged
            if row["contact_point_hmac"] in own
            or (row["golden_id"] in today and row["contact_point_hmac"] not in others)
        ),
        key=lambda row: str(row["use_id"]),
    )

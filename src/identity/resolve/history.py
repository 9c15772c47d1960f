"""The life of a golden id, told from the ledger, the memberships and the crosswalk; plain rows in and out."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

Row = Mapping[str, Any]

# Within a run: first what makes an id, then who comes, then who goes and what ends it.
_ORDER: Final = ("minted", "split", "joined", "merged", "left", "retired")
_TOLD: Final = (
    "effective_on", "event", "golden_id", "other_golden_id", "source", "source_key", "cause", "detail", "run_id",
)  # fmt: skip


def life(
    golden_id: str, events: Iterable[Row], members: Iterable[Row], crosswalk: Row, *, as_of: dt.date | None
) -> dict[str, Any]:
    """What happened to a golden id, where it lives on, and who belongs to it.

    Args:
        golden_id: The id.
        events: Rows of id.golden_history that name the id, be it as the one it happened to or as the other.
        members: Rows of id.golden_member of the id, closed ones too.
        crosswalk: The row of id.crosswalk of the id; it tells of today, whatever the date.
        as_of: Date whose members are wanted, and after which no event is told; None is the newest.
    """
    told = [row for row in events if as_of is None or row["effective_on"] <= as_of]
    standing = [row for row in members if _holds(row, as_of)]
    return {
        "golden_id": golden_id,
        "as_of": as_of,
        "live_golden_id": crosswalk["live_golden_id"],
        "why": crosswalk["why"],
        "since_on": crosswalk["since_on"],
        "events": [{name: row[name] for name in _TOLD} for row in sorted(told, key=_place)],
        "members": [
            {name: row[name] for name in ("source", "source_key", "valid_from_on", "valid_to_on")}
            for row in sorted(standing, key=lambda row: (row["source"], row["source_key"]))
        ],
    }


def _holds(row: Row, as_of: dt.date | None) -> bool:
    until = row["valid_to_on"]
    if as_of is None:
        return until is None
    return bool(row["valid_from_on"] <= as_of and (until is None or as_of < until))


def _place(row: Row) -> tuple[Any, ...]:
    names = ("golden_id", "other_golden_id", "source", "source_key")
    return (
        row["effective_on"],
        row["recorded_at"],
        _ORDER.index(row["event"]),
        *(row[name] or "" for name in names),
    )

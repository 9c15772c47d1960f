"""Whom an audience leaves alone, whatever was decided: restricted, complaining, or with a no that no run has heard yet.

It is the person who is left alone. Her golden id stays out, and so does every contact point of hers, whoever else has it:
a record that may not be joined is a golden id of its own, and another one may carry the same address.
"""

import datetime as dt
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow.compute as pc

from identity.config import Config
from identity.consent.restrictions import in_force
from identity.tables import among, columns_at, rows_at

_RECORD: Final = ["source", "source_key"]
_PART: Final = ["golden_id", "part"]


def left_alone(
    config: Config,
    purpose: str,
    permits: pd.DataFrame,
    members: pd.DataFrame,
    carried: pd.DataFrame,
    *,
    published_for: dt.date,
    on: dt.date,
) -> dict[str, pd.Series]:
    """By why, which of the permitted contact points are of somebody to be left alone.

    Args:
        config: The warehouse and the purposes.
        purpose: What they are contacted for.
        permits: `golden_id`, `contact_point` (keyed hash).
        members: `golden_id`, `part`, `source`, `source_key`: open memberships.
        carried: `value_hmac`, `source`, `source_key`: contact points that records carry.
        published_for: Date of the publication.
        on: Run date.
    """
    warehouse = config.warehouse
    records = {
        "restricted": in_force(rows_at(warehouse, "consent.restriction"), on=on),
        "objected or withdrew since": _refusing(warehouse, purpose, published_for),
        "open complaint": _complaining(warehouse) if config.purposes[purpose].paused_by_complaint else [],
    }
    return {why: _are_of(permits, members, carried, some) for why, some in records.items()}


def _are_of(
    permits: pd.DataFrame, members: pd.DataFrame, carried: pd.DataFrame, records: list[tuple[str, str]]
) -> pd.Series:
    """Whether a contact point is of a golden id that holds one of the records, or of the person whose record it is."""
    theirs = members.merge(pd.DataFrame(records, columns=_RECORD, dtype="object"), on=_RECORD)
    persons = members.merge(theirs[_PART].drop_duplicates(), on=_PART)
    points = carried.merge(persons[_RECORD], on=_RECORD)["value_hmac"]
    return permits["golden_id"].isin(list(theirs["golden_id"])) | permits["contact_point"].isin(list(points))


def _refusing(warehouse: Path, purpose: str, published_for: dt.date) -> list[tuple[str, str]]:
    """Records that carry an identifier of whose statement to the company the published decisions may not know.

    Of the publication's own date it is not told whether the run came after the statement: silver, which has it, may be of
    a run that never came to decide. An earlier one was heard if silver has it, for between the stages of a run somebody
    may speak, too.
    """
    names = ["event_key", "subject_namespace", "subject_hmac", "said_on"]
    said = columns_at(warehouse, "consent.statement", names, pc.field("purpose") == purpose).to_pylist()
    before = {row["event_key"] for row in said if row["said_on"] < published_for}
    heard = columns_at(warehouse, "silver.consent_event", ["event_key"], among("event_key", before))
    keys = set(heard["event_key"].to_pylist())
    subjects = {(r["subject_namespace"], r["subject_hmac"]) for r in said if r["event_key"] not in keys}
    carriers = columns_at(
        warehouse,
        "silver.identifier",
        ["namespace", "value_hmac", *_RECORD],
        among("value_hmac", {value_hmac for _, value_hmac in subjects}),
    ).to_pylist()
    carrying = {
        (r["source"], r["source_key"]) for r in carriers if (r["namespace"], r["value_hmac"]) in subjects
    }
    return sorted(carrying | subjects)  # a device is a record by its own hash


def _complaining(warehouse: Path) -> list[tuple[str, str]]:
    is_open = (pc.field("interaction_type") == "complaint") & (pc.field("status") == "open")
    rows = columns_at(warehouse, "silver.interaction", _RECORD, is_open).to_pylist()
    return sorted({(row["source"], row["source_key"]) for row in rows if row["source_key"] is not None})

"""`identity audience`: whom a purpose may contact today, with addresses in clear; written for its owner alone, and logged.

Reads and writes the warehouse without Spark. Gold knows contact points by keyed hash; only here, at the last moment,
they become addresses again. Every golden id and contact point that goes out is a row of `ops.data_use_log`.
"""

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from identity.config import Config, Journey, Purpose, Stage
from identity.contracts import contract_of, purpose_table
from identity.erasure.plan import writing
from identity.errors import ConfigError, RunDateError
from identity.keys import key_in_force
from identity.left_alone import left_alone
from identity.private import write_privately
from identity.tables import append_at, columns_at, rows_at, version_at

COLUMNS: Final = ("golden_id", "contact_point")
"""Of the file."""
_LOG: Final = "ops.data_use_log"
_RECORD: Final = ["source", "source_key"]
_POINT: Final = ["golden_id", "contact_point"]


@dataclass(frozen=True)
class Audience:
    """What was written.

    Attributes:
        customers: Golden ids in the file.
        contact_points: Rows of the file.
        left_out: Golden ids of the published profile that are not in the file, by why.
        run_id: Run whose publication it is from.
        sha256: Of the file.
        logged: Rows added to ops.data_use_log; none when the same file went to the same recipient that day before.
    """

    customers: int
    contact_points: int
    left_out: Mapping[str, int]
    run_id: str
    sha256: str
    logged: int


def export_audience(config: Config, out: Path, *, purpose: str, recipient: str, on: dt.date) -> Audience:
    """Write whom a purpose may contact on a date, and log that it was done.

    Decisions are those of the newest publication; what has expired since then, open complaints, restrictions,
    objections and withdrawals made to the company, and stages of the journey are judged as of the date.

    Args:
        config: The configuration; the purpose must be one that needs a contact point.
        out: File to write, .csv or .parquet. A file of the same content may be there: nothing is done twice.
        purpose: What they are contacted for.
        recipient: Who gets the file.
        on: Run date.

    Raises:
        ConfigError: No such purpose, none with a contact point, no recipient, or another kind of file.
        RunDateError: Nothing is published, something is for a later date, or a run has not published what it decided.
        PlatformError: The file cannot be written, or another one is there; or the warehouse's key is not the one that is
            given, or is being changed.
        LockError: A run is writing to the warehouse, or died while it wrote tables that belong together.
        ErasureError: An erasure is not finished.
    """
    _require_contact(config, purpose)
    if not recipient.strip():
        raise ConfigError("--recipient: say who gets the file")
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"{out}: name a file that ends with .csv or .parquet")
    if not config.warehouse.is_dir():
        raise RunDateError(f"nothing is published in {config.warehouse}; run first")
    with writing(config.warehouse):
        key_in_force(config)
        publication = _publication(config.warehouse, purpose, on)
        reached, left_out = _reached(config, purpose, publication["published_for"], on)
        content = _content(reached, out)
        use = {
            "purpose": purpose,
            "used_on": on,
            "run_id": publication["run_id"],
            "recipient": recipient.strip(),
            "file_sha256": hashlib.sha256(content).hexdigest(),
        }
        fresh = [] if _is_logged(config.warehouse, use) else _uses(reached, use)
        write_privately(out, content, first=lambda: append_at(config.warehouse, fresh, contract_of(_LOG)))
    return Audience(
        reached["golden_id"].nunique(), len(reached), left_out, use["run_id"], use["file_sha256"], len(fresh)
    )


def _require_contact(config: Config, name: str) -> None:
    reachable = sorted(n for n, p in config.profile_purposes.items() if p.contact is not None)
    if name not in reachable:
        raise ConfigError(
            f"--purpose {name}: not a purpose that contacts by e-mail or phone; there are {', '.join(reachable)}"
        )


def _publication(warehouse: Path, purpose: str, on: dt.date) -> dict[str, Any]:
    """The newest publication, if it is whole, no later than the date, and what the decisions in force are from."""
    rows = rows_at(warehouse, "ops.publication")
    if not rows:
        raise RunDateError(f"nothing is published in {warehouse}; run first")
    newest = max(rows, key=lambda row: row["publication_no"])
    table, day = purpose_table(purpose), newest["published_for"]
    if on < day:
        raise RunDateError(
            f"{day} is already published; an audience for {on} would leave out what was said since"
        )
    decided = set(columns_at(warehouse, "consent.effective", ["decided_on"])["decided_on"].to_pylist())
    versions = dict(newest["versions"])
    if table not in versions or version_at(warehouse, table) != versions[table] or decided - {day}:
        raise RunDateError(
            f"the publication for {day} is not what was decided and made last; run again to publish it"
        )
    return newest


def stage_of(profile: Mapping[str, Any], journey: Journey, *, days_since: int) -> Stage:
    """The stage of the journey, told by nothing but what the purpose's own profile shows of purchases.

    Whoever has an e-mail or phone is identified, so nobody in an audience is an anonymous visitor.

    Args:
        profile: A row of the purpose's profile, with `recency_days` (null: nothing bought that the purpose may know).
        journey: Where stages end.
        days_since: Days from the profile's date to the date asked about.
    """
    if profile["recency_days"] is None:
        return "exploring"
    days = profile["recency_days"] + days_since
    if days <= journey.post_purchase_days:
        return "post_purchase"
    return "active" if days <= journey.active_days else "lapsed"


def _reached(
    config: Config, purpose: str, published_for: dt.date, on: dt.date
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Golden ids with contact points, hashed and in clear, in order; and how many were left out, by why.

    A golden id is left out for what took the last of its contact points.
    """
    warehouse, asked = config.warehouse, config.purposes[purpose]
    profiles = {row["golden_id"]: row for row in rows_at(warehouse, purpose_table(purpose))}
    is_permit = (pc.field("purpose") == purpose) & (pc.field("decision") == "permit")
    permits = columns_at(
        warehouse, "consent.effective", [*_POINT, "valid_to_on", "permitted_parts"], is_permit
    ).to_pandas()
    permits = permits[permits["golden_id"].isin(list(profiles))]
    members = columns_at(
        warehouse, "id.golden_member", ["golden_id", "part", *_RECORD], pc.field("valid_to_on").is_null()
    ).to_pandas()
    carried = columns_at(
        warehouse,
        "silver.identifier",
        ["value_hmac", *_RECORD, "value"],
        pc.field("namespace") == asked.contact,
    ).to_pandas()
    past_stage = _at_excluded_stage(profiles, asked, config.journey, (on - published_for).days)
    ends = permits["valid_to_on"]
    stands = ends.isna() | (ends > on)
    if on > published_for:
        # Of several parts the yes of one may have expired since; the next run tells of which.
        stands &= ends.isna() | (permits["permitted_parts"].str.len() == 1)
    is_out = {
        **left_alone(config, purpose, permits, members, carried, published_for=published_for, on=on),
        "stage of the journey": permits["golden_id"].isin(list(past_stage)),
        "expired": ~stands,
    }
    may, told = permits, {}
    for why, out in is_out.items():
        stay = may[~out[may.index]]
        told[why] = may["golden_id"].nunique() - stay["golden_id"].nunique()
        may = stay
    reached = _in_clear(str(asked.contact), may, members, carried)
    told["no address in clear"] = may["golden_id"].nunique() - reached["golden_id"].nunique()
    return reached, {why: count for why, count in told.items() if count}


def _in_clear(kind: str, permits: pd.DataFrame, members: pd.DataFrame, carried: pd.DataFrame) -> pd.DataFrame:
    """Contact points in clear that records of permitted parts carry; some are delivered as a hash only."""
    clear = carried[carried["value"].str.contains("@" if kind == "email" else "+", regex=False)]
    parts = permits.explode("permitted_parts").rename(columns={"permitted_parts": "part"})
    found = (
        parts.rename(columns={"contact_point": "value_hmac"})
        .merge(members, on=["golden_id", "part"])
        .merge(clear, on=["value_hmac", *_RECORD])
    )
    named = found.rename(columns={"value_hmac": "contact_point_hmac", "value": "contact_point"})
    ordered = named.sort_values(["golden_id", "contact_point"], ignore_index=True)
    once = ordered.drop_duplicates(["golden_id", "contact_point_hmac"], ignore_index=True)
    return pd.DataFrame(once[["golden_id", "contact_point", "contact_point_hmac"]])


def _at_excluded_stage(
    profiles: Mapping[str, Mapping[str, Any]], asked: Purpose, journey: Journey, days_since: int
) -> set[str]:
    if not asked.excluded_stages:
        return set()
    if any("recency_days" not in profile for profile in profiles.values()):
        raise RunDateError(
            "what is published tells no stage of the journey; run again with this configuration"
        )
    return {
        golden_id
        for golden_id, profile in profiles.items()
        if stage_of(profile, journey, days_since=days_since) in asked.excluded_stages
    }


def _content(reached: pd.DataFrame, out: Path) -> bytes:
    """The file's bytes: the same rows make the same bytes. Values are exact, for a machine reads them."""
    table = pa.Table.from_pydict({name: pa.array(reached[name], pa.string()) for name in COLUMNS})
    if out.suffix.lower() == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        return bytes(sink.getvalue())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(zip(*(table[name].to_pylist() for name in COLUMNS), strict=True))
    return text.getvalue().encode()


def _is_logged(warehouse: Path, use: Mapping[str, Any]) -> bool:
    same = ("purpose", "used_on", "recipient", "file_sha256")
    return any(all(row[name] == use[name] for name in same) for row in rows_at(warehouse, _LOG))


def _uses(reached: pd.DataFrame, use: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in reached.to_dict("records"):
        who = {"golden_id": row["golden_id"], "contact_point_hmac": row["contact_point_hmac"]}
        said = [
            use["purpose"],
            use["used_on"].isoformat(),
            use["recipient"],
            use["file_sha256"],
            *who.values(),
        ]
        use_id = hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]
        rows.append({"use_id": use_id, **use, **who})
    return rows

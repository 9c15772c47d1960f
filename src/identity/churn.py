"""Churn: what became of the golden ids of an earlier run date, read from memberships and the ledger."""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final

import pandas as pd

from identity.errors import ConfigError

KEY: Final = ["source", "source_key"]
DEVICES: Final = ("cookie", "mobile_id")
"""Sources whose records are devices."""
_UNTOLD: Final = "not in the ledger"


def day_to_compare(run_dates: Collection[dt.date], since: dt.date | None) -> dt.date | None:
    """The date whose golden ids today's are compared with; None on the first run date of a warehouse.

    Args:
        run_dates: Every date that was published.
        since: The date asked for; by default the run date before the last.

    Raises:
        ConfigError: The date asked for lies before the first run, or nothing has run since.
    """
    days = sorted(set(run_dates))
    if since is None:
        return days[-2] if len(days) > 1 else None
    if not days or since < days[0]:
        first = f"; the first run date is {days[0]}" if days else ""
        raise ConfigError(f"--since {since}: there were no golden ids yet{first}")
    if since >= days[-1]:
        raise ConfigError(f"--since {since}: nothing has run since; the last run date is {days[-1]}")
    return since


def churn(members: pd.DataFrame, history: pd.DataFrame, since: dt.date) -> dict[str, Any]:
    """What became of the golden ids that lived on a date.

    Args:
        members: id.golden_member, closed rows too: `golden_id`, `source`, `source_key`, `valid_from_on`, `valid_to_on`.
        history: id.golden_history: `event`, `golden_id`, `other_golden_id`, `source`, `source_key`, `cause`,
            `effective_on`, `recorded_at`.
        since: The date; what a run of that date did has been done.

    Returns:
        `since`; of `persons` (ids that held a record that is no device) and of `visitors` (the others): `before`,
        which is `kept` + `merged` + `retired`; `split`, those a new id parted from, whatever became of them; and
        `new`, ids that live now and did not then. `examples`: persons' ids that were split, then merged ones, three at
        most. Of `records` that stood then, devices apart: `moved`, to another
        id, and `gone`, both by the ledger's cause.
    """
    until = members["valid_to_on"]
    then = members[(members["valid_from_on"] <= since) & (until.isna() | (until > since))]
    now = members[until.isna()]
    after = history[history["effective_on"] > since].sort_values(
        ["effective_on", "recorded_at"], kind="stable"
    )
    both = then.merge(now, on=KEY, how="left", suffixes=("", "_now"))
    moved = both[both["golden_id_now"].notna() & (both["golden_id_now"] != both["golden_id"])]
    gone = both[both["golden_id_now"].isna()]
    return {
        "since": str(since),
        **_ids(then, now, after),
        "examples": _examples(then, after),
        "records": {
            "moved": _by_cause(moved, after[after["event"] == "joined"]),
            "gone": _by_cause(gone, after[after["event"] == "left"]),
        },
    }


def _ids(then: pd.DataFrame, now: pd.DataFrame, after: pd.DataFrame) -> dict[str, dict[str, int]]:
    before, living = _is_person(then), _is_person(now)
    lives = before.index.isin(living.index)
    merged = ~lives & before.index.isin(after.loc[after["event"] == "merged", "golden_id"])
    split = before.index.isin(after.loc[after["event"] == "split", "other_golden_id"])
    is_new = ~living.index.isin(before.index)
    told = {}
    for name, those, newer in (("persons", before, living), ("visitors", ~before, ~living)):
        told[name] = {
            "before": int(those.sum()),
            "kept": int((those & lives).sum()),
            "merged": int((those & merged).sum()),
            "retired": int((those & ~lives & ~merged).sum()),
            "split": int((those & split).sum()),
            "new": int((newer & is_new).sum()),
        }
    return told


def _examples(then: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    is_person = _is_person(then)
    known = set(is_person.index[is_person])
    ids: list[str] = []
    for event, column in (("split", "other_golden_id"), ("merged", "golden_id")):
        ids += sorted(known & set(after.loc[after["event"] == event, column]))
    return list(dict.fromkeys(ids))[:3]


def _is_person(members: pd.DataFrame) -> "pd.Series[bool]":
    """By golden id, whether it holds a record that is no device."""
    known = ~members["source"].isin(DEVICES)
    found: pd.Series[bool] = known.groupby(members["golden_id"]).any()
    return found


def _by_cause(records: pd.DataFrame, events: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Records by the cause of the last event that tells of them."""
    last = events.drop_duplicates(KEY, keep="last")[[*KEY, "cause"]]
    told = records[KEY].merge(last, on=KEY, how="left")
    told["cause"] = told["cause"].fillna(_UNTOLD)
    is_device = told["source"].isin(DEVICES)
    return {
        name: {str(cause): int(n) for cause, n in sorted(those["cause"].value_counts().items())}
        for name, those in (("persons", told[~is_device]), ("devices", told[is_device]))
    }

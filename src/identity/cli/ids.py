"""Verbs of the command line that tell of golden ids."""

import datetime as dt
import json
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.config_reading import load_config
from identity.errors import ConfigError, UnknownIdError

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True}
_SEEN_BY_THE_OTHER: Final = {"merged": "took in", "split": "gave off"}
_LONGEST_KEY: Final = 36  # a device's key is a hash of 64 letters; --json has it whole


def history_command(
    golden_id: Annotated[str, typer.Argument(metavar="ID", help="A golden id.", show_default=False)],
    conf: Annotated[Path, typer.Option("--conf", help="Configuration file.", show_default=False)],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Date, yyyy-mm-dd: members of that day, events up to it."),
    ] = None,
    warehouse: Annotated[
        Path | None, typer.Option("--warehouse", help="Warehouse folder; overrides the configuration.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")
    ] = False,
) -> None:
    """Tell the life of a golden id: what happened to it and why, where it lives on, who belongs to it. No Spark."""
    day = None if as_of is None else _date(as_of)
    found = _life(load_config(conf, warehouse=warehouse, need_model=False).warehouse, golden_id, day)
    if as_json:
        print(json.dumps(found, default=str))
        return
    _show(found, Console())


def _life(warehouse: Path, golden_id: str, as_of: dt.date | None) -> dict[str, Any]:
    import pyarrow.dataset as ds

    from identity.resolve.history import life
    from identity.tables import rows_at

    is_it = ds.field("golden_id") == golden_id
    crosswalk = rows_at(warehouse, "id.crosswalk", is_it)
    if not crosswalk:
        # Not quoted: what was typed may be anything, an e-mail too.
        raise UnknownIdError(
            f"no golden id of this name was ever published in {warehouse}; copy it whole from a gold table"
        )
    events = rows_at(warehouse, "id.golden_history", is_it | (ds.field("other_golden_id") == golden_id))
    members = rows_at(warehouse, "id.golden_member", is_it)
    return life(golden_id, events, members, crosswalk[0], as_of=as_of)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--as-of {text}: a date is written yyyy-mm-dd") from None


def _show(found: dict[str, Any], console: Console) -> None:
    own = found["golden_id"]
    where = {
        "live": "lives",
        "merged": f"lives on as {found['live_golden_id']}",
        "retired": "retired; it lives on nowhere",
    }
    console.print(f"[bold]{own}[/]  {where[found['why']]}, since {found['since_on']}", **_PLAIN)
    for run, events in groupby(found["events"], key=lambda row: row["run_id"]):
        lines = _lines()
        for row in events:
            is_other = row["golden_id"] != own
            lines.add_row(
                _SEEN_BY_THE_OTHER[row["event"]] if is_other else row["event"],
                _record(row) or (row["golden_id"] if is_other else row["other_golden_id"]),
                row["cause"] + (f", by {row['detail']}" if row["detail"] else ""),
            )
        console.print(f"\n[bold]{row['effective_on']}[/]  [dim]run {run}[/]", **_PLAIN)
        console.print(lines)
    members = _lines()
    for row in found["members"]:
        until = row["valid_to_on"]
        members.add_row(_record(row), f"since {row['valid_from_on']}", f"until {until}" if until else "")
    day = found["as_of"]
    console.print(f"\n[bold]Members{f' as of {day}' if day else ''}[/]: {len(found['members'])}", **_PLAIN)
    console.print(members)


def _lines() -> Table:
    lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        lines.add_column(overflow="fold")
    return lines


def _record(row: dict[str, Any]) -> str:
    if row["source"] is None:
        return ""
    key = row["source_key"]
    return f"{row['source']} {key if len(key) <= _LONGEST_KEY else key[:12] + '…'}"

"""`identity maintain`: what is older than may be kept leaves."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.shared import Conf, Json, Warehouse, date_of, run_of, session
from identity.config_reading import load_config


def maintain_command(
    conf: Conf,
    run_date: Annotated[
        str,
        typer.Option("--run-date", help="Run date, yyyy-mm-dd; it is published again.", show_default=False),
    ],
    landing: Annotated[
        Path | None, typer.Option("--landing", help="Landing folder; overrides the configuration.")
    ] = None,
    warehouse: Warehouse = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is expired.")] = False,
    keep_landing: Annotated[
        bool, typer.Option("--keep-landing", help="Leave expired landing files to whoever owns them.")
    ] = False,
    accept_run_date: Annotated[
        bool,
        typer.Option(
            "--accept-run-date",
            help="Go on although the date is far after the newest publication and delivery; a person looked.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove what is expired from landing, tables, logs and reports, publish the rest, and drop older versions."""
    day = date_of(run_date)
    config = load_config(conf, landing=landing, warehouse=warehouse)
    with session(config, needs_quality=not dry_run) as tables:
        from identity.retention.maintain import maintain

        run = run_of(config, tables, day, Console(stderr=True))
        told = maintain(run, dry_run=dry_run, keep_landing=keep_landing, accept_run_date=accept_run_date)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "tables": told}, default=str))
        return
    shown = Table(box=None, pad_edge=False)
    for name in ("table", "kept from"):
        shown.add_column(name)
    for name in ("would go" if dry_run else "gone", "reduced"):
        shown.add_column(name, justify="right")
    for row in told:
        shown.add_row(
            row["table_name"], str(row["kept_from"] or ""), f"{row['gone']:,}", f"{row['reduced']:,}"
        )
    Console().print(shown)

"""`identity maintain`: what is older than may be kept leaves."""

import json
from typing import Annotated

import typer
from rich.console import Console

from identity.cli.shared import Conf, Json, Warehouse, date_of
from identity.config_reading import load_config


def maintain_command(
    conf: Conf,
    run_date: Annotated[str, typer.Option("--run-date", help="Run date, yyyy-mm-dd.", show_default=False)],
    warehouse: Warehouse = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is expired.")] = False,
    as_json: Json = False,
) -> None:
    """Remove expired rows from bronze, quarantine and the register of checks. No Spark."""
    day = date_of(run_date)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    from identity.erasure.plan import require_no_plan
    from identity.retention import maintain
    from identity.run import only_writer
    from identity.tables import prepare_warehouse

    prepare_warehouse(config.warehouse)
    with only_writer(config.warehouse):
        require_no_plan(config.warehouse)
        told = maintain(config.warehouse, config.sources, on=day, dry_run=dry_run)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "tables": told}, default=str))
        return
    word = "would go" if dry_run else "gone"
    for row in told:
        Console().print(
            f"{row['table']}: {row['expired']:,} rows from before {row['kept_from']} {word}",
            highlight=False,
            soft_wrap=True,
        )

"""`identity rotate-key`: the warehouse gets another secret key."""

import json
from typing import Annotated

import typer
from rich.console import Console

from identity.cli.shared import Conf, Json, Warehouse, date_of, run_of, session
from identity.config_reading import load_config


def rotate_key_command(
    conf: Conf,
    run_date: Annotated[
        str, typer.Option("--run-date", help="Run date to publish again, yyyy-mm-dd.", show_default=False)
    ],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Hash everything with a new key: give the new key first and the old one after it, a blank or line between."""
    day = date_of(run_date)
    config = load_config(conf, warehouse=warehouse)
    with session(config, needs_quality=True) as tables:
        from identity.rotation import rotate_key

        told = rotate_key(run_of(config, tables, day, Console(stderr=True)))
    if as_json:
        print(json.dumps(told))
        return
    out = Console()
    if told["was"] is None:
        out.print("nothing is published here yet, so any key will do", highlight=False)
    elif "rehashed" not in told:
        out.print(f"key {told['now']} is in force already", highlight=False)
    else:
        out.print(
            f"key {told['now']} is in force instead of {told['was']}: {told['rehashed']:,} values hashed anew, "
            f"{told['left_behind']:,} refusals and suppressed identifiers keep their hash until they are delivered "
            "again; keep the old key after the new one",
            highlight=False,
            soft_wrap=True,
        )

"""`identity suppression …`: what stands on the suppression list, and taking identifiers off it."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.shared import Conf, Json, Warehouse, date_of, session
from identity.config_reading import load_config

suppression_app = typer.Typer(
    help="The list of identifiers whose records are not taken in.", no_args_is_help=True
)


@suppression_app.command("list")
def list_command(conf: Conf, warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Count suppressed identifiers by namespace, reason, day and key (its fingerprint); no values. No Spark."""
    from identity.suppression import listed

    rows = listed(load_config(conf, warehouse=warehouse, need_model=False).warehouse)
    if as_json:
        print(json.dumps({"suppressed": rows}, default=str))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("namespace", "reason", "since", "key"):
        table.add_column(name)
    table.add_column("identifiers", justify="right")
    for row in rows:
        table.add_row(
            row["namespace"],
            row["reason"],
            str(row["since_on"]),
            row["key_fingerprint"],
            f"{row['identifiers']:,}",
        )
    Console().print(table if rows else "nobody is on the suppression list")


@suppression_app.command("lift")
def lift_command(
    identifiers: Annotated[
        list[str],
        typer.Argument(metavar="IDENT…", help="Identifiers as namespace=value.", show_default=False),
    ],
    conf: Conf,
    run_date: Annotated[str, typer.Option("--run-date", help="Run date, yyyy-mm-dd.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why, without the identifier.", show_default=False)],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Take identifiers off the list after a fresh sign-up; their records are taken in from the next delivery on."""
    day = date_of(run_date)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    from identity.keys import key_in_force
    from identity.suppression import identifiers_of, lift

    pairs = identifiers_of(identifiers, config.namespaces)
    key_in_force(config)
    with session(config, needs_quality=False) as tables:
        from identity.erasure.plan import writing

        with writing(config.warehouse, finish=tables.finish_commit):
            lifted = lift(
                tables, pairs, namespaces=config.namespaces, keys=config.secrets(), reason=reason, on=day
            )
    if as_json:
        print(json.dumps({"lifted": lifted}))
    else:
        Console().print(f"{lifted} of {len(pairs)} taken off the suppression list", highlight=False)

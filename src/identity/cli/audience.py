"""`identity audience`: whom a purpose may contact, as a file with addresses in clear."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from identity.cli.shared import Conf, Json, Warehouse, date_of
from identity.config_reading import load_config


def audience_command(
    conf: Conf,
    purpose: Annotated[
        str,
        typer.Option(
            "--purpose", help="What they are contacted for, such as marketing.email.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="File to write, .csv or .parquet; it holds e-mails or phones, and only its owner may read it.",
            show_default=False,
        ),
    ],
    recipient: Annotated[
        str, typer.Option("--recipient", help="Who gets the file; it is logged.", show_default=False)
    ],
    run_date: Annotated[str, typer.Option("--run-date", help="Date of use, yyyy-mm-dd.", show_default=False)],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Write whom a purpose may contact on a date, addresses in clear, and log every use. No Spark."""
    from identity.audience import export_audience

    day = date_of(run_date)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    done = export_audience(config, out, purpose=purpose, recipient=recipient, on=day)
    if as_json:
        print(json.dumps({"out": str(out), **asdict(done)}))
        return
    left = ", ".join(f"{why} {count:,}" for why, count in done.left_out.items())
    logged = (
        f"{done.logged:,} uses logged"
        if done.logged
        else "logged before"
        if done.contact_points
        else "nothing to log"
    )
    console = Console()
    told = f"{out}: {done.contact_points:,} contact points of {done.customers:,} customers, from run {done.run_id}; {logged}"
    for line in (told, f"left out of the published profile: {left}" if left else ""):
        if line:
            console.print(line, highlight=False, soft_wrap=True, markup=False)

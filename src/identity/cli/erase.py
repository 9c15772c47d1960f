"""`identity erase`: persons leave every table and file, and a certificate says so."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from identity.cli.shared import Conf, Json, Warehouse, date_of, run_of, session
from identity.config_reading import load_config
from identity.errors import ConfigError


def erase_command(
    conf: Conf,
    identifiers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IDENT",
            help="Who, as for `identity rights`: golden_id=…, record=source:key, email=…, loyalty_member=…",
            show_default=False,
        ),
    ] = None,
    run_date: Annotated[
        str | None,
        typer.Option("--run-date", help="Run date to publish again, yyyy-mm-dd.", show_default=False),
    ] = None,
    requests: Annotated[
        Path | None, typer.Option("--requests", help="File of identifiers, one a line; for many at once.")
    ] = None,
    request: Annotated[
        list[str] | None,
        typer.Option("--request", help="Request that is answered; named in the certificate."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only finish an erasure that was begun and not finished.")
    ] = False,
    landing: Annotated[
        Path | None, typer.Option("--landing", help="Landing folder; overrides the configuration.")
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Erase persons from landing, tables and logs, publish again, and prove it by reading every byte."""
    from identity.erasure.plan import load_plan
    from identity.erasure.subjects import read_identifiers

    config = load_config(conf, landing=landing, warehouse=warehouse)
    named = [*(identifiers or []), *(read_identifiers(requests) if requests else [])]
    begun = load_plan(config.warehouse)
    if resume and (named or begun is None):
        raise ConfigError(
            "--resume takes no identifier"
            if named
            else f"no erasure in {config.warehouse} was begun and not finished"
        )
    if not resume and not (named and run_date):
        raise ConfigError("say whom to erase, by IDENT or --requests, and give --run-date")
    day = date_of(begun.run_date if resume and begun else str(run_date))
    console = Console(stderr=True)
    with session(config, needs_quality=True) as tables:
        from identity.erasure.erase import erase
        from identity.keys import key_in_force

        key_in_force(config)
        certificates = erase(run_of(config, tables, day, console), named, requests=request or [])
    if as_json:
        print(json.dumps(certificates))
        return
    out = Console()
    for told in certificates:
        path = config.warehouse / "rights" / "certificates" / f"{told['erasure']}.html"
        out.print(
            f"{told['persons']:,} persons erased; {told['values_looked_for']:,} values looked for in "
            f"{told['files_scanned']:,} files, {told['residue']} left\ncertificate: {path}",
            highlight=False,
            soft_wrap=True,
        )

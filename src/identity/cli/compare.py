"""The verb `compare-models` of the command line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.shared import Conf, Json, Truth, Warehouse, date_of, session
from identity.config_reading import load_config
from identity.errors import ConfigError

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}


def compare_models_command(
    conf: Conf,
    model: Annotated[Path, typer.Option("--model", help="The model to switch to.", show_default=False)],
    run_date: Annotated[
        str, typer.Option("--run-date", help="Date whose permissions hold, yyyy-mm-dd.", show_default=False)
    ],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="The model to compare it with; by default the configured one."),
    ] = None,
    warehouse: Warehouse = None,
    truth: Truth = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with pictures too; the file must not exist.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a switch to another model would do to today's golden ids, before it is made. Writes no table."""
    if html is not None and html.exists():
        raise ConfigError(f"--html {html}: is there already; choose another name")
    day = date_of(run_date)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    if not (config.warehouse / "silver" / "person_record").is_dir():
        raise ConfigError(
            f"{config.warehouse} holds no silver to compare models on; run `identity run` first"
        )
    from identity.linkage.model_file import read_version
    from identity.resolve.records import FIELDS
    from identity.stages.resolve import model_in_force

    new = read_version(model, FIELDS)
    old = model_in_force(config.matching) if against is None else read_version(against, FIELDS)
    progress = Console(stderr=True)
    with progress.status("compare models …"), session(config, needs_quality=False) as tables:
        from identity.keys import key_in_force
        from identity.run import Run, only_writer
        from identity.stages.compare_models import compare_models

        run = Run(config, tables, day, key_in_force(config), progress)
        with only_writer(config.warehouse):
            run.finish_commit()
            found = compare_models(run, old=old, new=new, truth=truth)
    if html is not None:
        from identity.pages.compare import compare_page
        from identity.private import write_privately

        write_privately(html, compare_page(found).encode())
    if as_json:
        print(json.dumps(found))
        return
    console = Console()
    show_comparison(found, console)
    if html is not None:
        console.print(f"written to {html}", **_PLAIN)


def show_comparison(found: Mapping[str, Any], console: Console) -> None:
    """Print a comparison for a person.

    Args:
        found: What `stages.compare_models` tells.
        console: Where to.
    """
    from identity.pages.compare import name_of, pair_rows, truth_rows

    old, new = (name_of(found[side]) for side in ("old", "new"))
    console.print(f"{found['records']:,} records, {found['may_be_joined']:,} of them may be joined", **_PLAIN)
    rows: list[dict[str, Any]] = []
    for side, name in (("old", old), ("new", new)):
        ids = found["golden_ids"][side]
        rows.append(
            {"model": name, "persons": found["persons"][side]}
            | {what: ids[what] for what in ("kept", "merged", "split", "minted")}
            | {"records keep id": f"{ids['share_that_keeps']:.2%}"}
        )
    _print(f"Today's {found['golden_ids']['new']['before']:,} golden ids", rows, console)
    _print("Pairs of records that are one person", pair_rows(found), console)
    _print("Against the truth", truth_rows(found), console)
    reasons = [{name.replace("_", " "): value for name, value in row.items()} for row in found["differs_in"]]
    _print("Pairs of one model only, by what it judges differently", reasons, console)
    if found["disagreements"]:
        console.print("The strongest disagreements, to look at with `identity why`", style="bold", **_PLAIN)
    for row in found["disagreements"]:
        weights = " → ".join("–" if row[w] is None else f"{row[w]:.1f}" for w in ("old_weight", "new_weight"))
        console.print(f"  {row['left']} {row['right']}", **_PLAIN)
        console.print(
            f"    [dim]joined by {row['joined_by']}; {weights} bits; {row['differs_most_in']}[/]",
            highlight=False,
        )


def _print(title: str, rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(
            *(f"{v:,}" if isinstance(v, int) else "" if v is None else str(v) for v in row.values())
        )
    console.print(table)

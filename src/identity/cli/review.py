"""The verbs `review export` and `review import` of the command line."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from identity.config_reading import load_config
from identity.errors import ConfigError

review_app = typer.Typer(
    help="Pairs of records for a person to decide on, and what was decided. No Spark.",
    no_args_is_help=True,
)

Conf = Annotated[Path, typer.Option("--conf", help="Configuration file.", show_default=False)]
Warehouse = Annotated[
    Path | None, typer.Option("--warehouse", help="Warehouse folder; overrides the configuration.")
]
_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}


@review_app.command("export")
def export_command(
    conf: Conf,
    out: Annotated[
        Path,
        typer.Option("--out", help="File to write, .csv or .parquet; must not exist.", show_default=False),
    ],
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The most pairs to write; all by default.")
    ] = None,
    with_personal_data: Annotated[
        bool,
        typer.Option(
            "--with-personal-data",
            help="Write names, birth dates, contacts and addresses of both persons too. Only the file's owner may "
            "read it (mode 600): keep it as you keep silver, and delete it when it is imported.",
        ),
    ] = False,
    warehouse: Warehouse = None,
) -> None:
    """Write the pairs whose decision would tell most, with empty columns `decision` and `reviewer` to fill in."""
    from identity.review import export_questions

    config = load_config(conf, warehouse=warehouse, need_model=False)
    done = export_questions(config, out, limit=limit, with_personal_data=with_personal_data)
    kinds = ", ".join(f"{why} {count:,}" for why, count in sorted(done.by_why.items()))
    console = Console()
    console.print(
        f"{out}: {sum(done.by_why.values()):,} of {done.found:,} pairs{f' ({kinds})' if kinds else ''}",
        **_PLAIN,
    )
    if with_personal_data:
        console.print(
            "it holds personal data: keep it as you keep silver, and delete it when it is imported", **_PLAIN
        )


@review_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with decisions.", show_default=False)],
    conf: Conf,
    run_date: Annotated[
        str, typer.Option("--run-date", help="Date of the decisions, yyyy-mm-dd.", show_default=False)
    ],
    warehouse: Warehouse = None,
) -> None:
    """Store decisions: must_link, cannot_link, or withdrawn to take one back; an empty one is skipped. All or nothing."""
    try:
        day = dt.date.fromisoformat(run_date)
    except ValueError:
        raise ConfigError(f"--run-date {run_date}: a date is written yyyy-mm-dd") from None
    from identity.resolve.decisions import named
    from identity.review import import_decisions

    config = load_config(conf, warehouse=warehouse, need_model=False)
    done = import_decisions(config, file, on=day)
    found, console = done.merged, Console()
    console.print(
        f"{file}: {len(found.new):,} new, {len(found.replaced):,} replaced, {found.unchanged:,} as stored; "
        f"{done.undecided:,} rows undecided", **_PLAIN,
    )  # fmt: skip
    for (left, right), was in found.replaced.items():
        now = found.rows[left, right]["decision"]
        console.print(
            f"replaced: {named(left)}–{named(right)} was {was or 'undecided'}, is {now or 'undecided'}",
            **_PLAIN,
        )
    if done.resting:
        console.print(
            f"{done.resting:,} decisions rest: a record is gone or may not be joined; they hold when that ends",
            **_PLAIN,
        )
    if found.rows:
        console.print(
            f"used by the next run for {day} or later; for a date that is published, run with --again",
            **_PLAIN,
        )

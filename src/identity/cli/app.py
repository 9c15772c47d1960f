"""`identity …`: one verb per job. Results go to standard output, progress and errors to standard error."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import TyperException

from identity import __version__
from identity.cli.audience import audience_command
from identity.cli.compare import compare_models_command
from identity.cli.erase import erase_command
from identity.cli.evaluate import evaluate_command, scored
from identity.cli.ids import history_command
from identity.cli.link import link_command
from identity.cli.maintain import maintain_command
from identity.cli.review import review_app
from identity.cli.rights import rights_app
from identity.cli.rights_decisions import decisions_command
from identity.cli.rights_writing import COMMANDS
from identity.cli.rotate_key import rotate_key_command
from identity.cli.shared import Conf, Json, Truth, Warehouse, date_of, run_of, session
from identity.cli.suppression import suppression_app
from identity.cli.train import train_command
from identity.cli.why import why_command, why_not_command
from identity.config_reading import load_config
from identity.errors import ConfigError, IdentityError, PlatformError

app = typer.Typer(
    help="Identity resolution for a retailer: from traces to golden customer ids and consented profiles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Landing = Annotated[
    Path | None, typer.Option("--landing", help="Landing folder; overrides the configuration.")
]
AcceptBlastRadius = Annotated[
    bool,
    typer.Option("--accept-blast-radius", help="Go on however many golden ids change; a person looked."),
]


@app.command("run")
def run_command(
    conf: Conf,
    run_date: Annotated[
        list[str],
        typer.Option(
            "--run-date",
            help="Run date, yyyy-mm-dd; repeat the option for several days.",
            show_default=False,
        ),
    ],
    landing: Landing = None,
    warehouse: Warehouse = None,
    again: Annotated[
        bool, typer.Option("--again", help="Do everything even if nothing was delivered since.")
    ] = False,
    truth: Truth = None,
    accept_blast_radius: AcceptBlastRadius = False,
    as_json: Json = False,
) -> None:
    """Take every delivery up to the run date that was not taken yet, and publish gold."""
    days = sorted(date_of(text) for text in run_date)
    config = load_config(conf, landing=landing, warehouse=warehouse)
    console = Console(stderr=True)
    with session(config, needs_quality=True) as tables:
        from identity import summary
        from identity.erasure.erase import finish_begun
        from identity.pages.report import write_report
        from identity.pipeline import run_line

        closing: dict[str, Any] = {}
        for day in days:
            run = run_of(config, tables, day, console, accept_blast_radius=accept_blast_radius)
            finish_begun(run)
            closing = run_line(run, again=again)
            if not as_json:
                summary.show(closing, Console())
        if truth is not None:
            closing["evaluation"] = scored(config.warehouse, truth, None if as_json else Console())
            write_report(closing, run.report_file, evaluation=closing["evaluation"])
        said = console if as_json else Console()
        said.print(f"report: {run.report_file}", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(closing))


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="ingest, standardise, resolve, profile or publish.")],
    conf: Conf,
    run_date: Annotated[str, typer.Option("--run-date", help="Run date, yyyy-mm-dd.", show_default=False)],
    landing: Landing = None,
    warehouse: Warehouse = None,
    accept_blast_radius: AcceptBlastRadius = False,
    as_json: Json = False,
) -> None:
    """Run one stage, as the jobs do: for schedulers that run them apart."""
    day = date_of(run_date)
    config = load_config(conf, landing=landing, warehouse=warehouse)
    with session(config, needs_quality=True) as tables:
        from identity.erasure.erase import finish_begun
        from identity.pipeline import STAGES, run_stages

        if name not in STAGES:
            raise ConfigError(f"no stage {name}; there are {', '.join(STAGES)}")
        progress = Console(stderr=True)
        run = run_of(config, tables, day, progress, accept_blast_radius=accept_blast_radius)
        finish_begun(run)
        result = run_stages(run, [name])
    if as_json:
        print(json.dumps(result, sort_keys=True))


@app.command("validate-config")
def validate_config(conf: Conf) -> None:
    """Read the configuration and everything it names; list every fault at once. Needs no Spark."""
    config = load_config(conf)
    if not config.landing.is_dir():
        Console(stderr=True).print(
            f"note: landing folder {config.landing} does not exist yet", soft_wrap=True
        )
    try:
        config.secret()
    except PlatformError as error:
        Console(stderr=True).print(f"note: {error}", soft_wrap=True)
    Console().print(
        f"{conf}: valid; {len(config.sources)} sources, {len(config.purposes)} purposes, {len(config.namespaces)} namespaces"
    )


app.command("audience")(audience_command)
app.command("rotate-key")(rotate_key_command)
app.command("train")(train_command)
app.command("compare-models")(compare_models_command)
app.command("link")(link_command)
app.command("maintain")(maintain_command)
app.command("evaluate")(evaluate_command)
app.command("erase")(erase_command)
app.command("history")(history_command)
app.command("why")(why_command)
app.command("why-not")(why_not_command)
app.add_typer(review_app, name="review")
app.add_typer(suppression_app, name="suppression")
rights_app.command("decisions")(decisions_command)
for verb, command in COMMANDS.items():
    rights_app.command(verb)(command)
app.add_typer(rights_app, name="rights")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: an error somebody can mend is one line and an exit code of its own; a bug keeps its traceback."""
    sys.exit(exit_code_of(lambda: app(arguments, standalone_mode=False)))


def exit_code_of(action: Callable[[], Any]) -> int:
    """Run something and tell how it ended, as an exit code; says on standard error what went wrong."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        result = action()
    except IdentityError as error:
        errors.print(f"[bold red]error[/] {_plain(error)}", highlight=False)
        return error.exit_code
    except typer.Exit as ended:
        return ended.exit_code
    except TyperException as error:
        if str(error):  # it is empty when nothing was said, and the help is on the screen
            errors.print(f"[bold red]error[/] {error}; see `identity --help`", highlight=False, markup=True)
        return ConfigError.exit_code
    except KeyboardInterrupt:
        errors.print("stopped")
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote data
        errors.print("".join(traceback.format_tb(error.__traceback__)), highlight=False, markup=False)
        errors.print(
            f"[bold red]bug[/] {_kind(error)}; its text is not shown, for it may quote data", highlight=False
        )
        return 1
    return result if isinstance(result, int) else 0


def _plain(error: IdentityError) -> str:
    return str(error).replace("[", "\\[")


def _kind(error: Exception) -> str:
    condition = getattr(error, "getCondition", lambda: None)()
    return f"{type(error).__name__} {condition or ''}".strip()

"""`identity …`: one verb per job. Results go to standard output, progress and errors to standard error."""

import datetime as dt
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import TyperException

from identity import __version__
from identity.cli_evaluate import evaluate_command, scored
from identity.cli_ids import history_command
from identity.cli_link import link_command
from identity.cli_review import review_app
from identity.cli_why import why_command, why_not_command
from identity.config import Config
from identity.config_reading import load_config
from identity.errors import ConfigError, IdentityError, PlatformError

app = typer.Typer(
    help="Identity resolution for a retailer: from traces to golden customer ids and consented profiles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Conf = Annotated[
    Path, typer.Option("--conf", help="Configuration file, such as conf/local.yaml.", show_default=False)
]
Landing = Annotated[
    Path | None, typer.Option("--landing", help="Landing folder; overrides the configuration.")
]
Warehouse = Annotated[
    Path | None, typer.Option("--warehouse", help="Warehouse folder; overrides the configuration.")
]
AcceptBlastRadius = Annotated[
    bool,
    typer.Option("--accept-blast-radius", help="Go on however many golden ids change; a person looked."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="Folder with person_of_record.parquet; the result is scored against it."),
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
    days = sorted(_date(text) for text in run_date)
    config = load_config(conf, landing=landing, warehouse=warehouse)
    console = Console(stderr=True)
    with _session(config, needs_quality=True) as tables:
        from identity import summary
        from identity.pipeline import run_line
        from identity.report import write_report
        from identity.run import Run

        key = config.secret()
        closing: dict[str, Any] = {}
        for day in days:
            run = Run(config, tables, day, key, console, accept_blast_radius=accept_blast_radius)
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
    day = _date(run_date)
    config = load_config(conf, landing=landing, warehouse=warehouse)
    with _session(config, needs_quality=True) as tables:
        from identity.pipeline import STAGES, run_stages
        from identity.run import Run

        if name not in STAGES:
            raise ConfigError(f"no stage {name}; there are {', '.join(STAGES)}")
        progress = Console(stderr=True)
        run = Run(config, tables, day, config.secret(), progress, accept_blast_radius=accept_blast_radius)
        result = run_stages(run, [name])
    if as_json:
        print(json.dumps(result, sort_keys=True))


@app.command()
def train(
    conf: Conf,
    run_date: Annotated[
        str, typer.Option("--run-date", help="Date whose permissions hold, yyyy-mm-dd.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Model file to write; by default the one the configuration names."),
    ] = None,
    warehouse: Warehouse = None,
    join: Annotated[float, typer.Option("--join", help="Probability from which records are joined.")] = 0.98,
    keep: Annotated[float, typer.Option("--keep", help="Probability down to which they stay joined.")] = 0.9,
    candidate: Annotated[
        float, typer.Option("--candidate", help="Probability from which a pair that was not joined is kept.")
    ] = 0.5,
) -> None:
    """Learn a Splink model from silver, unsupervised; truth is never read."""
    from identity.linkage.model import Thresholds

    day = _date(run_date)
    thresholds = Thresholds(join, keep, candidate)
    if not thresholds.in_order:
        raise ConfigError("0 < --candidate <= --keep <= --join < 1 must hold")
    config = load_config(conf, warehouse=warehouse, need_model=False)
    target = out or config.matching.model
    with _session(config, needs_quality=False) as tables:
        from identity.pipeline import train_model

        facts = train_model(tables, config, target, thresholds=thresholds, on=day)
    Console().print(f"{target}: learnt from {facts['records']:,} records", highlight=False)


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


app.command("link")(link_command)
app.command("evaluate")(evaluate_command)
app.command("history")(history_command)
app.command("why")(why_command)
app.command("why-not")(why_not_command)
app.add_typer(review_app, name="review")


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


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--run-date {text}: a date is written yyyy-mm-dd") from None


@contextmanager
def _session(config: Config, *, needs_quality: bool) -> Iterator[Any]:
    """Tables of the configured warehouse; Great Expectations is imported while Java starts."""
    warm: threading.Thread | None = None
    if needs_quality:
        from identity import quality

        warm = threading.Thread(target=quality.warm_up, daemon=True)
        warm.start()
    from identity.session import build_session, stop_session
    from identity.tables import Tables, prepare_warehouse

    prepare_warehouse(config.warehouse)
    settings = config.spark
    extra = {"spark.driver.memory": settings.driver_memory, **settings.settings}
    spark = build_session(profile=settings.profile, master=settings.master, extra=extra)
    try:
        if warm is not None:
            warm.join()
        yield Tables(spark, config.warehouse)
    finally:
        stop_session(spark)


if __name__ == "__main__":
    main()

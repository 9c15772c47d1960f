"""The verb `train` of the command line."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.shared import Conf, Warehouse, date_of, session
from identity.config_reading import load_config
from identity.errors import ConfigError

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}


def train_command(
    conf: Conf,
    run_date: Annotated[
        str, typer.Option("--run-date", help="Date whose permissions hold, yyyy-mm-dd.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Model file to write (.json), its name is the version; by default the one the configuration names.",
        ),
    ] = None,
    warehouse: Warehouse = None,
    join: Annotated[float, typer.Option("--join", help="Probability from which records are joined.")] = 0.98,
    keep: Annotated[float, typer.Option("--keep", help="Probability down to which they stay joined.")] = 0.9,
    candidate: Annotated[
        float, typer.Option("--candidate", help="Probability from which a pair that was not joined is kept.")
    ] = 0.5,
) -> None:
    """Learn a Splink model from silver, unsupervised; truth is never read. A report (.html) is written beside it."""
    from identity.linkage.files import require_writable
    from identity.linkage.model import Thresholds

    day = date_of(run_date)
    thresholds = Thresholds(join, keep, candidate)
    if not thresholds.in_order:
        raise ConfigError("0 < --candidate <= --keep <= --join < 1 must hold")
    if out is not None and out.suffix != ".json":
        raise ConfigError(f"--out {out}: a model file ends in .json; its report is written beside it")
    config = load_config(conf, warehouse=warehouse, need_model=False)
    target = out or config.matching.model
    require_writable(target.parent)
    with session(config, needs_quality=False) as tables:
        from identity.training import report_of, train_model

        trained = train_model(tables, config, version=target.stem, thresholds=thresholds, on=day)
    trained.write(target)
    console = Console()
    show_training(trained.facts, console)
    console.print(f"written: {target}, report: {report_of(target)}", **_PLAIN)


def show_training(facts: dict[str, Any], console: Console) -> None:
    """Print what was learnt, in short; the page has it whole.

    Args:
        facts: Those of `training.Trained`.
        console: Where to.
    """
    household, rounds = facts["household"], facts["rounds"]
    lines = {
        "learnt from": f"{facts['records']:,} records, {facts['pairs']:,} pairs compared",
        "prior": f"one in {facts['one_in']:,} pairs is a match",
        "households": "none" if household is None else f"one in {household['one_in']:,} pairs",
        "thresholds": ", ".join(f"{name} {value:g}" for name, value in facts["thresholds"].items()),
        "last round": f"moved by {rounds[-1]['largest_change']:.4f} at most" if rounds else "nothing to learn of",
        "remembered": f"{sum(row['common_values'] for row in facts['remembered']):,} common values",
        "seed, data": f"{facts['seed']}, {facts['fingerprint']}",
    }  # fmt: skip
    console.print(f"model {facts['version']}", style="bold", **_PLAIN)
    for name, value in lines.items():
        console.print(f"  {name:<12} {value}", **_PLAIN)
    table = Table(
        title="What agreement is worth, in bits", title_justify="left", title_style="bold", header_style="dim"
    )
    for name in ("comparison", "strongest level", "at most", "at least", "records without"):
        table.add_column(name, justify="left" if name in ("comparison", "strongest level") else "right")
    for row in facts["missing"]:
        levels = [level for level in facts["levels"] if level["comparison"] == row["comparison"]]
        strongest = max(levels, key=lambda level: level["bits"])
        table.add_row(
            row["comparison"],
            strongest["level"],
            f"{strongest['bits']:.1f}",
            f"{min(level['bits'] for level in levels):.1f}",
            f"{row['records_without']:.1%}",
        )
    console.print(table)
    for text in facts["warnings"]:
        console.print(f"[yellow]warning[/] {text}", highlight=False)

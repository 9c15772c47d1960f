"""The verb `link` of the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

# Records to compare within components up to which one process is as quick as several, and has the memory.
MOST_HERE: Final = 500_000


def link_command(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files of persons.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the result.", show_default=False)],
    id_column: Annotated[str | None, typer.Option("--id", help="Column that names each record.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Column that says where a record is from.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=TYPE; repeat it. Without it types are guessed and printed."),
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="Score with this model; learn none.")] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="File with record_id, entity_id to score against.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object on standard output.")
    ] = False,
) -> None:
    """Link the records of any table of persons: who is one person gets one golden id. Needs no labels.

    Starts Spark only where there is very much to compare.
    """
    from identity.link import LinkRequest, link
    from identity.linkage.files import require_writable
    from identity.pages.link_report import link_page

    progress = Console(stderr=True)
    request = LinkRequest(files, id_column, source, _mapped(given or []), model, truth)
    require_writable(out)
    with progress.status("start …") as status:
        result = link(request, spread=_spread, tell=lambda step: status.update(f"{step} …"))
        status.update("write …")
        result.write(out, page=link_page(result, title=", ".join(file.name for file in files)))
    if as_json:
        print(json.dumps(result.summary))
        return
    _show(result, Console())
    Console().print(
        f"written to {out}: golden_ids.parquet, edges.parquet, model.json, report.html",
        highlight=False,
        soft_wrap=True,
    )


def _spread(work: "pa.Table", solve: "Callable[[pa.Table], pa.Table]") -> "pa.Table":
    """Solve what is few here, and what is many on Spark, over all cores and a part at a time."""
    if work.num_rows <= MOST_HERE:
        return solve(work)
    from identity.resolve.spread import over_executors
    from identity.session import build_session, stop_session

    spark = build_session(app_name="identity-link")
    try:
        return over_executors(spark, few=0)(work, solve)
    finally:
        stop_session(spark)


def _mapped(given: list[str]) -> dict[str, str]:
    types = {}
    for told in given:
        column, equals, kind = told.rpartition("=")
        if not (column and equals and kind):
            raise ConfigError(f"--map {told}: write COLUMN=TYPE, such as surname=family_name")
        types[column] = kind
    return types


def _show(result: Any, console: Console) -> None:
    types = Table(title="Columns", title_justify="left", title_style="bold", header_style="dim")
    for name in ("column", "taken for", "told by"):
        types.add_column(name)
    for column, guess in result.types.items():
        types.add_row(column, "[dim]not used[/]" if guess.kind == "ignore" else guess.kind, guess.by)
    console.print(types)
    summary = result.summary
    if "clusters" in summary:
        scores = Table(
            title="Against the truth", title_justify="left", title_style="bold", header_style="dim"
        )
        for name in ("", "precision", "recall", "F1", "F1, 95 % interval"):
            scores.add_column(name, justify="right" if name else "left")
        rows = {
            "edges, pairwise": summary["edges"]["pairwise"],
            "clusters, pairwise": summary["clusters"]["pairwise"],
            "clusters, B-cubed": summary["clusters"]["b_cubed"],
        }
        for name, score in rows.items():
            interval = score.get("f1_interval")
            told = f"{interval[0]:.4f} – {interval[1]:.4f}" if interval else ""
            scores.add_row(name, *(f"{score[x]:.4f}" for x in ("precision", "recall", "f1")), told)
        console.print(scores)
        rate = summary["clusters"]["exact_cluster_rate"]
        console.print(
            f"{rate:.1%} of the persons are found whole; blocking brought {summary['blocking_recall']:.1%} of the "
            "true pairs together", highlight=False,
        )  # fmt: skip
    console.print(
        f"{summary['records']:,} records are {summary['golden_ids']:,} persons, in {summary['seconds']} s",
        highlight=False,
    )

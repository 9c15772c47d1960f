"""The verb `evaluate` of the command line."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.config_reading import load_config
from identity.errors import ConfigError

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}
_MEASURES: Final = ("records", "devices", "sources", "given_names", "family_names", "birth_dates")
_SHORT: Final = ("recs", "dev", "src", "given", "family", "born")


def evaluate_command(
    warehouse: Annotated[Path, typer.Option("--warehouse", help="Warehouse folder.", show_default=False)],
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth", help="Folder with person_of_record.parquet; golden ids are scored against it."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Date to compare with, yyyy-mm-dd; by default the run date before the last."
        ),
    ] = None,
    conf: Annotated[
        Path | None,
        typer.Option(
            "--conf", help="Configuration file: with it, limits of identifiers are checked as well."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write the health as a page with pictures too; the file must not exist."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")
    ] = False,
) -> None:
    """Tell the health of golden ids: size, agreement, tightness, churn; with a truth, score them too. No Spark."""
    day = None if since is None else _date(since)
    if html is not None and html.exists():
        raise ConfigError(f"--html {html}: is there already; choose another name")
    from identity.evaluate import health_of, require_warehouse
    from identity.health_warnings import warnings

    require_warehouse(warehouse)
    console = None if as_json else Console()
    limits = None if conf is None else _limits(conf)
    found = {} if truth is None else scored(warehouse, truth, console)
    told = health_of(warehouse, limits=limits, since=day)
    told["warnings"] = warnings(told, f"--conf {conf or 'FILE'} --warehouse {warehouse}")
    if html is not None:
        from identity.pages.health import health_page
        from identity.private import write_privately

        write_privately(html, health_page(told).encode())
    if console is None:
        # Without a truth, the health is all there is.
        print(json.dumps({**found, "health": told}, sort_keys=True))
        return
    if found:
        console.print()
    show_health(told, console)
    if html is not None:
        console.print(f"\nwritten to {html}", **_PLAIN)


def scored(warehouse: Path, truth: Path, console: Console | None) -> dict[str, Any]:
    """Score the golden ids of a warehouse against a truth; print it too, where there is a console."""
    from identity import evaluation
    from identity.evaluate import scores

    result = scores(warehouse, truth)
    if console is not None:
        evaluation.show(result, console)
    return result


def show_health(told: Mapping[str, Any], console: Console) -> None:
    """Print the health of golden ids for a person, 80 columns wide."""
    ids, records = told["golden_ids"], told["records"]
    counts = {
        "golden ids of persons": ids["persons"], "their records": records["persons"],
        "golden ids of visitors, known by a device alone": ids["visitors"], "devices": records["devices"],
    }  # fmt: skip
    _table(console, f"Golden ids as of {told['as_of']}", ["", "count"], counts.items())
    _table(
        console,
        "Records of a golden id, devices apart",
        ["records", "golden ids"],
        told["records_per_id"].items(),
    )
    _table(console, "Sources of a golden id", ["sources", "golden ids"], told["sources_per_id"].items())
    _table(
        console, "Different values in a golden id, where two records or more tell one",
        ["field", "golden ids", "more than one", "more than two"],
        ((row["field"], row["golden_ids"], *map(_found, (row["more_than_one"], row["more_than_two"]))) for row in told["values"]),
    )  # fmt: skip
    if told["limits"] is not None:
        _table(
            console, "Limits of identifiers: must be 0", ["namespace", "most", "golden ids over it"],
            ((row["namespace"], row["most"], row["golden_ids"]) for row in told["limits"]),
        )  # fmt: skip
    _table(
        console, "Weakest link: the edge at which a golden id would fall apart", ["probability", "golden ids"],
        told["weakest_link"].items(),
    )  # fmt: skip
    weak = told["weak_bridge"]
    console.print(f"held somewhere by one pair below {weak['bits']:g} bits: {_found(weak)}", **_PLAIN)
    _table(
        console, "Edges used", ["kind", "rule", "edges", "share"],
        ((row["kind"], row["rule"], row["edges"], f"{row['share']:.1%}") for row in told["edges"]),
    )  # fmt: skip
    _table(
        console, "Values that link nobody", ["namespace", "why", "values"],
        ((row["namespace"], row["reason"], row["values"]) for row in told["blocked_values"]),
    )  # fmt: skip
    _show_largest(told["largest"], console)
    _show_churn(told["churn"], console)
    _show_warnings(told["warnings"], console)


def _show_largest(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    lines = [
        (row["golden_id"], *(row[name] for name in _MEASURES), _bits(row["weakest_bits"])) for row in rows
    ]
    title = "The largest golden ids; bits of the weakest link, none where identifiers hold"
    _table(console, title, ["golden id", *_SHORT, "bits"], lines)


def _bits(weight: float | None) -> str:
    return "" if weight is None else f"{weight:.2f}"


def _show_churn(told: Mapping[str, Any] | None, console: Console) -> None:
    if told is None:
        console.print("\n[bold]Churn[/]\nnone: this was the first run date", highlight=False)
        return
    names = list(told["persons"])
    rows = ((who, *(told[who][name] for name in names)) for who in ("persons", "visitors"))
    _table(console, f"Churn: golden ids of {told['since']}, and what became of them", ["", *names], rows)
    causes = [
        (what, who, cause.replace("_", " "), count)
        for what, of in told["records"].items()
        for who, by_cause in of.items()
        for cause, count in by_cause.items()
    ]
    title = "Records that have another golden id, or none"
    _table(console, title, ["records", "of", "cause", "records "], causes)


def _show_warnings(rows: Sequence[Mapping[str, str]], console: Console) -> None:
    console.print("\n[bold]To look at[/]", highlight=False)
    if not rows:
        console.print("nothing stands out", **_PLAIN)
        return
    for row in rows:
        console.print(f"- {row['says']}", highlight=False, markup=False)
        console.print(f"  {row['command']}", **_PLAIN)
    console.print(
        "`identity history` lists the records of an id, `identity why` tells what joins two of them.",
        highlight=False,
        markup=False,
    )


def _table(console: Console, title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; none without rows."""
    told = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    if not told:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for n, name in enumerate(names):
        is_number = n > 0 and all(row[n][:1].isdigit() or not row[n] for row in told)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in told:
        table.add_row(*row)
    console.print(f"\n[bold]{title}[/]", highlight=False)
    console.print(table, highlight=False)


def _found(share: Mapping[str, Any]) -> str:
    return f"{share['found']:,} ({share['share']:.1%})"


def _limits(conf: Path) -> dict[str, int]:
    namespaces = load_config(conf, need_model=False).namespaces
    return {name: n.max_per_person for name, n in namespaces.items() if n.max_per_person is not None}


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since {text}: a date is written yyyy-mm-dd") from None

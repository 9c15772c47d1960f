"""The verbs `why` and `why-not` of the command line."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from identity.config_reading import load_config
from identity.errors import ConfigError

A = Annotated[
    str,
    typer.Argument(
        metavar="A", help="A record, written source:source_key, or a golden id.", show_default=False
    ),
]
B = Annotated[str, typer.Argument(metavar="B", help="The other one.", show_default=False)]
Conf = Annotated[Path, typer.Option("--conf", help="Configuration file.", show_default=False)]
Warehouse = Annotated[
    Path | None, typer.Option("--warehouse", help="Warehouse folder; overrides the configuration.")
]
Html = Annotated[
    Path | None,
    typer.Option("--html", help="Write a page with pictures too; the file must not exist."),
]
WithPersonalData = Annotated[
    bool,
    typer.Option(
        "--with-personal-data",
        help="Show the names, birth dates, contacts and addresses of both records too. Keep what is shown as you keep "
        "silver.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}
_LONGEST_KEY: Final = 36  # a device's key is a hash of 64 letters; --json has it whole
_BLOCKS: Final = 12  # letters of the longest bar
_NOTHING: Final = 0.005  # bits that would show as 0.00
_MOST_KEYS: Final = 3


def why_command(
    a: A,
    b: B,
    conf: Conf,
    warehouse: Warehouse = None,
    html: Html = None,
    with_personal_data: WithPersonalData = False,
    as_json: Json = False,
) -> None:
    """Tell what makes two records one: the shortest way of edges between them, and what each edge rests on. No Spark."""
    from identity.why import why

    _require_new(html)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    found = why(config, a, b, with_personal_data=with_personal_data)
    _answer(found, _show_why, html=html, as_json=as_json)


def why_not_command(
    a: A,
    b: B,
    conf: Conf,
    warehouse: Warehouse = None,
    html: Html = None,
    with_personal_data: WithPersonalData = False,
    as_json: Json = False,
) -> None:
    """Tell what keeps two records apart: every rule, decision, limit or weight that does. No Spark."""
    from identity.why import why_not

    _require_new(html)
    config = load_config(conf, warehouse=warehouse, need_model=False)
    found = why_not(config, a, b, with_personal_data=with_personal_data)
    _answer(found, _show_why_not, html=html, as_json=as_json)


def _require_new(html: Path | None) -> None:
    if html is not None and html.exists():
        raise ConfigError(f"--html {html}: is there already; choose another name")


def _answer(found: dict[str, Any], show: Any, *, html: Path | None, as_json: bool) -> None:
    if html is not None:
        from identity.pages.why import why_page
        from identity.private import write_privately

        write_privately(html, why_page(found).encode())
    if as_json:
        print(json.dumps(found, default=str))
        return
    console = Console()
    show(found, console)
    if "persons" in found:
        _show_persons(found["persons"], console)
    if html is not None:
        console.print(f"\nwritten to {html}", **_PLAIN)


def _show_why(found: dict[str, Any], console: Console) -> None:
    a, b = _short(found["a"]), _short(found["b"])
    if not found["are_one"]:
        console.print(f"{a} and {b} are not one; `identity why-not` tells what keeps them apart", **_PLAIN)
        return
    console.print(f"{a} and {b} are one\n   golden id {found['golden_ids'][0]}", **_PLAIN)
    for number, step in enumerate(found["path"], 1):
        first, *others = step["edges"]
        console.print(f"\n{number}  {_short(step['start'])} – {_short(step['end'])}", **_PLAIN)
        console.print(f"   {_by(first)}", **_PLAIN)
        if others:
            console.print(f"   also {'; '.join(map(_by, others))}", **_PLAIN)
        for edge in step["edges"]:
            _show_waterfall(edge["waterfall"], console)
    if not found["path"]:
        _show_without_path(found, console)


def _show_without_path(found: dict[str, Any], console: Console) -> None:
    console.print("\nNo way of used edges joins them.", **_PLAIN)
    for row in found["devices"]:
        until = f"to {row['to_at']:%Y-%m-%d %H:%M}" if row["to_at"] else "on"
        console.print(
            f"{_short(row['device'])} is a device: by login it belongs to this golden id from "
            f"{row['from_at']:%Y-%m-%d %H:%M} {until}{'; others use it too' if row['is_shared'] else ''}",
            **_PLAIN,
        )
    if not found["devices"]:
        held = ", ".join(f"{_short(r['record'])} {r['confidence']:.4f}" for r in found["records"])
        console.print(
            f"Their groups were joined as wholes (average linkage); membership confidence: {held}", **_PLAIN
        )


def _show_why_not(found: dict[str, Any], console: Console) -> None:
    a, b = _short(found["a"]), _short(found["b"])
    if found["are_one"]:
        console.print(
            f"{a} and {b} are one; `identity why` tells what joins them",
            **_PLAIN,
        )
        return
    console.print(f"{a} and {b} are two", **_PLAIN)
    for name, golden_id in zip((a, b), found["golden_ids"], strict=True):
        if name != golden_id:
            console.print(f"   {name} is of golden id {golden_id}", **_PLAIN)
    for number, row in enumerate(found["reasons"], 1):
        console.print()
        _show_paragraph(f"{number}  ", f"{row['says']} ({row['reason']})", console)
        edge = row["edge"]
        if edge is not None:
            console.print(f"   {_short(edge['left'])} – {_short(edge['right'])}, {_rule(edge)}", **_PLAIN)
            if row["reason"] in ("weaker_than_threshold", "outweighed"):
                _show_waterfall(edge["waterfall"], console, threshold=found["threshold"])
    _show_edges(found, console)
    if found["would"] is not None:
        _show_would(found["would"], found["threshold"], console)


def _show_edges(found: dict[str, Any], console: Console) -> None:
    told = [row["edge"] for row in found["reasons"]]
    if all(edge in told for edge in found["edges"]):
        return
    console.print("\nEdges between the two golden ids, strongest first", **_PLAIN)
    lines = _lines(4)
    for edge in found["edges"]:
        bits = "" if edge["match_weight"] is None else f"{edge['match_weight']:+.2f}"
        lines.add_row(
            f"   {_short(edge['left'])} – {_short(edge['right'])}", edge["rule"], bits, edge["reason"]
        )
    console.print(lines, highlight=False)
    if found["more_edges"]:
        console.print(f"   and {found['more_edges']:,} more", **_PLAIN)


def _show_would(would: dict[str, Any], threshold: float, console: Console) -> None:
    console.print(f"\nCompared now: {_short(would['left'])} – {_short(would['right'])}", **_PLAIN)
    says, keys = would["says"], would["keys"]
    if keys:
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        says += f"; blocking keys in common: {', '.join(keys[:_MOST_KEYS])}{more}"
    _show_paragraph("   ", f"{says}. Every value is taken to be as rare as the average one:", console)
    _show_waterfall(would["waterfall"], console, threshold=threshold)


def _show_waterfall(
    bars: list[dict[str, Any]] | None, console: Console, *, threshold: float | None = None
) -> None:
    if bars is None:
        return
    longest = max(abs(bar["bits"]) for bar in bars)
    lines = _lines(4)
    lines.columns[2].justify = "right"
    for bar in bars:
        if abs(bar["bits"]) >= _NOTHING or bar is bars[-1]:
            length = round(abs(bar["bits"]) / longest * _BLOCKS)
            colour = "green" if bar["bits"] > 0 else "red"
            lines.add_row(
                f"   {bar['name']}",
                Text(bar["label"]),
                f"{bar['bits']:+.2f}",
                Text("█" * length, style=colour),
            )
    if threshold is not None:
        lines.add_row("   threshold", "groups are joined from here on", f"{threshold:+.2f}", "")
    console.print(lines, highlight=False)


def _show_persons(persons: list[dict[str, Any]], console: Console) -> None:
    console.print("\nPersonal data: keep it as you keep silver", **_PLAIN)
    lines = _lines(3)
    for name in persons[0]:
        # As they are: a bracket in a name is no markup.
        shown = (_short(p[name] or "") if name == "record" else p[name] or "" for p in persons)
        lines.add_row(f"   {name.replace('_', ' ')}", *map(Text, shown))
    console.print(lines, highlight=False)


def _lines(columns: int) -> Table:
    lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(columns):
        lines.add_column(overflow="fold")
    return lines


def _show_paragraph(before: str, text: str, console: Console) -> None:
    lines = Table.grid()
    lines.add_row(before, Text(text))
    console.print(lines, highlight=False)


def _by(edge: dict[str, Any]) -> str:
    """What an edge is: its kind and rule, and what the model makes of it."""
    return f"{edge['kind']}: {_rule(edge)}"


def _rule(edge: dict[str, Any]) -> str:
    if edge["match_weight"] is None:
        return str(edge["rule"])
    return f"{edge['rule']}, {edge['match_weight']:.2f} bits, p {_probability(edge)}"


def _probability(edge: dict[str, Any]) -> str:
    told = f"{edge['probability']:.4f}"
    return "> 0.9999" if told == "1.0000" else f"= {told}"


def _short(record: str) -> str:
    source, colon, key = record.partition(":")
    return record if len(key) <= _LONGEST_KEY else f"{source}{colon}{key[:12]}…"

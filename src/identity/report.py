"""The run report: the closing summary as one page with pictures, which opens without a network and runs no script.

The charts are Altair's, drawn as SVG when the page is written. What a picture shows stands in a table below it as well.
It holds counts, sums and names of tables and rules; nothing of a person.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from identity.summary import Summary

_WIDTH = 560  # pixels of a chart's plotting area
_BAR = {"step": 24}  # pixels a bar
# Okabe and Ito's colours, told apart by colour-blind readers too: good, neutral, warning, bad.
_GOOD, _NEUTRAL, _WARNING, _BAD = "#009E73", "#56B4E9", "#E69F00", "#D55E00"

Rows = Sequence[Mapping[str, Any]]


def write_report(summary: Summary, path: Path, *, evaluation: Mapping[str, Any] | None = None) -> None:
    """Write the page.

    Args:
        summary: What `summary.summarise` returned.
        path: The page; its folder is made if it is not there.
        evaluation: Scores against a truth, where there is one.
    """
    # Imported here: a run without a report (one arrow of the line) does not wait for them.
    import vl_convert
    from jinja2 import Environment, PackageLoader, select_autoescape

    figures = [
        {"title": title, "says": says, "rows": rows, "svg": vl_convert.vegalite_to_svg(chart)}
        for title, says, rows, chart in _figures(summary, evaluation)
        if rows
    ]
    pages = Environment(loader=PackageLoader("identity", "."), autoescape=select_autoescape(["j2"]))
    page = pages.get_template("report.html.j2").render(
        summary=summary, tiles=_tiles(summary), figures=figures, gates=summary["gates"]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _tiles(summary: Summary) -> list[tuple[str, str]]:
    """The few numbers one looks for first."""
    gates = summary["gates"]
    failed, checks = sum(gate["failed"] for gate in gates), sum(gate["checks"] for gate in gates)
    sold = [
        (f"{row['currency']} sold to known buyers", _share(row["identified"], row["till_total"]))
        for row in summary["reconciliation"]
    ]
    return [
        ("golden ids", f"{sum(summary['golden_ids'].values()):,}"),
        ("records delivered", f"{sum(row['delivered'] for row in summary['sources']):,}"),
        *sold,
        ("checks passed", f"{checks - failed:,} of {checks:,}"),
        ("seconds", f"{summary['seconds']:.0f}"),
    ]


def _share(part: str, whole: str) -> str:
    return f"{float(part) / float(whole):.1%}" if float(whole) else "–"


def _figures(
    summary: Summary, evaluation: Mapping[str, Any] | None
) -> list[tuple[str, str, Rows, dict[str, Any]]]:
    """Title, what to look for, the numbers, and the chart."""
    fates = [
        {"source": row["source"], "fate": fate, "records": row[fate]}
        for row in summary["sources"]
        for fate in ("accepted", "barred", "suppressed", "quarantined")
    ]
    fate_colours = {"accepted": _GOOD, "barred": _NEUTRAL, "suppressed": _WARNING, "quarantined": _BAD}
    sizes = [{"records": size, "golden ids": n} for size, n in summary["records_per_id"].items()]
    edges = [
        {"rule": row["rule"], "became": row["reason"] or "used", "fate": row["fate"], "edges": row["edges"]}
        for row in summary["edges"]
    ]
    gold = [{"table": name.removeprefix("gold."), "rows": n} for name, n in summary["gold"].items()]
    sales = [
        {"currency": row["currency"], "buyer": buyer, "amount": float(row[buyer])}
        for row in summary["reconciliation"]
        for buyer in ("identified", "unidentified")
    ]
    levels = [{"level": level, "golden ids": n} for level, n in summary["golden_ids"].items()]
    figures = [
        (
            "What was delivered, and what became of it",
            "Delivered = accepted + barred (nobody agreed that it be collected) + suppressed + quarantined.",
            fates, _bars(fates, "source", "records", "fate", fate_colours),
        ),
        ("Golden ids by the strongest identifier they hold", "", levels, _bars(levels, "level", "golden ids")),
        (
            "Records of a golden id, devices aside",
            "Ids of many records are the ones to look at: one person, or several taken for one?",
            sizes, _bars(sizes, "records", "golden ids"),
        ),
        (
            "Edges between records",
            "An edge joins two records, or is rejected for the reason shown; rejected edges stay in id.edge.",
            edges, _bars(edges, ["rule", "became"], "edges", "fate", {"used": _GOOD, "rejected": _WARNING}),
        ),
        ("Rows published", "A purpose's profile holds only whom it may use.", gold, _bars(gold, "table", "rows")),
        (
            "Sales, in currency units",
            "Identified and unidentified sales add up to what the tills counted; the gate sees to it.",
            sales,
            _bars(sales, "currency", "amount", "buyer", {"identified": _GOOD, "unidentified": _NEUTRAL}),
        ),
        ("Seconds by stage", "", summary["stages"], _bars(summary["stages"], "stage", "seconds")),
    ]  # fmt: skip
    if evaluation is not None:
        scores = _scores(evaluation)
        colours = {"identifiers alone": _NEUTRAL, "with Splink": _GOOD}
        chart = _bars(scores, ["of pairs", "edges"], "score", "edges", colours)
        says = "Against the truth of a simulated world. Permitted: among records that consent lets be joined."
        figures.insert(0, ("What matching adds", says, scores, chart))
    return figures


def _scores(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    asked = {
        "precision": ("pairwise", "precision"),
        "recall": ("pairwise", "recall"),
        "recall, permitted": ("permitted", "recall"),
    }
    kinds = {"identifiers alone": "deterministic", "with Splink": "whole"}
    return [
        {"of pairs": name, "edges": kind, "score": evaluation[key][group][score]}
        for name, (group, score) in asked.items()
        for kind, key in kinds.items()
    ]


def _bars(
    rows: Rows,
    by: str | list[str],
    value: str,
    colour: str | None = None,
    colours: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Horizontal bars in the order of the rows, as a Vega-Lite specification; several columns name a bar together."""
    import altair as alt

    names = [by] if isinstance(by, str) else by
    data = [{**row, "bar": ", ".join(str(row[name]) for name in names)} for row in rows]
    paint = (
        alt.Color(
            f"{colour}:N",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="top", title=None),
        )
        if colour and colours
        else alt.value(_NEUTRAL)
    )
    bars = (
        alt.Chart({"values": data})
        .mark_bar()
        .encode(
            y=alt.Y("bar:N", sort=None, title=None, axis=alt.Axis(labelLimit=300)),
            x=alt.X(f"{value}:Q", title=value, axis=alt.Axis(tickCount=5, format=",~f")),
            color=paint,
        )
        .properties(width=_WIDTH, height=_BAR)
    )
    spec: dict[str, Any] = bars.configure_view(stroke=None).configure_axis(
        labelFontSize=12, titleFontSize=12, titleFontWeight="normal"
    ).to_dict()  # fmt: skip
    return spec

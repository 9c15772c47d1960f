"""A page of numbers with pictures, which opens without a network and runs no script.

The charts are Altair's, drawn as SVG when the page is written. What a picture shows stands in a table below it as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_WIDTH = 560  # pixels of a chart's plotting area
_HEIGHT = 220
_BAR = {"step": 24}  # pixels a bar
_POWERS = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
# Okabe and Ito's colours, told apart by colour-blind readers too: good, neutral, warning, bad.
GOOD, NEUTRAL, WARNING, BAD = "#009E73", "#56B4E9", "#E69F00", "#D55E00"

Rows = Sequence[Mapping[str, Any]]


class Figure(NamedTuple):
    """A picture and the numbers it shows.

    Attributes:
        title: Its heading.
        says: What to look for; may be empty.
        rows: The numbers.
        chart: A Vega-Lite specification; None shows the rows as a table only.
    """

    title: str
    says: str
    rows: Rows
    chart: dict[str, Any] | None


def write_page(
    path: Path, *, title: str, subtitle: str, tiles: Iterable[tuple[str, str]], figures: Iterable[Figure]
) -> None:
    """Write `page_text` to a file; its folder is made if it is not there."""
    page = page_text(title=title, subtitle=subtitle, tiles=tiles, figures=figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def page_text(
    *, title: str, subtitle: str, tiles: Iterable[tuple[str, str]], figures: Iterable[Figure]
) -> str:
    """A page as HTML; figures without rows are left out.

    Args:
        title: Its heading.
        subtitle: A line below it.
        tiles: The few numbers one looks for first: name and value.
        figures: Pictures and tables, in order.
    """
    # Imported here: what writes no page does not wait for them.
    import vl_convert
    from jinja2 import Environment, PackageLoader, select_autoescape

    drawn = [
        {**figure._asdict(), "svg": figure.chart and vl_convert.vegalite_to_svg(figure.chart)}
        for figure in figures
        if figure.rows
    ]
    pages = Environment(loader=PackageLoader("identity.pages", "."), autoescape=select_autoescape(["j2"]))
    page: str = pages.get_template("page.html.j2").render(
        title=title, subtitle=subtitle, tiles=list(tiles), figures=drawn
    )
    return page


def bars(
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
        else alt.value(NEUTRAL)
    )
    chart = (
        alt.Chart({"values": data})
        .mark_bar()
        .encode(
            y=alt.Y("bar:N", sort=None, title=None, axis=alt.Axis(labelLimit=300)),
            x=alt.X(f"{value}:Q", title=value.replace("_", " "), axis=alt.Axis(tickCount=5, format=",~f")),
            color=paint,
        )
        .properties(width=_WIDTH, height=_BAR)
    )
    return _specification(chart)


def histogram(rows: Rows, low: str, high: str, count: str, marks: Mapping[str, float]) -> dict[str, Any]:
    """Upright bars from `low` to `high`, and a line at each mark; counts by their logarithm, so that few show by many."""
    import altair as alt

    lines = [{"mark": name, "at": place} for name, place in marks.items()]
    colours = alt.Scale(domain=list(marks), range=[GOOD, WARNING, BAD][: len(marks)])
    drawn = (
        alt.Chart({"values": list(rows)})
        .mark_bar(color=NEUTRAL)
        .encode(
            x=alt.X(f"{low}:Q", bin="binned", title="bits", axis=alt.Axis(tickCount=10)),
            x2=alt.X2(field=high),
            y=alt.Y(f"{count}:Q", scale=alt.Scale(type="symlog"), axis=alt.Axis(values=_POWERS, format="~s")),
        )
    )
    ruled = (
        alt.Chart({"values": lines})
        .mark_rule(strokeWidth=2)
        .encode(
            x="at:Q",
            color=alt.Color("mark:N", scale=colours, legend=alt.Legend(orient="top", title=None)),
        )
    )
    return _specification((drawn + ruled).properties(width=_WIDTH, height=_HEIGHT))


def grid(rows: Rows, across: str, up: str, count: str) -> dict[str, Any]:
    """A square a pair of steps, the darker the more, by the logarithm of the count; a step is called by where it begins."""
    import altair as alt

    chart = (
        alt.Chart({"values": list(rows)})
        .mark_rect()
        .encode(
            x=alt.X(f"{across}:O", title=across.replace("_", " "), axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"{up}:O", title=up.replace("_", " "), sort="descending"),
            color=alt.Color(f"{count}:Q", scale=alt.Scale(type="log", scheme="blues")),
        )
    )
    return _specification(chart)


def _specification(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.configure_view(stroke=None).configure_axis(
        labelFontSize=12, titleFontSize=12, titleFontWeight="normal"
    ).to_dict()  # fmt: skip
    return spec

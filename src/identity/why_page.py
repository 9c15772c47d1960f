"""`identity why` and `identity why-not` as a page: what joins, what keeps apart, and waterfalls as Splink draws them."""

from collections.abc import Mapping
from typing import Any

from identity.linkage.waterfall import Bar, chart_of
from identity.page import Figure, page_text

_EDGE = ("left", "right", "kind", "rule", "match_weight", "probability", "reason")


def why_page(found: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        found: What `why.why` or `why.why_not` found; no value of a record is on the page but in its `persons`.
    """
    are_one = found["are_one"]
    golden_ids = dict.fromkeys(found["golden_ids"])
    tiles = [("are one" if are_one else "are two", "yes" if are_one else "no")]
    tiles = [("one person", "yes" if are_one else "no")]
    figures = [Figure("Golden ids", "", [{"of": n, "golden id": g} for n, g in _asked(found)], None)]
    if "path" in found:
        figures += _why(found)
    if "reasons" in found:
        tiles.append(("bits from which groups are joined", f"{found['threshold']:.2f}"))
        figures += _why_not(found)
    if "persons" in found:
        figures.append(_persons(found["persons"]))
    title = f"{'Why' if 'path' in found else 'Why not'}: {found['a']}, {found['b']}"
    return page_text(title=title, subtitle=f"golden id {', '.join(golden_ids)}", tiles=tiles, figures=figures)


def _asked(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(zip((found["a"], found["b"]), found["golden_ids"], strict=True))


def _why(found: Mapping[str, Any]) -> list[Figure]:
    rows = [{"step": n, **_row(edge)} for n, edges in enumerate(found["path"], 1) for edge in edges]
    figures = [
        Figure(
            "What joins them", "The fewest used edges from one to the other, the strongest first.", rows, None
        )
    ]
    figures += [
        waterfall
        for edges in found["path"]
        for edge in edges
        if (waterfall := _waterfall(f"{edge['left']} – {edge['right']}", edge["waterfall"]))
    ]
    figures.append(
        Figure("Devices", "By login; without edges.", [_plain(row) for row in found["devices"]], None)
    )
    figures.append(
        Figure("Confidence", "Of the strongest edge that holds the record.", found["records"], None)
    )
    return figures


def _why_not(found: Mapping[str, Any]) -> list[Figure]:
    rows = [{"reason": row["reason"], "says": row["says"]} for row in found["reasons"]]
    figures = [
        Figure("What keeps them apart", "All that apply; the first is the first to be mended.", rows, None)
    ]
    for row in found["reasons"]:
        if row["edge"] and row["reason"] in ("weaker_than_threshold", "outweighed"):
            title = f"{row['reason'].replace('_', ' ')}: {row['edge']['left']} – {row['edge']['right']}"
            figures += filter(None, [_waterfall(title, row["edge"]["waterfall"])])
    more = found["more_edges"]
    says = f"The strongest; {more:,} more are not shown." if more else ""
    figures.append(Figure("Edges between the two golden ids", says, [_row(e) for e in found["edges"]], None))
    would = found["would"]
    if would is not None:
        keys = "; ".join(would["keys"]) or "none, so no run compares them"
        says = f"Every value taken to be as rare as the average one. Blocking keys that bring them together: {keys}."
        figures += filter(
            None, [_waterfall(f"Compared: {would['left']} – {would['right']}", would["waterfall"], says)]
        )
    return figures


def _persons(persons: list[dict[str, Any]]) -> Figure:
    left, right = persons
    rows = [{"field": n, left["record"]: left[n], right["record"]: right[n]} for n in left if n != "record"]
    return Figure("The two records", "Personal data: keep this page as you keep silver.", rows, None)


def _waterfall(title: str, bars: list[dict[str, Any]] | None, says: str = "") -> Figure | None:
    if bars is None:
        return None
    rows = [{"comparison": bar["name"], "says": bar["label"], "bits": round(bar["bits"], 2)} for bar in bars]
    return Figure(
        title,
        says or "Bits for one person, from the prior to the match weight.",
        rows,
        chart_of([Bar(**bar) for bar in bars]),
    )


def _row(edge: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: edge[name] for name in _EDGE}
    rounded = {"match_weight": 2, "probability": 4}
    return row | {name: round(row[name], places) for name, places in rounded.items() if row[name] is not None}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, bool) else str(value) for name, value in row.items()
    }

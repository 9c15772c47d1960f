"""`identity why` and `identity why-not` as a page: what joins, what keeps apart, and waterfalls as Splink draws them."""

from collections.abc import Mapping
from typing import Any, Final

from identity.linkage.waterfall import Bar, chart_of
from identity.pages.page import Figure, page_text
from identity.resolve.why_not import short
from identity.why_tables import record_of_name

_BITS: Final = "Bits that speak for one person; what each comparison says stands under Numbers."
_EDGE: Final = ("kind", "rule", "match_weight", "probability")


def why_page(found: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        found: What `why.why` or `why.why_not` found; no value of a record is on the page but in its `persons`.
    """
    are_one = found["are_one"]
    golden_ids = list(dict.fromkeys(found["golden_ids"]))
    tiles = [("one person", "yes" if are_one else "no")]
    figures = []
    if not are_one:
        asked = zip((found["a"], found["b"]), found["golden_ids"], strict=True)
        figures.append(Figure("Golden ids", "", [{"of": _short(n), "golden id": g} for n, g in asked], None))
    if "path" in found:
        figures += _why(found)
    if "reasons" in found:
        tiles.append(("bits from which groups are joined", f"{found['threshold']:.2f}"))
        figures += _why_not(found)
    if "persons" in found:
        figures.append(_persons(found["persons"]))
    title = f"{'Why' if 'path' in found else 'Why not'}: {_short(found['a'])}, {_short(found['b'])}"
    return page_text(
        title=title,
        subtitle=f"golden id{'s' * (len(golden_ids) > 1)} {', '.join(golden_ids)}",
        tiles=tiles,
        figures=figures,
    )


def _why(found: Mapping[str, Any]) -> list[Figure]:
    rows = [
        {"step": n, "from": _short(step["start"]), "to": _short(step["end"]), **_row(edge)}
        for n, step in enumerate(found["path"], 1)
        for edge in step["edges"]
    ]
    edges = [edge for step in found["path"] for edge in step["edges"] if edge["waterfall"]]
    devices = [
        {**{name: _plain(value) for name, value in row.items()}, "device": _short(row["device"])}
        for row in found["devices"]
    ]
    confidence = [
        {"record": _short(row["record"]), "confidence": round(row["confidence"], 6)}
        for row in found["records"]
    ]
    held = "Probability of the strongest edge that holds the record; 1 where an identifier or a person does."
    return [
        Figure("What joins them", "The fewest used edges from one to the other.", rows, None),
        *(_waterfall(f"{_short(e['left'])} – {_short(e['right'])}", e["waterfall"]) for e in edges),
        Figure("Devices", "They belong by login, for a time, and not by an edge.", devices, None),
        Figure("Confidence", held, confidence, None),
    ]


def _why_not(found: Mapping[str, Any]) -> list[Figure]:
    rows = [{"reason": row["reason"], "says": row["says"]} for row in found["reasons"]]
    weak = [
        (row["reason"].replace("_", " "), row["edge"])
        for row in found["reasons"]
        if row["reason"] in ("weaker_than_threshold", "outweighed") and row["edge"]["waterfall"]
    ]
    edges = [
        {"from": _short(e["left"]), "to": _short(e["right"]), **_row(e), "reason": e["reason"]}
        for e in found["edges"]
    ]
    more = f"{found['more_edges']:,} weaker ones are not shown." if found["more_edges"] else ""
    would = found["would"]
    return [
        Figure("What keeps them apart", "All that apply, in their order.", rows, None),
        *(
            _waterfall(f"{why}: {_short(e['left'])} – {_short(e['right'])}", e["waterfall"])
            for why, e in weak
        ),
        Figure("Edges between the two golden ids", f"The strongest first. {more}", edges, None),
        *([] if would is None else [_would(would)]),
    ]


def _would(would: Mapping[str, Any]) -> Figure:
    says = f"{would['says'].capitalize()}. Every value is taken to be as rare as the model remembers."
    if would["keys"]:
        says += f" Blocking keys in common: {', '.join(would['keys'])}."
    return _waterfall(
        f"Compared now: {_short(would['left'])} – {_short(would['right'])}", would["waterfall"], says
    )


def _persons(persons: list[dict[str, Any]]) -> Figure:
    left, right = persons
    names = [name for name in left if name != "record"]
    rows = [
        {"field": n.replace("_", " "), _short(left["record"]): left[n], _short(right["record"]): right[n]}
        for n in names
    ]
    return Figure("The two records", "Personal data: keep this page as you keep silver.", rows, None)


def _waterfall(title: str, bars: list[dict[str, Any]], says: str = _BITS) -> Figure:
    rows = [{"comparison": bar["name"], "says": bar["label"], "bits": round(bar["bits"], 2)} for bar in bars]
    return Figure(title, says, rows, chart_of([Bar(**bar) for bar in bars]))


def _row(edge: Mapping[str, Any]) -> dict[str, Any]:
    rounded = {"match_weight": 2, "probability": 4}
    row = {name: edge[name] for name in _EDGE}
    return row | {name: round(row[name], places) for name, places in rounded.items() if row[name] is not None}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else str(value)


def _short(name: str) -> str:
    return short(record_of_name(name)) if ":" in name else name

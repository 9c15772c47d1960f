"""The health of golden ids as a page with pictures: counts, golden ids and names of sources, and nothing personal."""

from collections.abc import Mapping
from typing import Any, Final

from identity.health import CERTAIN, LEAST_PROBABILITY, NO_EDGE
from identity.pages.page import BAD, GOOD, NEUTRAL, WARNING, Figure, bars, page_text

_SURE: Final = 0.99
_LIKELY: Final = 0.9
_WHOSE: Final = ("persons", "visitors")
_BECAME: Final = {"merged": WARNING, "retired": BAD, "split": WARNING, "new": NEUTRAL}


def health_page(told: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        told: What `health` returned, and `warnings`.
    """
    churn = told["churn"]
    ids, weak = told["golden_ids"], told["weak_bridge"]
    tiles = [
        ("golden ids of persons", f"{ids['persons']:,}"),
        ("records", f"{told['records']['persons']:,}"),
        ("visitors", f"{ids['visitors']:,}"),
        ("devices", f"{told['records']['devices']:,}"),
        (f"held by one pair below {weak['bits']:g} bits", f"{weak['found']:,}"),
        ("to look at", f"{len(told['warnings'])}"),
    ]
    return page_text(
        title="Health of golden ids",
        subtitle=f"As of {told['as_of']}. "
        + (f"Churn since {churn['since']}." if churn else "No churn: this was the first run date."),
        tiles=tiles,
        figures=[*_today(told), *([] if churn is None else _churn(churn))],
    )


def _today(told: Mapping[str, Any]) -> list[Figure]:
    sizes = [{"records": size, "golden ids": n} for size, n in told["records_per_id"].items()]
    sources = [{"sources": size, "golden ids": n} for size, n in told["sources_per_id"].items()]
    several = [
        {
            "different": f"{row['field'].replace('_', ' ')}s",
            "how many": f"more than {than}",
            "golden ids": row[f"more_than_{than}"]["found"],
            "of": row["golden_ids"],
            "per cent": round(100 * row[f"more_than_{than}"]["share"], 2),
        }
        for row in told["values"]
        for than in ("one", "two")
    ]
    several_colours = {"more than one": WARNING, "more than two": BAD}
    links = [
        {"probability": name, "golden ids": n, "is": _class(name)} for name, n in told["weakest_link"].items()
    ]
    edges = [
        {"kind": row["kind"], "rule": row["rule"], "edges": row["edges"], "share": f"{row['share']:.1%}"}
        for row in told["edges"]
    ]
    limits = [
        {"namespace": row["namespace"], "most": row["most"], "golden ids over it": row["golden_ids"]}
        for row in told["limits"] or []
    ]
    link_colours = {"sure": GOOD, "likely": NEUTRAL, "doubtful": BAD}
    return [
        Figure("To look at", "Each with the command that shows more.", told["warnings"], None),
        Figure(
            "Records of a golden id, devices apart",
            "A long tail is the first thing to look at: one person, or several taken for one?",
            sizes, bars(sizes, "records", "golden ids"),
        ),
        Figure(
            "Golden ids by number of sources", "More sources, more is joined.", sources,
            bars(sources, "sources", "golden ids"),
        ),
        Figure(
            "Different values in a golden id",
            "More than one, and more than two, of the golden ids in which two records or more tell one. Nicknames, "
            "slips and marriages are among them; two birth dates are hardly one person.",
            several, bars(several, ["different", "how many"], "per cent", "how many", several_colours),
        ),
        Figure("Limits of identifiers", "Golden ids over a limit: must be 0.", limits, None),
        Figure(
            "Weakest link",
            "The edge at which a golden id of several records would fall apart. What is below 0.9 hangs by a thread.",
            links, bars(links, "probability", "golden ids", "is", link_colours),
        ),
        Figure("Edges used", "", edges, bars(edges, ["kind", "rule"], "edges")),
        Figure("Values that link nobody", "", told["blocked_values"], None),
        Figure("The largest golden ids", "Counts; weakest_bits is empty where identifiers hold.", told["largest"], None),
    ]  # fmt: skip


def _churn(told: Mapping[str, Any]) -> list[Figure]:
    ids = [
        {"golden ids": n, "became": what, "of": who}
        for who in _WHOSE
        for what, n in told[who].items()
        if what not in ("before", "kept")
    ]
    records = [
        {"records": what, "of": who, "cause": cause.replace("_", " "), "count": n}
        for what, of in told["records"].items()
        for who, by_cause in of.items()
        for cause, n in by_cause.items()
    ]
    kept = " and ".join(f"{told[who]['kept']:,} of {told[who]['before']:,} of {who}" for who in _WHOSE)
    says = f"Kept, and not drawn: {kept}. From a split id a new one parted, whatever became of the split one."
    return [
        Figure(
            f"Churn: golden ids of {told['since']}, and new ones", says,
            ids, bars(ids, ["of", "became"], "golden ids", "became", _BECAME),
        ),
        Figure(
            "Records that have another golden id, or none", "By the ledger's cause.",
            records, bars(records, ["of", "records", "cause"], "count") if records else None,
        ),
    ]  # fmt: skip


def _class(name: str) -> str:
    if name == CERTAIN:
        return "sure"
    if name == NO_EDGE:
        return "doubtful"
    least = LEAST_PROBABILITY[name]
    return "sure" if least >= _SURE else "likely" if least >= _LIKELY else "doubtful"

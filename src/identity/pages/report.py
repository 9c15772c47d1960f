"""The run report: the closing summary as one page with pictures.

It holds counts, sums and names of tables and rules; nothing of a person.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from identity.pages.page import BAD, GOOD, NEUTRAL, WARNING, Figure, bars, write_page
from identity.summary import Summary, told_coverage, told_rows

_GATES: Final = Markup(
    "What was asked of every table, and how it was answered, is in the "
    '<a href="../data_docs/index.html">Data Docs</a>.'
)


def write_report(summary: Summary, path: Path, *, evaluation: Mapping[str, Any] | None = None) -> None:
    """Write the page.

    Args:
        summary: What `summary.summarise` returned.
        path: The page; its folder is made if it is not there.
        evaluation: Scores against a truth, where there is one.
    """
    write_page(
        path,
        title=summary["run_date"],
        subtitle=f"Run {summary['run_id']}, published.",
        tiles=_tiles(summary),
        figures=_figures(summary, evaluation),
    )


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


def _figures(summary: Summary, evaluation: Mapping[str, Any] | None) -> list[Figure]:
    fates = [
        {"source": row["source"], "fate": fate, "records": row[fate]}
        for row in summary["sources"]
        for fate in ("accepted", "barred", "suppressed", "quarantined")
    ]
    fate_colours = {"accepted": GOOD, "barred": NEUTRAL, "suppressed": WARNING, "quarantined": BAD}
    sizes = [{"records": size, "golden ids": n} for size, n in summary["records_per_id"].items()]
    edges = [
        {"rule": row["rule"], "became": row["reason"] or "used", "fate": row["fate"], "edges": row["edges"]}
        for row in summary["edges"]
    ]
    gold = [
        {"table": name.removeprefix("gold."), "rows": told_rows(n)} for name, n in summary["gold"].items()
    ]
    counted = [row for row in gold if row["rows"] != "hidden"]
    sales = [
        {"currency": row["currency"], "buyer": buyer, "amount": float(row[buyer])}
        for row in summary["reconciliation"]
        for buyer in ("identified", "unidentified")
    ]
    left = [
        {"purpose": row["purpose"], "of": of, "share in percent": round(100 * share, 1)}
        for row in summary["coverage"]
        for of, share in (
            ("customers", row["customers_share"]),
            *((f"sales in {c}", s) for c, s in row["sales_share"].items()),
        )
        if share is not None
    ]
    of_what = dict.fromkeys(row["of"] for row in left)
    shades = dict(zip(of_what, (GOOD, NEUTRAL, WARNING, BAD), strict=False))
    levels = [{"level": level, "golden ids": n} for level, n in summary["golden_ids"].items()]
    radius = summary["blast_radius"]
    changes = radius.get("ids", [])
    moved = radius.get("records_moved", [])
    figures = [
        Figure(
            "What was delivered, and what became of it",
            "Delivered = accepted + barred (nobody agreed that it be collected) + suppressed + quarantined.",
            fates, bars(fates, "source", "records", "fate", fate_colours),
        ),
        Figure("Golden ids by the strongest identifier they hold", "", levels, bars(levels, "level", "golden ids")),
        Figure(
            "Records of a golden id, devices aside",
            "Ids of many records are the ones to look at: one person, or several taken for one?",
            sizes, bars(sizes, "records", "golden ids"),
        ),
        Figure(
            "Blast radius: what became of yesterday's golden ids",
            "Persons changed by matching, as a share of the persons of yesterday, is what the limit of a run is about.",
            changes, bars(changes, "what", "golden_ids"),
        ),
        Figure(
            "Blast radius: records that got another golden id, by why",
            "", moved, bars(moved, "why", "records"),
        ),
        Figure(
            "Blast radius: rows published before that carry an id changed by matching",
            "Numbers of few rows are hidden.",
            [{**row, "rows": told_rows(row["rows"])} for row in radius.get("gold_rows", [])], None,
        ),
        Figure(
            "Edges between records",
            "An edge joins two records, or is rejected for the reason shown; rejected edges stay in id.edge.",
            edges, bars(edges, ["rule", "became"], "edges", "fate", {"used": GOOD, "rejected": WARNING}),
        ),
        Figure(
            "Rows published",
            "A purpose's profile holds only whom it may use. Numbers of few customers are hidden.",
            gold, bars(counted, "table", "rows") if counted else None,
        ),
        Figure(
            "Sales, in currency units",
            "Identified and unidentified sales add up to what the tills counted; the gate sees to it.",
            sales,
            bars(sales, "currency", "amount", "buyer", {"identified": GOOD, "unidentified": NEUTRAL}),
        ),
        Figure(
            "What consent leaves, by purpose",
            "Of all customers and of all sales, also to unknown buyers. Numbers of few customers are hidden.",
            told_coverage(summary["coverage"]),
            bars(left, ["purpose", "of"], "share in percent", "of", shades) if left else None,
        ),
        Figure("Seconds by stage", "", summary["stages"], bars(summary["stages"], "stage", "seconds")),
        Figure("Gates", _GATES, summary["gates"], None),
    ]  # fmt: skip
    if evaluation is not None:
        scores = _scores(evaluation)
        colours = {"identifiers alone": NEUTRAL, "with Splink": GOOD}
        chart = bars(scores, ["of pairs", "edges"], "score", "edges", colours)
        says = "Against the truth of a simulated world. Permitted: among records that consent lets be joined."
        figures.insert(0, Figure("What matching adds", says, scores, chart))
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

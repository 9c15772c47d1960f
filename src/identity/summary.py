"""The closing summary of a run: counted from the tables it wrote, told as JSON or as pages of a terminal."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from identity.run import BLAST_RADIUS, Run

Summary = dict[str, Any]


def summarise(run: Run) -> Summary:
    """Count what a run did: records in = records out, ids, edges, gold rows, gates, seconds, and the tills' totals."""
    return {
        "run_id": run.id,
        "run_date": run.on.isoformat(),
        "sources": _sources(run),
        **_ids(run),
        "blast_radius": _blast_radius(run),
        "edges": _edges(run),
        "gold": {
            name: n for stage in run.stages if stage.name == "publish" for name, n in stage.counts.items()
        },
        "reconciliation": _reconciliation(run),
        "coverage": _coverage(run),
        "gates": _gates(run),
        "stages": [{"stage": stage.name, "seconds": stage.seconds} for stage in run.stages],
        "seconds": round((dt.datetime.now(dt.UTC) - run.started_at).total_seconds(), 1),
    }


def show(summary: Summary, console: Console) -> None:
    """Print a summary as tables for a person."""
    if summary.get("is_repeat"):
        told = f"nothing was delivered since {summary['run_date']} was published; it stands as it was"
        console.print(
            f"[green]✓[/] {told} (run {summary['run_id']}; --again does it once more)", highlight=False
        )
        return
    console.rule(f"[bold]{summary['run_id']}")
    _print(
        console,
        "Records by source: delivered = accepted + quarantined + suppressed + barred",
        summary["sources"],
    )
    ids = [{"level": level, "golden ids": n} for level, n in summary["golden_ids"].items()]
    sizes = [{"records per id": size, "golden ids": n} for size, n in summary["records_per_id"].items()]
    _print(console, "Golden ids", ids)
    _print(console, "Records per golden id, devices aside", sizes)
    radius = summary["blast_radius"]
    _print(console, "Blast radius: yesterday's golden ids", radius.get("ids", []))
    _print(console, "Blast radius: records that got another id", radius.get("records_moved", []))
    _print(console, "Edges", summary["edges"])
    _print(console, "Gold", [{"table": name, "rows": told_rows(n)} for name, n in summary["gold"].items()])
    _print(console, "Sales, in currency units", summary["reconciliation"])
    _print(console, "What consent leaves, by purpose", told_coverage(summary["coverage"]))
    _print(console, "Gates", summary["gates"])
    _print(console, "Stages", summary["stages"])
    console.print(
        f"[bold green]published[/] for {summary['run_date']} in {summary['seconds']} s", highlight=False
    )


def _print(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for name in rows[0]:
        is_number = isinstance(rows[0][name], int | float) or name == "records per id"
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(
            *(
                "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
                for value in row.values()
            )
        )
    console.print(table)
    console.print()


def _sources(run: Run) -> list[dict[str, Any]]:
    """Delivered = accepted + quarantined + suppressed + barred, by source, of the files taken for this run date."""
    barred = {
        key.removeprefix("barred "): n or 0 for key, n in _counts(run).items() if key.startswith("barred ")
    }
    sums: dict[str, Counter[str]] = {}
    for row in run.taken_files():
        counted = {name: row[name] for name in ("delivered", "accepted", "quarantined", "suppressed")}
        sums.setdefault(row["source"], Counter()).update(counted)
    return [
        {
            "source": source,
            "delivered": n["delivered"],
            "accepted": n["accepted"] - barred.get(source, 0),
            "quarantined": n["quarantined"],
            "suppressed": n["suppressed"],
            "barred": barred.get(source, 0),
        }
        for source, n in sorted(sums.items())
    ]


def _counts(run: Run) -> dict[str, int | None]:
    """What the stages of this run counted; stages run apart left it in ops.run_stage, where the newest stands."""
    before = [row for row in run.tables.rows("ops.run_stage") if row["run_id"] == run.id]
    counts: dict[str, int | None] = {}
    for row in sorted(before, key=lambda row: row["started_at"]):
        counts |= row["counts"]
    for stage in run.stages:
        counts |= stage.counts
    return counts


def _ids(run: Run) -> dict[str, Any]:
    members = run.tables.read("id.golden_member").where("valid_to_on is null")
    is_person = ~F.col("source").isin("cookie", "mobile_id")
    ids = members.groupBy("golden_id").agg(F.count(F.when(is_person, 1)).alias("records"))
    levels = run.tables.read("gold.profile_core").groupBy("level").count().collect()
    sizes = ids.where("records > 0").groupBy(F.least("records", F.lit(10)).alias("size")).count().collect()
    return {
        "golden_ids": {
            row["level"]: row["count"] for row in sorted(levels, key=lambda row: str(row["level"]))
        },
        "records_per_id": {
            "10 or more" if row["size"] == 10 else str(row["size"]): row["count"]
            for row in sorted(sizes, key=lambda r: int(r["size"]))
        },
    }


def _blast_radius(run: Run) -> dict[str, list[dict[str, Any]]]:
    """What the run changed about yesterday's golden ids; empty in the first run of a warehouse."""
    told = {
        key.removeprefix(BLAST_RADIUS): n for key, n in _counts(run).items() if key.startswith(BLAST_RADIUS)
    }
    if not told:
        return {}
    named = {
        "kept": "kept", "merged": "merged away", "retired": "retired", "split": "split", "new": "new",
        "changed": "persons changed by matching", "persons_before": "persons yesterday",
    }  # fmt: skip
    return {
        "ids": [{"what": what, "golden_ids": told[key]} for key, what in named.items()],
        "records_moved": [
            {"why": key.removeprefix("moved_"), "records": n}
            for key, n in told.items()
            if key.startswith("moved_")
        ],
        "gold_rows": [
            {"table": key.removeprefix("rows gold."), "rows": n}
            for key, n in told.items()
            if key.startswith("rows ")
        ],
    }


def _edges(run: Run) -> list[dict[str, Any]]:
    rows = run.tables.read("id.edge").groupBy("rank", "kind", "rule", "fate", "reason").count().collect()
    ordered = sorted(rows, key=lambda r: (r["rank"], r["rule"], r["fate"] != "used", r["reason"] or ""))
    return [
        {"kind": r["kind"], "rule": r["rule"], "fate": r["fate"], "reason": r["reason"], "edges": r["count"]}
        for r in ordered
    ]


def _reconciliation(run: Run) -> list[dict[str, Any]]:
    """By currency: what the tills say they sold, and what the receipt lines say, known and unknown buyers apart."""
    till = (
        run.tables.read("silver.till_total").groupBy("currency").agg(F.sum("net_amount").alias("till_total"))
    )
    is_known = F.col("golden_id").isNotNull()
    lines = (
        run.tables.read("gold.purchase_fact")
        .groupBy("currency")
        .agg(
            F.coalesce(F.sum(F.when(is_known, F.col("net_amount"))), F.lit(0)).alias("identified"),
            F.coalesce(F.sum(F.when(~is_known, F.col("net_amount"))), F.lit(0)).alias("unidentified"),
        )
    )
    rows = till.join(lines, on="currency", how="full").na.fill(0).collect()
    return [
        {
            "currency": row["currency"],
            "till_total": f"{row['till_total']:.2f}",
            "identified": f"{row['identified']:.2f}",
            "unidentified": f"{row['unidentified']:.2f}",
            "difference": f"{row['till_total'] - row['identified'] - row['unidentified']:.2f}",
        }
        for row in sorted(rows, key=lambda row: str(row["currency"]))
    ]


def _coverage(run: Run) -> list[dict[str, Any]]:
    """By purpose: customers left, their share, the share of sales, and the most frequent reason for denial."""

    def of_today(name: str) -> list[dict[str, Any]]:
        return [row for row in run.tables.rows(name) if row["as_of_on"] == run.on]

    denied: dict[str, dict[str, Any]] = {}
    for row in sorted(of_today("gold.consent_kpi"), key=lambda r: (-(r["share"] or 0), r["rule_no"])):
        if row["decision"] == "deny" and not row["is_hidden"]:
            denied.setdefault(row["purpose"], row)
    told: dict[str, dict[str, Any]] = {}
    rows = sorted(of_today("gold.coverage"), key=lambda r: (r["purpose"], r["currency"]))
    for row in rows:
        why = denied.get(row["purpose"])
        shown = told.setdefault(
            row["purpose"],
            {
                "purpose": row["purpose"],
                "customers": None,
                "customers_share": None,
                "sales_share": {},
                "denied_mostly": None if why is None else _WHY_DENIED[why["rule_no"]],
                "denied_mostly_share": None if why is None else why["share"],
            },
        )
        if not row["is_hidden"]:
            shown |= {"customers": row["customers"], "customers_share": row["share"]}
        if row["currency"] != "none":
            shown["sales_share"][row["currency"]] = row["sales_share"]
    return list(told.values())


def told_rows(count: int | None) -> int | str:
    """A number of rows as it is shown to a person; one that is of too few customers as `hidden`."""
    return "hidden" if count is None else count


def told_coverage(coverage: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The coverage of a summary as it is shown to a person; a number that is of too few customers as `hidden`."""
    return [
        {
            "purpose": row["purpose"],
            "customers": _percent(row["customers_share"]),
            "sales": ", ".join(f"{c} {_percent(s)}" for c, s in row["sales_share"].items()),
            "most frequent reason against": ""
            if row["denied_mostly"] is None
            else f"{row['denied_mostly']} ({_percent(row['denied_mostly_share'])})",
        }
        for row in coverage
    ]


def _percent(share: float | None) -> str:
    return "hidden" if share is None else f"{share:.1%}"


_WHY_DENIED: Final = {
    0: "no contact point",
    1: "refused",
    2: "objected",
    3: "conflicting answers",
    5: "no valid answer",
    6: "no guardian's permission",
}


def _gates(run: Run) -> list[dict[str, Any]]:
    gates: dict[str, dict[str, Any]] = {}
    for check in run.checks:
        gate = gates.setdefault(check.gate, {"gate": check.gate, "checks": 0, "failed": 0})
        gate["checks"] += 1
        gate["failed"] += not check.success
    return list(gates.values())


def stage_rows(run: Run) -> list[Mapping[str, Any]]:
    """ops.run_stage rows of the stages done by this process."""
    return [
        {
            "run_id": run.id,
            "stage": s.name,
            "started_at": s.started_at,
            "seconds": s.seconds,
            "counts": s.counts,
        }
        for s in run.stages
    ]

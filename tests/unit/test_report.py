"""The run report: it shows the summary's numbers, and opens without a network or a script."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from identity.pages.report import write_report

SUMMARY: dict[str, Any] = {
    "run_id": "2026-01-31-abcdef12",
    "run_date": "2026-01-31",
    "sources": [
        {"source": "crm", "delivered": 100, "accepted": 90, "quarantined": 4, "suppressed": 1, "barred": 5},
        {"source": "tills", "delivered": 1000, "accepted": 1000, "quarantined": 0, "suppressed": 0, "barred": 0},
    ],
    "golden_ids": {"identified": 812, "cookie": 345},
    "records_per_id": {"1": 700, "2": 111, "10 or more": 1},
    "blast_radius": {
        "ids": [{"what": "kept", "golden_ids": 1101}, {"what": "merged away", "golden_ids": 17}],
        "records_moved": [{"why": "matching", "records": 23}],
        "gold_rows": [{"table": "profile_core", "rows": 19}, {"table": "profile_service", "rows": None}],
    },
    "edges": [
        {"kind": "deterministic", "rule": "email", "fate": "used", "reason": None, "edges": 77},
        {"kind": "probabilistic", "rule": "m-1", "fate": "rejected", "reason": "names_differ", "edges": 13},
    ],
    "gold": {"gold.profile_core": 1157, "gold.profile_marketing_ads": None, "gold.purchase_fact": 4321},
    "reconciliation": [
        {
            "currency": "EUR", "till_total": "200.00", "identified": "50.00", "unidentified": "150.00",
            "difference": "0.00",
        }
    ],
    "coverage": [
        {
            "purpose": "analytics", "customers": 566, "customers_share": 0.697, "sales_share": {"EUR": 0.211},
            "denied_mostly": "refused", "denied_mostly_share": 0.152,
        },
        {
            "purpose": "service", "customers": None, "customers_share": None, "sales_share": {"EUR": None},
            "denied_mostly": None, "denied_mostly_share": None,
        },
    ],
    "gates": [{"gate": "silver", "checks": 30, "failed": 0}, {"gate": "gold", "checks": 12, "failed": 0}],
    "stages": [{"stage": "ingest", "seconds": 1.5}, {"stage": "resolve", "seconds": 9.25}],
    "seconds": 12.4,
}  # fmt: skip
SCORES: dict[str, Any] = {
    kind: {"pairwise": {"precision": p, "recall": r}, "permitted": {"recall": c}}
    for kind, p, r, c in (("deterministic", 0.991, 0.401, 0.701), ("whole", 0.992, 0.502, 0.873))
}


class Page(HTMLParser):
    """Texts of a page by the tag they stand in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self.tags[-1], []).append(data.strip())


def page(folder: Path, **more: Any) -> tuple[str, Page]:
    path = folder / "reports" / "run.html"
    write_report(SUMMARY, path, **more)
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


def test_headlines_and_every_number_are_there(tmp_path: Path):
    _, seen = page(tmp_path)
    # every number is followed by its name
    assert seen.texts["strong"][::2] == ["1,157", "1,100", "25.0%", "42 of 42", "12"]
    cells = set(seen.texts["td"])
    assert {
        "90",
        "1,000",
        "812",
        "345",
        "700",
        "77",
        "names_differ",
        "13",
        "1,157",
        "4,321",
        "9.25",
        "1,101",
        "17",
        "23",
        "19",
        "69.7%",
        "EUR 21.1%",
        "refused (15.2%)",
        "hidden",
        "EUR hidden",
    } <= cells


def test_a_hidden_number_is_told_as_hidden_and_has_no_bar(tmp_path: Path):
    html, _ = page(tmp_path)
    rows = re.findall(r"<tr><td>(\w+)</td><td[^>]*>\s*(\S+?)</td></tr>", html)
    assert dict(rows)["profile_marketing_ads"] == dict(rows)["profile_service"] == "hidden"
    bars = re.findall(r'aria-label="rows: ([\d,]+); bar: (\w+)"', html)
    assert bars == [("1,157", "profile_core"), ("4,321", "purchase_fact")]


def test_a_bar_is_as_long_as_its_number(tmp_path: Path):
    html, _ = page(tmp_path)
    drawn = dict(re.findall(r'aria-label="seconds: ([\d.]+); bar: (\w+)"', html))
    assert drawn == {"1.5": "ingest", "9.25": "resolve"}
    shapes = re.findall(r'aria-label="seconds: ([\d.]+); bar: \w+"[^>]*? d="M0,\S+?h([\d.]+)', html)
    (short, short_px), (long, long_px) = [(float(value), float(width)) for value, width in shapes]
    assert long_px / short_px == pytest.approx(long / short, rel=0.01)


def test_it_opens_without_a_network_or_a_script(tmp_path: Path):
    html, seen = page(tmp_path)
    assert "script" not in seen.tags
    links = {link for link in re.findall(r'(?:href|src)="([^"]+)"', html) if not link.startswith("#")}
    assert links == {"../data_docs/index.html"}
    assert seen.tags.count("svg") == 10


def test_scores_are_shown_where_there_are_any(tmp_path: Path):
    _, without = page(tmp_path)
    _, scored = page(tmp_path, evaluation=SCORES)
    assert "What matching adds" not in without.texts["h2"]
    assert scored.texts["h2"][0] == "What matching adds"
    assert {"0.991", "0.401", "0.701", "0.992", "0.502", "0.873"} <= set(scored.texts["td"])

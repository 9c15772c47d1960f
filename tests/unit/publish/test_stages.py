"""The stages profile and publish over tables written by hand: who is left out, and which numbers nobody is told.

Twenty people bought once each; what they permit differs.
"""

import datetime as dt
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config_reading import load_config
from identity.contracts import contract_of, purpose_table
from identity.pipeline import do_stages
from identity.run import Run
from identity.stages.blast_radius import counts_to_keep
from identity.summary import show
from identity.tables import Tables
from tests.unit.by_hand import write

ON = dt.date(2026, 2, 1)
CUSTOMERS = [f"c{number:02}" for number in range(1, 15)]
KINDS = dict.fromkeys(CUSTOMERS, "customer") | {
    "firm1": "b2b_contact", "firm2": "b2b_contact", "employee": "staff", "tester": "test", "shopper": "mystery_shopper",
}  # fmt: skip
NEVER_BOUGHT = CUSTOMERS[12:]
# Nobody is known by it but as a device.
DEVICE = "device"
PERMITS = {
    "analytics": [*CUSTOMERS[:12], "firm1", "firm2", "employee", "tester", "shopper"],
    "marketing.post": [*CUSTOMERS[:6], "firm1"],
    "marketing.ads": [*CUSTOMERS[:4]],  # few permit it
    "development": [*CUSTOMERS[:11], "firm1"],  # few do not permit it
    "personalise": [*CUSTOMERS[8:]],  # few of them bought
    "service": [*KINDS, DEVICE],
}
# Of whom, of what kind, where it stands.
CONTACTS = [
    ("c01", "complaint", "open"), ("c02", "complaint", "closed"), ("c03", "conversation", "open"),
    ("c04", "complaint", "closed"), ("c04", "complaint", "open"), ("c05", "complaint", None),
]  # fmt: skip


class Ended(NamedTuple):
    """What the two stages left."""

    run: Run
    told: dict[str, Any]

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.run.tables.rows(name)

    def ids(self, name: str) -> list[str]:
        return sorted(row["golden_id"] for row in self.rows(name))


@pytest.fixture(scope="module")
def ended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    warehouse = tmp_path_factory.mktemp("stages")
    people = [{"golden_id": who, "part": who, "source": "loyalty", "source_key": who, "level": "identified",
               "link_permission": "permitted"} for who in KINDS]  # fmt: skip
    device = {"golden_id": DEVICE, "part": DEVICE, "source": "cookie", "source_key": "d", "level": "cookie",
              "link_permission": "permitted"}  # fmt: skip
    tables: dict[str, list[dict[str, Any]]] = {
        "id.golden_member": [*people, device],
        "silver.person_record": [
            {"source": "loyalty", "source_key": who, "subject_kind": kind, "linkage": "allowed"}
            for who, kind in KINDS.items()
        ],
        "silver.product": [{"product_id": "tv"}],
        "silver.sale_line": [
            {"receipt_id": f"r-{who}", "product_id": "tv", "member_no": who, "currency": "EUR"}
            for who in KINDS if who not in NEVER_BOUGHT
        ],
        "silver.interaction": [
            {"source": "loyalty", "interaction_id": f"i{number}", "source_key": who, "interaction_type": kind,
             "status": status} for number, (who, kind, status) in enumerate(CONTACTS)
        ],
        "consent.effective": [
            {"golden_id": who, "purpose": purpose, "channel": "any", "contact_point": "person", "decision": "permit",
             "permitted_parts": [who]} for purpose, those in PERMITS.items() for who in those
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        write(warehouse, contract_of(name), *rows)
    config = load_config(Path(__file__).parents[3] / "conf" / "local.yaml", warehouse=warehouse)
    run = Run(config, Tables(spark, warehouse), ON, config.secret(), Console(file=io.StringIO(), width=200))
    return Ended(run, do_stages(run, ["profile", "publish"]))


def test_only_customers_are_measured(ended: Ended) -> None:
    assert ended.ids("gold.customer_metrics") == CUSTOMERS[:12]


def test_who_is_nobodys_customer_is_in_no_profile_and_staff_in_none_that_rests_on_consent(
    ended: Ended,
) -> None:
    assert ended.ids("gold.profile_analytics") == [*CUSTOMERS[:12], "firm1", "firm2"]
    assert ended.ids("gold.profile_service") == sorted({*KINDS, DEVICE} - {"tester", "shopper"})


def test_only_an_open_complaint_pauses(ended: Ended) -> None:
    assert ended.ids("gold.profile_marketing_post") == ["c02", "c03", "c05", "c06", "firm1"]
    open_complaints = {
        row["golden_id"]: row["open_complaints"] for row in ended.rows("gold.profile_analytics")
    }
    assert {who: n for who, n in open_complaints.items() if n} == {"c01": 1, "c04": 1}


def test_customers_alone_are_counted_and_small_numbers_hidden(ended: Ended) -> None:
    """Of 14 customers; no device, no firm."""
    told = {(row["purpose"], row["decision"]): row["customers"] for row in ended.rows("gold.consent_kpi")}
    assert told["marketing.post", "permit"] == 6
    assert told["marketing.post", "deny"] == 8
    assert told["service", "permit"] == 14
    # 4 of 14 permit ads, 3 do not permit development and 2 analytics: the other number would tell it.
    hidden = {purpose for (purpose, _), customers in told.items() if customers is None}
    assert hidden == {"marketing.ads", "development", "analytics"}


def test_coverage_is_hidden_of_few_and_where_few_are_left_out(ended: Ended) -> None:
    told = {row["purpose"]: (row["customers"], row["is_hidden"]) for row in ended.rows("gold.coverage")}
    assert told["marketing.post"] == (6, False)
    assert told["service"] == (14, False)
    assert told["marketing.phone"] == (0, False)
    few = ("marketing.ads", "development", "analytics", "personalise")
    assert {told[name] for name in few} == {(None, True)}


# Rows of the tables of golden ids, and what may be told of them.
ROWS = {
    "gold.profile_marketing_ads": (4, None),  # small
    "gold.profile_development": (12, None),  # of 14 customers, coverage hides how many
    "gold.profile_analytics": (14, None),
    "gold.profile_marketing_post": (5, 5),
    "gold.profile_personalise": (6, None),  # of 6 customers 4 bought
    "gold.profile_marketing_phone": (0, 0),
    "gold.profile_service": (18, 18),
    "gold.customer_metrics": (12, 12),
    "gold.coverage": (9, 9),
}


def test_a_run_tells_no_number_of_rows_that_coverage_hides(ended: Ended) -> None:
    counts = {name: (len(ended.rows(name)), ended.told["gold"][name]) for name in ROWS}
    assert counts == ROWS


def test_nor_does_any_register_log_or_page(ended: Ended) -> None:
    tables = ended.run.tables
    [stage] = [row for row in tables.rows("ops.run_stage") if row["stage"] == "publish"]
    [run] = tables.rows("ops.run")
    logged = [json.loads(line) for line in ended.run.log_file.read_text(encoding="utf-8").splitlines()]
    shown = {name: told for name, (_, told) in ROWS.items()}
    for counts in (stage["counts"], json.loads(run["summary"])["gold"], logged[-1]["counts"]):
        assert {name: counts[name] for name in ROWS} == shown
    checked: dict[str, set[int | None]] = {}
    for row in tables.rows("ops.dq_result"):
        checked.setdefault(row["table_name"], set()).add(row["checked"])
    assert {name: checked[name] for name in ROWS} == {name: {told} for name, told in shown.items()}
    assert {row["unexpected"] for row in tables.rows("ops.dq_result")} == {0}


def test_a_person_reads_hidden(ended: Ended) -> None:
    told = {f"gold.{name}": said for name, said in _cells(ended.run.report_file.read_text(encoding="utf-8"))}
    said = io.StringIO()
    show(ended.told, Console(file=said, width=200))
    told_in_terminal = dict(re.findall(r"│ (gold\.\w+)\s+│\s+(\S+) │", said.getvalue()))
    expected = {name: "hidden" if told is None else str(told) for name, (_, told) in ROWS.items()}
    for page in (told, told_in_terminal):
        assert {name: page[name] for name in ROWS} == expected


def test_data_docs_of_a_hidden_number_read_as_those_of_a_told_one(ended: Ended) -> None:
    docs = ended.run.config.warehouse / "data_docs" / "gold"
    pages = {name: (docs / f"{name}.html").read_text(encoding="utf-8") for name in ROWS}
    assert all("100% not null" in " ".join(page.split()) for page in pages.values())
    assert not any("unknown" in page for page in pages.values())


def test_small_numbers_of_the_blast_radius_by_table_are_hidden(ended: Ended) -> None:
    profile = f"blast_radius.rows {purpose_table('marketing.ads')}"
    counts = {"blast_radius.changed": 3, profile: 4, "blast_radius.rows gold.touchpoint": 5}
    assert counts_to_keep(ended.run, counts) == counts | {profile: None}


def _cells(html: str) -> list[tuple[str, str]]:
    """Tables and rows of "Rows published", as the page shows them."""
    [figure] = re.findall(r"<h2>Rows published</h2>(.*?)<h2>", html, re.DOTALL)
    return re.findall(r"<tr><td>(\w+)</td><td[^>]*>\s*(\S+?)</td></tr>", figure)

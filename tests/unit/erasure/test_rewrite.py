"""What is left of the history of decisions when persons are erased, on tables written by hand."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure import rewrite
from identity.erasure.plan import Plan
from identity.run import Run
from identity.tables import replace_at, rows_at
from tests.unit.by_hand import write

ON = dt.date(2026, 2, 1)
CONF = Path(__file__).parents[3] / "conf" / "local.yaml"
HERS, OTHERS = "a" * 64, "b" * 64
SAID = {
    "winning_source": "crm", "winning_subject_namespace": "crm_contact", "winning_value": "n",
    "winning_asserted_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "winning_notice_version": "2025-2",
}  # fmt: skip


@pytest.fixture
def run(warehouse: Path) -> Run:
    config = load_config(CONF, warehouse=warehouse, need_model=False)
    write(warehouse, contract_of("id.crosswalk"), *(
        {"golden_id": golden, "live_golden_id": live}
        for golden, live in (("ends", "ends"), ("merged into it", "ends"), ("lives", "lives"))
    ))  # fmt: skip
    rows = [
        decided("ends", "person", None), decided("merged into it", "person", None),
        decided("lives", HERS, None), decided("lives", OTHERS, OTHERS),
        decided("lives", "person", HERS, decided_on=ON), decided("lives", "person", OTHERS, decided_on=dt.date(2026, 1, 1)),
    ]  # fmt: skip
    write(warehouse, contract_of("consent.history"), *rows)
    return Run(config, None, ON, b"k" * 16, Console(file=io.StringIO()))  # type: ignore[arg-type]


def decided(golden_id: str, point: str, by: str | None, **more: Any) -> dict[str, Any]:
    said = {**SAID, "winning_subject_hmac": by} if by else {}
    return {
        "golden_id": golden_id, "purpose": "ads", "contact_point": point, "decision": "deny", "rule_no": 1,
        "decided_on": ON, **said, **more,
    }  # fmt: skip


def test_decisions_of_the_erased_leave_and_of_others_what_they_said(run: Run):
    plan = Plan("e", str(ON), "", "asked", [], 1, [], [], [], {}, {}, ["ends"], [], [], [], [], 0)
    rewrite.forget_decisions(run, plan, {HERS})
    left = sorted(
        rows_at(run.config.warehouse, "consent.history"), key=lambda r: (r["contact_point"], r["decided_on"])
    )
    assert [(r["golden_id"], r["contact_point"], r["winning_subject_hmac"]) for r in left] == [
        ("lives", OTHERS, OTHERS), ("lives", "person", OTHERS), ("lives", "person", None),
    ]  # fmt: skip
    assert plan.counts == {"consent.history": 3}
    forgotten = left[2]
    assert (forgotten["decision"], forgotten["rule_no"]) == ("deny", 1)
    assert [name for name in forgotten if name.startswith("winning_") and forgotten[name] is not None] == []
    assert {name: left[1][name] for name in SAID} == SAID
    rewrite.forget_decisions(run, plan, {HERS})
    assert plan.counts == {"consent.history": 3}
    # A warehouse made before decisions had a history.
    replace_at(run.config.warehouse, [], contract_of("consent.history"))
    rewrite.forget_decisions(run, plan, {HERS})

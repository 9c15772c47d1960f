"""Decisions case by case, from `tests/spec/consent_decisions.yaml`; all cases go through Spark at once."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from identity.config import Namespace, Purpose
from identity.consent.decide import PERSON, effective
from identity.contracts import contract_of

ON = dt.date(2026, 2, 1)
CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "spec/consent_decisions.yaml").read_text(encoding="utf-8")
)
LEVEL_OF = {"customer": "verified", "member": "identified", "device": "cookie", "phone_id": "mobile"}
NAMESPACES = {
    name: Namespace.model_validate({"level": level, "rank": rank, "links": "always", "max_persons": 9})
    for rank, (name, level) in enumerate(LEVEL_OF.items(), 1)
}
PURPOSES = {
    "ads": Purpose(basis="consent", expires_days=365),
    "history": Purpose(basis="consent"),
    "service": Purpose(basis="contract"),
    "develop": Purpose(basis="legitimate_interest"),
    "email": Purpose(basis="consent", contact="email", expires_days=365),
}
VALUES = {
    True: "y",
    False: "n",
    "objection": "n",
    "pending": "pending",
    "unknown": "unknown",
}  # YAML's yes and no

SUBJECT = "golden_id string, namespace string, value_hmac string, no_only boolean"
EVENT = (
    "source string, event_key string, subject_namespace string, subject_hmac string, purpose string, "
    "contact_point_hmac string, value string, basis string, asserted_at timestamp"
)
POINT = "golden_id string, kind string, contact_point string"

Decided = dict[tuple[str, str, str], dict[str, Any]]


def statements(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a case, all as mappings."""
    said = case.get("said", [])
    return [s if isinstance(s, dict) else dict(zip(("who", "answer", "when"), s, strict=True)) for s in said]


@pytest.fixture(scope="module")
def decided(spark: SparkSession) -> Decided:
    """Every decision, by golden id (the case's name), purpose and contact point."""
    subjects, events, points = set(), [], []
    for case in CASES:
        golden = case["case"]
        subjects.add((golden, "member", f"{golden}: member", False))
        for number, s in enumerate(statements(case), 1):
            who = f"{golden}: {s.get('by', s['who'])}"
            subjects.add((golden, s["who"], who, "reach" in s))
            point = f"{golden}: {s['about']}" if "about" in s else None
            value, basis = VALUES[s["answer"]], "objection" if s["answer"] == "objection" else "consent"
            at = dt.datetime.combine(s["when"], dt.time(12))
            purpose = s.get("for", case["purpose"])
            events.append((s["who"], str(number), s["who"], who, purpose, point, value, basis, at))
        points += [(golden, "email", f"{golden}: {point}") for point in case.get("points", [])]
    df = effective(
        spark.createDataFrame(sorted(subjects), SUBJECT),
        spark.createDataFrame(events, EVENT),
        spark.createDataFrame(points, POINT),
        purposes=PURPOSES,
        namespaces=NAMESPACES,
        on=ON,
    )
    assert set(df.columns) == set(contract_of("consent.effective").columns)
    rows = [row.asDict() for row in df.collect()]
    found = {(row["golden_id"], row["purpose"], row["contact_point"]): row for row in rows}
    assert len(found) == len(rows)  # the table's key
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_decisions(decided: Decided, case: dict[str, Any]):
    then = case["then"]
    point = f"{case['case']}: {case['at']}" if "at" in case else PERSON
    row = decided[case["case"], case["purpose"], point]
    winner = then.get("winner")
    assert {
        "decision": row["decision"],
        "rule": row["rule_no"],
        "winner": row["winning_event_key"] and int(row["winning_event_key"]),
        "winning source": row["winning_source"],
        "conflict": row["is_conflict"],
        "until": row["valid_to_on"],
        "on": row["decided_on"],
    } == {
        "decision": then["decision"],
        "rule": then["rule"],
        "winner": winner,
        "winning source": winner
        and statements(case)[winner - 1]["who"],  # each kind is a source of its own here
        "conflict": then.get("conflict", False),
        "until": then.get("until"),
        "on": ON,
    }


def test_every_id_and_purpose_is_decided_once_and_each_contact_point_where_one_is_needed(decided: Decided):
    expected = set()
    for case in CASES:
        expected |= {(case["case"], purpose, PERSON) for purpose in PURPOSES if purpose != "email"}
        expected |= {(case["case"], "email", f"{case['case']}: {point}") for point in case.get("points", [])}
    assert set(decided) == expected


def test_the_channel_is_the_contact_point_that_the_purpose_needs(decided: Decided):
    assert {(row["purpose"], row["channel"]) for row in decided.values()} == {
        (name, purpose.contact or "any") for name, purpose in PURPOSES.items()
    }


def test_the_cases_are_enough_and_have_names_of_their_own():
    assert len({case["case"] for case in CASES}) == len(CASES) >= 25
    assert {case["then"]["rule"] for case in CASES} == {1, 2, 3, 5}

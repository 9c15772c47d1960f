"""Decisions case by case, from `tests/spec/consent_decisions.yaml`; all cases go through Spark at once."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from identity.config import Namespace, Notice, Purpose
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
    "ads": Purpose(basis="consent", retention_days=365, expires_days=365),
    "history": Purpose(basis="consent", retention_days=365),
    "service": Purpose(basis="contract", retention_days=365),
    "develop": Purpose(basis="legitimate_interest", retention_days=365),
    "email": Purpose(basis="consent", retention_days=365, contact="email", expires_days=365),
}
VALUES = {
    True: "y",
    False: "n",
    "objection": "n",
    "pending": "pending",
    "unknown": "unknown",
}  # YAML's yes and no

NOTICES = {"old": Notice(valid_to_on=dt.date(2026, 1, 15)), "ending": Notice(valid_to_on=dt.date(2026, 3, 1))}

SUBJECT = "golden_id string, part string, namespace string, value_hmac string, heard_to date"
CHILD = "golden_id string, part string, guardian_id string, guardian_part string"
EVENT = (
    "source string, event_key string, subject_namespace string, subject_hmac string, purpose string, "
    "contact_point_hmac string, value string, basis string, asserted_at timestamp, notice_version string"
)
POINT = "golden_id string, kind string, contact_point string"

Decided = dict[tuple[str, str, str], dict[str, Any]]


def statements(case: dict[str, Any], of: str = "said") -> list[dict[str, Any]]:
    """The statements of a case, all as mappings."""
    said = case.get(of, [])
    return [s if isinstance(s, dict) else dict(zip(("who", "answer", "when"), s, strict=True)) for s in said]


def parts_of(case: dict[str, Any]) -> list[str]:
    return case.get("parts", ["one"])


@pytest.fixture(scope="module")
def decided(spark: SparkSession) -> Decided:
    """Every decision, by golden id (the case's name), purpose and contact point; a guardian is an id beside it."""
    subjects: set[tuple[Any, ...]] = set()
    events, points, children = [], [], []
    for case in CASES:
        for golden, of in ((case["case"], "said"), (f"{case['case']}: guardian", "guardian")):
            if of not in case and of == "guardian":
                continue
            parts = parts_of(case) if of == "said" else ["hers", "other"]
            subjects |= {(golden, part, "member", f"{golden}: {part}", None) for part in parts}
            for number, s in enumerate(statements(case, of), 1):
                who = f"{golden}: {s.get('by', s['who'])}"
                part = None if "reach" in s else s.get("part", parts[0])
                subjects.add((golden, part, s["who"], who, s.get("to")))
                point = f"{golden}: {s['about']}" if "about" in s else None
                value, basis = VALUES[s["answer"]], "objection" if s["answer"] == "objection" else "consent"
                at = dt.datetime.combine(s["when"], dt.time(12))
                told = (s.get("for", case["purpose"]), point, value, basis, at, s.get("notice"))
                events.append((s["who"], str(number), s["who"], who, *told))
            points += [(golden, "email", f"{golden}: {point}") for point in case.get("points", [])]
        guardian = f"{case['case']}: guardian" if "guardian" in case else None
        children += [(case["case"], part, guardian, guardian and "hers") for part in case.get("child", [])]
    df = effective(
        spark.createDataFrame(sorted(subjects, key=str), SUBJECT),
        spark.createDataFrame(events, EVENT),
        spark.createDataFrame(points, POINT),
        spark.createDataFrame(children, CHILD),
        purposes=PURPOSES,
        notices=NOTICES,
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
        "parts": row["permitted_parts"],
        "on": row["decided_on"],
    } == {
        "decision": then["decision"],
        "rule": then["rule"],
        "winner": winner,
        "winning source": winner
        and statements(case)[winner - 1]["who"],  # each kind is a source of its own here
        "conflict": then.get("conflict", False),
        "until": then.get("until"),
        "parts": then.get("parts", parts_of(case) if then["decision"] == "permit" else []),
        "on": ON,
    }


def test_every_id_and_purpose_is_decided_once_and_each_contact_point_where_one_is_needed(decided: Decided):
    expected = set()
    for case in CASES:
        for golden in [case["case"], *([f"{case['case']}: guardian"] if "guardian" in case else [])]:
            expected |= {(golden, purpose, PERSON) for purpose in PURPOSES if purpose != "email"}
            expected |= {(golden, "email", f"{golden}: {point}") for point in case.get("points", [])}
    assert set(decided) == expected


def test_the_channel_is_the_contact_point_that_the_purpose_needs(decided: Decided):
    assert {(row["purpose"], row["channel"]) for row in decided.values()} == {
        (name, purpose.contact or "any") for name, purpose in PURPOSES.items()
    }


def test_the_cases_are_enough_and_have_names_of_their_own():
    assert len({case["case"] for case in CASES}) == len(CASES) >= 60
    assert {case["then"]["rule"] for case in CASES} == {1, 2, 3, 5, 6}

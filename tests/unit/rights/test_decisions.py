"""What was decided of a person as of a date, on tables written by hand."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from identity.cli import main
from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.errors import SubjectError
from identity.rights.decisions import decisions
from identity.rights.persons import find
from identity.standardise.identifiers import hash_key, hash_of
from tests.unit.by_hand import write

CONF = Path(__file__).parents[3] / "conf" / "local.yaml"
D1, D2, D3, D4 = (dt.date(2026, 2, day) for day in (1, 2, 3, 4))
SAID = dt.datetime(2026, 1, 10, 8, tzinfo=dt.UTC)


@pytest.fixture
def config(warehouse: Path) -> Config:
    """Two persons: Aino, C1 and M1, who were two golden ids at first; and C2, whom resemblance joined to her."""
    read = load_config(CONF, warehouse=warehouse, need_model=False)
    key = hash_key(read.secret())

    def hashed(namespace: str, value: str) -> str:
        return hash_of(namespace, value, key=key)

    write(warehouse, contract_of("id.golden_member"), *(
        {"golden_id": g, "part": p, "source": r[0], "source_key": r[1], "valid_from_on": since, "valid_to_on": to}
        for g, p, r, since, to in [
            ("early", "x", ("crm", "C1"), D1, D2), ("g", "aino", ("crm", "C1"), D2, None),
            ("g", "aino", ("loyalty", "M1"), D1, None), ("g", "other", ("crm", "C2"), D3, None),
        ]
    ))  # fmt: skip
    write(warehouse, contract_of("id.crosswalk"),
          {"golden_id": "early", "live_golden_id": "g"}, {"golden_id": "g", "live_golden_id": "g"})  # fmt: skip
    write(warehouse, contract_of("silver.identifier"), *(
        {"namespace": n, "value_hmac": hashed(n, v), "source": s, "source_key": k}
        for n, v, s, k in [
            ("crm_contact", "C1", "crm", "C1"), ("email", "aino@x.example", "crm", "C1"),
            ("loyalty_member", "M1", "loyalty", "M1"),
            ("crm_contact", "C2", "crm", "C2"), ("email", "other@x.example", "crm", "C2"),
            ("loyalty_member", "M1", "crm", "C2"),  # names her number
            ("email", "both@x.example", "crm", "C1"), ("email", "both@x.example", "crm", "C2"),
        ]
    ))  # fmt: skip

    def row(golden_id: str, on: dt.date, purpose: str, decision: str, rule_no: int | None, *,
            point: str = "person", by: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:  # fmt: skip
        said = {
            "winning_source": by[0].split("_")[0], "winning_subject_namespace": by[0],
            "winning_subject_hmac": hashed(*by), "winning_value": "y" if decision == "permit" else "n",
            "winning_asserted_at": SAID, "winning_notice_version": "2025-2",
        } if by else {}  # fmt: skip
        return {
            "golden_id": golden_id, "purpose": purpose, "channel": "any" if point == "person" else "email",
            "contact_point": point if point == "person" else hashed("email", point), "decided_on": on,
            "decision": decision, "rule_no": rule_no, **said, **more,
        }  # fmt: skip

    aino, member, other = ("crm_contact", "C1"), ("loyalty_member", "M1"), ("crm_contact", "C2")
    write(
        warehouse, contract_of("consent.history"),
        row("early", D1, "analytics", "permit", 1, by=aino), row("early", D2, "analytics", "ended", None),
        row("g", D3, "analytics", "permit", 1, by=other, permitted_parts=[part_name("crm", "C2")]),
        row("g", D1, "analytics", "deny", 5),
        row("g", D2, "analytics", "deny", 3, by=member, is_conflict=True),
        row("g", D1, "service", "permit", 5),
        row("g", D1, "marketing.post", "deny", 2, by=member), row("g", D3, "marketing.post", "deny", 2, by=other),
        row("g", D2, "marketing.email", "permit", 1, point="aino@x.example", by=aino, valid_to_on=D4),
        row("g", D2, "marketing.email", "deny", 5, point="old@x.example"),
        row("g", D3, "marketing.email", "deny", 5, point="other@x.example"),
        row("g", D3, "development", "deny", 3, by=member),
        row("g", D3, "personalise", "deny", 3, by=("email", "both@x.example")),
    )  # fmt: skip
    write(warehouse, contract_of("consent.restriction"),
          {"source": "crm", "source_key": "C1", "from_on": D3, "to_on": D4})  # fmt: skip
    return read


def part_name(source: str, source_key: str) -> str:
    """As `golden_id.part_name` names a part after its first record."""
    import hashlib

    return hashlib.sha256(f"{source}\x1f{source_key}".encode()).hexdigest()[:16]


def told(config: Config, on: dt.date, who: str = "crm_contact=C1", **only: str) -> dict[str, Any]:
    subject = find(config, [who], key=config.secret(), with_deleted=True)
    return decisions(config, subject, key=config.secret(), on=on, **only)


def brief(found: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {
        (r["golden_id"], r["purpose"], r["decision"], r["rule_no"], r["said_by"], r["decided_on"])
        for r in found["decisions"]
    }


def test_the_golden_ids_of_that_day_are_asked(config: Config):
    first = told(config, D1)
    assert first["golden_ids"] == ["early", "g"]
    assert brief(first) == {
        ("early", "analytics", "permit", 1, "person", D1), ("g", "analytics", "deny", 5, "nobody", D1),
        ("g", "service", "permit", 5, "nobody", D1), ("g", "marketing.post", "deny", 2, "person", D1),
    }  # fmt: skip
    assert told(config, D2)["golden_ids"] == ["g"]


def test_what_held_on_a_day_is_what_the_last_run_before_it_decided(config: Config):
    second = {row[1:] for row in brief(told(config, D2))}
    assert ("analytics", "deny", 3, "person", D2) in second
    assert ("marketing.post", "deny", 2, "person", D1) in second
    assert brief(told(config, D4)) == brief(told(config, D3))


def test_a_decision_tells_the_statement_that_won_if_it_is_hers(config: Config):
    before, after = (told(config, on, purpose="marketing.post")["decisions"][0] for on in (D2, D3))
    assert before["statement"] == {
        "source": "loyalty", "by": "loyalty_member", "answer": "objection", "said_at": SAID, "notice_version": "2025-2",
    }  # fmt: skip
    assert (after["said_by"], after["statement"]) == ("somebody else", None)
    assert "C2" not in json.dumps(after, default=str)


def test_what_others_name_or_carry_too_does_not_make_her_word_theirs(config: Config):
    def said_by(who: str, purpose: str) -> str:
        return str(told(config, D3, f"record=crm:{who}", purpose=purpose)["decisions"][0]["said_by"])

    assert [said_by(who, "development") for who in ("C1", "C2")] == ["person", "somebody else"]
    # Nobody knows which of the two who carry it said it.
    assert [said_by(who, "personalise") for who in ("C1", "C2")] == ["somebody else"] * 2


def test_a_permission_of_other_records_alone_is_none_of_hers(config: Config):
    hers = told(config, D3, purpose="analytics")["decisions"][0]
    assert (hers["decision"], hers["rule_no"], hers["statement"]) == ("deny", 4, None)
    theirs = told(config, D3, "record=crm:C2", purpose="analytics")["decisions"][0]
    assert (theirs["decision"], theirs["rule_no"], theirs["said_by"]) == ("permit", 1, "person")


def test_her_contact_points_alone_are_shown_and_those_she_had(config: Config):
    key = hash_key(config.secret())
    points = {
        on: {row["contact_point"] for row in told(config, on, purpose="marketing.email")["decisions"]}
        for on in (D2, D3)
    }
    hers, old = (hash_of("email", value, key=key) for value in ("aino@x.example", "old@x.example"))
    assert points == {D2: {hers, old}, D3: {hers}}  # whose the old one was is not sure once there are two
    until = [r["valid_to_on"] for r in told(config, D2, purpose="marketing.email")["decisions"]]
    assert sorted(until, key=str) == [D4, None]


def test_a_restriction_of_that_day_is_told(config: Config):
    assert [told(config, on)["restricted_since"] for on in (D2, D3, D4)] == [None, D3, None]


@pytest.mark.parametrize(
    ("who", "on", "said"),
    [
        ("crm_contact=C1", dt.date(2026, 1, 31), "kept since 2026-02-01"),
        ("crm_contact=C2", D2, "none of the person's records was known"),
    ],
)
def test_what_cannot_be_told_is_an_error(config: Config, who: str, on: dt.date, said: str):
    with pytest.raises(SubjectError, match=said) as error:
        told(config, on, who)
    assert who.split("=")[1] not in str(error.value)


@pytest.mark.parametrize("options", [["--json"], []])
def test_the_command_prints_them(config: Config, capsys: pytest.CaptureFixture[str], options: list[str]):
    at = ["--conf", str(CONF), "--warehouse", str(config.warehouse), "--as-of", D2.isoformat()]
    with pytest.raises(SystemExit) as ended:
        main(["rights", "decisions", "crm_contact=C1", *at, *options])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    if options:
        assert len(json.loads(printed)["decisions"]) == 5
    else:
        assert "conflicting" in printed
        assert "aino@" not in printed
    with pytest.raises(SystemExit) as ended:
        main(["rights", "decisions", "crm_contact=C1", *at, "--purpose", "nothing"])
    assert ended.value.code == 2

"""Every reason that keeps two golden ids apart, each by a case worked by hand."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from identity.config_reading import load_config
from identity.resolve.why_not import Facts, Side, may_be_compared, reasons

MATCHING = load_config(Path(__file__).parents[3] / "conf" / "local.yaml").matching
DEVICE = "cookie:" + "ab" * 32


def record(name: str) -> tuple[str, str]:
    source, _, key = name.partition(":")
    return source, key


def side(*members: str, barred: bool = False, asked: str | None = None) -> Side:
    permission = "barred" if barred else "permitted"
    rows = {record(name): {"link_permission": permission} for name in members}
    return Side((record(asked),) if asked else tuple(rows), f"id of {members[0]}", rows)


def edge(
    left: str, right: str, reason: str, rule: str = "finland-2", bits: float | None = None
) -> dict[str, Any]:
    (source_l, key_l), (source_r, key_r) = record(left), record(right)
    kind = "human" if rule == "cannot_link" else "deterministic" if bits is None else "probabilistic"
    return {
        "source_l": source_l, "source_key_l": key_l, "source_r": source_r, "source_key_r": key_r, "kind": kind,
        "rule": rule, "rank": 100 if bits else 6, "match_weight": bits, "reason": reason, "fate": "rejected",
    }  # fmt: skip


def carried(name: str, namespace: str, value: str) -> dict[str, str]:
    source, key = record(name)
    return {"source": source, "source_key": key, "namespace": namespace, "value_hmac": value}


def person(source: str, given: str | None = "salla", kind: str = "person") -> dict[str, Any]:
    return {"source": source, "subject_kind": kind, "given_name": given, "family_name": None}


PERSONS = {
    record("crm:1"): person("crm"), record("crm:2"): person("crm"), record("loyalty:7"): person("loyalty"),
    record("loyalty:8"): person("loyalty"), record("tills:t"): person("tills"),
    record("crm:test"): person("crm", kind="test"), record("crm:bare"): person("crm", given=None),
}  # fmt: skip
ONE, OTHER = side("crm:1", "loyalty:7"), side("crm:2", "loyalty:8")


def told(
    sides: tuple[Side, Side] = (ONE, OTHER), *, probabilistic: bool = True, **facts: Any
) -> list[tuple[str, str]]:
    facts = {"persons": PERSONS, "devices": frozenset({"cookie"}), "limits": {"loyalty_member": 1}} | facts
    matching = MATCHING.model_copy(update={"probabilistic": probabilistic})
    return [(r.reason, r.says) for r in reasons(Facts(sides, **facts), matching, join=0.9)]


def test_nothing_speaks_for_it():
    assert told() == [
        ("no_edge", "no edge: no identifier, decision or kept comparison speaks for joining them")
    ]


def test_a_permission_that_is_missing_names_whose():
    (reason, says), *_ = told((side("crm:1", barred=True), OTHER))
    assert reason == "permission"
    assert says.startswith("crm:1 may not be joined")
    both = told((side("crm:1", barred=True), side("crm:2", barred=True)))
    assert [reason for reason, _ in both] == ["permission", "permission", "no_edge"]


def decision(left: str, right: str, word: str | None = "cannot_link") -> dict[str, Any]:
    return edge(left, right, "") | {"decision": word, "decided_on": dt.date(2026, 1, 31)}


def test_a_persons_decision_on_any_two_of_their_records():
    edges = [
        edge("crm:2", "loyalty:7", "cannot_link", "cannot_link"),
        edge("crm:1", "crm:2", "cannot_link", bits=9.0),
    ]
    assert told(edges=edges, decisions=[decision("crm:2", "loyalty:7")]) == [
        ("cannot_link", "a person decided on 2026-01-31: crm:2 is not loyalty:7")
    ]


def test_a_decision_since_the_last_run_or_taken_back():
    ((reason, says), _) = told(decisions=[decision("crm:1", "crm:2")])
    assert (reason, says.endswith("; the last run did not use it")) == ("cannot_link", True)
    assert [reason for reason, _ in told(decisions=[decision("crm:1", "crm:2", None)])] == ["no_edge"]
    obeyed = [edge("crm:1", "crm:2", "cannot_link", "cannot_link")]
    assert told(edges=obeyed, decisions=[decision("crm:1", "crm:2", None)]) == [
        ("cannot_link", "a person decided: crm:1 is not crm:2; it was taken back since the last run")
    ]
    # Where it was somebody else they were joined to then.
    edges = [edge("crm:1", "crm:2", "cannot_link", bits=9.0)]
    assert told(edges=edges) == [("cannot_link", "a decision on others forbids joining crm:1 and crm:2")]


def test_a_limit_names_the_namespace_and_no_value():
    identifiers = [
        carried("loyalty:7", "loyalty_member", "hash7"),
        carried("loyalty:8", "loyalty_member", "hash8"),
    ]
    edges = [edge("crm:1", "loyalty:8", "unique_namespace", bits=8.0)]
    expected = (
        "unique_namespace",
        "together they would have 2 values of loyalty_member, and a person has 1 at most",
    )
    assert told(edges=edges, identifiers=identifiers) == [expected]
    # What would break it keeps them apart even where nothing speaks for joining them.
    assert told(identifiers=identifiers)[0] == expected
    # Identifiers of what may not be joined are not counted; the same value twice is one.
    barred = (ONE, side("loyalty:8", barred=True))
    assert "unique_namespace" not in dict(told(barred, identifiers=identifiers))
    same = [carried("loyalty:7", "loyalty_member", "h"), carried("loyalty:8", "loyalty_member", "h")]
    assert "unique_namespace" not in dict(told(identifiers=same))


def test_a_limit_that_held_when_the_edges_were_judged():
    edges = [edge("crm:1", "loyalty:8", "unique_namespace", bits=8.0)]
    assert told(edges=edges) == [
        ("unique_namespace", "together they had more values of a protected namespace than a person has")
    ]


@pytest.mark.parametrize("reason", ["pattern", "shared_by_too_many", "too_many_given_names"])
def test_a_value_that_joins_nobody(reason: str):
    """A hub's edges are a star from its first record: two others that carry it have no edge."""
    identifiers = [
        carried("crm:1", "email", "h"),
        carried("crm:2", "email", "h"),
        carried("crm:1", "phone", "p"),
    ]
    found = told(identifiers=identifiers, blocked={("email", "h"): reason, ("phone", "p"): reason})
    assert [r for r, _ in found] == [reason, "no_edge"]
    assert found[0][1].startswith("both carry the same email")
    elsewhere = [carried("crm:1", "email", "h"), carried("crm:9", "email", "h")]
    assert reason not in dict(told(identifiers=elsewhere, blocked={("email", "h"): reason}))


@pytest.mark.parametrize("reason", ["shared_by_too_many", "too_many_given_names", "needs_agreement"])
def test_an_identifier_that_was_rejected_names_its_namespace(reason: str):
    edges = [edge("crm:1", "crm:2", reason, "email"), edge("crm:1", "loyalty:8", reason, "phone")]
    found = told(edges=edges)
    assert [r for r, _ in found] == [reason, reason]
    assert ["email" in says for _, says in found] == [True, False]


def test_too_weak_and_outweighed():
    edges = [
        edge("crm:1", "crm:2", "weaker_than_threshold", bits=1.0),
        edge("crm:1", "loyalty:8", "weaker_than_threshold", bits=2.0),
        edge("crm:2", "loyalty:7", "outweighed", bits=5.0),
    ]
    found = reasons(Facts((ONE, OTHER), edges=edges, persons=PERSONS), MATCHING, join=0.9)
    assert [r.reason for r in found] == ["weaker_than_threshold", "outweighed"]
    assert "0.9" in found[0].says
    # The strongest of them is shown.
    assert [r.edge and r.edge["match_weight"] for r in found] == [2.0, 5.0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tills:t", "tills:t was not compared: only records of loyalty and crm are"),
        ("crm:test", "crm:test was not compared: a test account"),
        ("crm:bare", "crm:bare was not compared: no name"),
        ("crm:unknown", "crm:unknown was not compared: no person in silver"),
    ],
)
def test_what_was_not_compared(name: str, says: str):
    assert told((side(name), OTHER))[0] == ("not_compared", says)
    assert [r for r, _ in told((side(name, barred=True), OTHER))] == ["permission", "no_edge"]
    # Asked about is the other record of the golden id.
    assert told((side("crm:1", name, asked="crm:1"), OTHER))[0][0] == "no_edge"


def test_nothing_is_compared():
    assert told(probabilistic=False)[0] == (
        "not_compared",
        "nothing is compared: matching.probabilistic is off",
    )


@pytest.mark.parametrize(
    ("owners", "is_shared", "says"),
    [
        ([], False, "nobody else who may be joined logged in on it"),
        (["id of a", "id of b"], False, "2 golden ids used it, each for a time"),
        (["id of a", "id of b", "id of c"], True, "more persons than the limit use it"),
    ],
)
def test_devices(owners: list[str], is_shared: bool, says: str):
    rows = [
        {"namespace": "cookie", "value_hmac": record(DEVICE)[1], "golden_id": g, "is_shared": is_shared}
        for g in owners
    ]
    found = told((side(DEVICE), OTHER), owners=rows)
    assert [r for r, _ in found] == ["device", "no_edge"]
    assert found[0][1].startswith("cookie:abababababab… is a device")
    assert found[0][1].endswith(says)


def test_all_that_apply_in_one_order():
    edges = [
        edge("crm:1", "crm:2", "outweighed", bits=6.0), edge("crm:1", "loyalty:8", "weaker_than_threshold", bits=1.0),
        edge("crm:1", "crm:2", "needs_agreement", "phone"), edge("crm:1", "crm:2", "shared_by_too_many", "email"),
        edge("loyalty:7", "loyalty:8", "unique_namespace", bits=5.0),
        edge("crm:1", "crm:2", "cannot_link", "cannot_link"),
    ]  # fmt: skip
    sides = (side("crm:1", "loyalty:7", "tills:t"), side("crm:2", "loyalty:8", barred=True))
    found = told(sides, edges=edges, decisions=[decision("crm:1", "crm:2")])
    assert [r for r, _ in found] == [
        "permission", "cannot_link", "unique_namespace", "shared_by_too_many", "needs_agreement",
        "weaker_than_threshold", "outweighed", "not_compared",
    ]  # fmt: skip


def test_who_may_be_compared():
    mixed = side("crm:1", "crm:bare", "crm:test", "tills:t", DEVICE)
    facts = Facts((mixed, OTHER), persons=PERSONS)
    assert may_be_compared(mixed, facts, MATCHING) == [record("crm:1")]
    assert may_be_compared(side("crm:1", barred=True), facts, MATCHING) == []
    off = MATCHING.model_copy(update={"probabilistic": False})
    assert may_be_compared(mixed, facts, off) == []

"""The register of requests: deadlines by the calendar, one row a request, nothing done twice."""

import datetime as dt
from pathlib import Path

import pytest

from identity.contracts import contract_of
from identity.errors import SubjectError
from identity.rights.persons import Subject
from identity.rights.requests import (
    close,
    extend,
    forget_golden_ids,
    months_later,
    receive,
    requests,
    requests_of,
)
from identity.tables import version_at
from tests.unit.by_hand import write

D = dt.date


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [
        (D(2026, 1, 15), 1, D(2026, 2, 15)),
        (D(2026, 1, 31), 1, D(2026, 2, 28)),
        (D(2028, 1, 30), 1, D(2028, 2, 29)),
        (D(2026, 12, 31), 1, D(2027, 1, 31)),
        (D(2026, 11, 30), 3, D(2027, 2, 28)),
        (D(2026, 10, 5), 3, D(2027, 1, 5)),
        (D(2026, 9, 30), 3, D(2026, 12, 30)),
    ],
)
def test_a_month_is_a_calendar_month(day: dt.date, months: int, due: dt.date):
    assert months_later(day, months) == due


def test_the_life_of_a_request(warehouse: Path):
    first = receive(warehouse, "R-1", "access", ("g1",), D(2026, 1, 31))
    assert (first["status"], first["due_on"]) == ("open", D(2026, 2, 28))
    assert (
        receive(warehouse, "R-1", "access", ("g2",), D(2026, 2, 10)) == first
    )  # the same again changes nothing
    receive(warehouse, "R-2", "erasure", (), D(2026, 1, 1))
    assert [row["request_id"] for row in requests(warehouse)] == ["R-2", "R-1"]  # by the day they are due
    assert [
        r["request_id"] for r in requests(warehouse, overdue_on=D(2026, 2, 1))
    ] == []  # due today is not overdue
    assert [r["request_id"] for r in requests(warehouse, overdue_on=D(2026, 2, 2))] == ["R-2"]
    longer = extend(warehouse, "R-1", reason="many sources", on=D(2026, 2, 28))
    assert (longer["status"], longer["due_on"]) == ("extended", D(2026, 4, 30))
    assert extend(warehouse, "R-1", reason="another", on=D(2026, 3, 1)) == longer  # once
    done = close(warehouse, "R-1", outcome="exported", on=D(2026, 3, 2))
    assert (done["status"], done["closed_on"], done["outcome"]) == ("closed", D(2026, 3, 2), "exported")
    assert close(warehouse, "R-1", outcome="again", on=D(2026, 3, 3)) == done
    no = close(warehouse, "R-2", outcome="not her", on=D(2026, 3, 2), refused=True)
    assert no["status"] == "refused"
    assert requests(warehouse, overdue_on=D(2027, 1, 1)) == []


@pytest.mark.parametrize("name", ["", "a b", "aino@x.fi", "x" * 65, "-x", "a/b"])
def test_a_name_with_personal_data_or_a_path_is_refused(warehouse: Path, name: str):
    with pytest.raises(SubjectError, match="name") as error:
        receive(warehouse, name, "access", (), D(2026, 1, 1))
    assert name not in str(error.value) or not name


def test_what_cannot_be_is_said(warehouse: Path):
    receive(warehouse, "R-1", "access", (), D(2026, 1, 1))
    with pytest.raises(SubjectError, match="registered already"):
        receive(warehouse, "R-1", "erasure", (), D(2026, 1, 1))
    with pytest.raises(SubjectError, match="no right"):
        receive(warehouse, "R-2", "applause", (), D(2026, 1, 1))
    with pytest.raises(SubjectError, match="could be extended until"):
        extend(warehouse, "R-1", reason="late", on=D(2026, 2, 2))
    with pytest.raises(SubjectError, match="no request"):
        close(warehouse, "R-9", outcome="x", on=D(2026, 1, 1))
    close(warehouse, "R-1", outcome="x", on=D(2026, 1, 1))
    with pytest.raises(SubjectError, match="was closed on"):
        extend(warehouse, "R-1", reason="late", on=D(2026, 1, 2))


def test_a_request_is_hers_where_nobody_else_ever_was_in_its_golden_id(warehouse: Path):
    # Her record was in `old` with a stranger's, then in `own` alone, and is in `now`, where one is in doubt.
    members = [
        ("old", "her", D(2026, 1, 2)), ("old", "stranger", None), ("own", "her", D(2026, 1, 3)), ("now", "her", None),
        ("now", "doubt", None),
    ]  # fmt: skip
    write(
        warehouse,
        contract_of("id.golden_member"),
        *({"golden_id": g, "source": "crm", "source_key": k, "valid_to_on": to} for g, k, to in members),
    )
    for name, ids in {
        "R-old": ["old"],
        "R-own": ["own", "old"],
        "R-now": ["now"],
        "R-said": ["now"],
        "R": [],
    }.items():
        receive(warehouse, name, "access", tuple(ids), D(2026, 1, 1))
    her = Subject(frozenset({("now", "p1")}), (("crm", "her"),), (("crm", "doubt"),))
    found = requests_of(warehouse, her, {"R-said"})
    assert [(r["request_id"], r["golden_ids"]) for r in found] == [("R-own", ["own"]), ("R-said", [])]


def test_golden_ids_are_forgotten_and_requests_stay(warehouse: Path):
    forget_golden_ids(warehouse, ["g1"])  # nothing is registered yet
    receive(warehouse, "R-1", "access", ("g1", "g2"), D(2026, 1, 1))
    receive(warehouse, "R-2", "access", ("g3",), D(2026, 1, 1))
    forget_golden_ids(warehouse, ["g1", "g9"])
    assert [(r["request_id"], r["golden_ids"]) for r in requests(warehouse)] == [
        ("R-1", ["g2"]),
        ("R-2", ["g3"]),
    ]
    version = version_at(warehouse, "ops.subject_request")
    forget_golden_ids(warehouse, ["g1", "g9"])
    assert version_at(warehouse, "ops.subject_request") == version

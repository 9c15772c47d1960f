"""The ledger of realism cases: which one was put where."""

import numpy as np

from data_samples.arrays import Column, Frame, Mask, nothing, objects, take
from data_samples.people import B2B, SHOPPER, STAFF, TEST, People


def trap(
    name: str,
    person: Column,
    other: Column | None = None,
    source: str | None = None,
    key: Column | None = None,
) -> Frame:
    """Rows that say where a case was put."""
    size = len(person)
    return {
        "trap": np.full(size, name, dtype=object),
        "person_id": person,
        "other_person_id": nothing(size) if other is None else other,
        "source": np.full(size, source, dtype=object),
        "source_key": nothing(size) if key is None else key,
    }


def in_records(traps: dict[str, Mask], person: Column, source: str, key: Column) -> list[Frame]:
    """Rows for the cases in the records of a source."""
    return [trap(name, person[mask], None, source, key[mask]) for name, mask in traps.items()]


def among_people(people: People) -> list[Frame]:
    """Rows for the cases that lie in the people themselves."""
    ids, traces = people.person_id, people.traces
    seen = traces.member | (traces.contacts > 0) | traces.login | (traces.tokens > 0)
    frames = [
        pair(people, name, np.flatnonzero((other >= 0) & seen & seen[other]), other)
        for name, other in (
            ("twin", people.twin),
            ("father_son", people.father),
            ("recycled_phone", people.number_heir),
        )
    ]
    kinds = (("staff", STAFF), ("test", TEST), ("mystery_shopper", SHOPPER), ("company_mailbox", B2B))
    return frames + [trap(name, ids[people.subject == kind]) for name, kind in kinds]


def pair(people: People, name: str, rows: Column, other: Column) -> Frame:
    """Rows for a case of two people."""
    return trap(name, people.person_id[rows], people.person_id[other[rows]])


def consent_conflicts(consents: Frame, permissions: Frame, records: Frame) -> Frame:
    """People who at first let one register combine their data and forbid it the other."""
    person_of = dict(zip(records["source_key"], records["person_id"], strict=True))
    answers: dict[str, set[bool]] = {}
    for rows, key, at, yes in (
        (
            take(consents, (consents["permission"] == "YHD") & (consents["delivery"] == 0)),
            "member_no",
            "asserted_at",
            "K",
        ),
        (take(permissions, permissions["code"] == "profiling_link"), "contact_id", "at", "granted"),
    ):
        answer = rows["answer" if at == "asserted_at" else "value"] == yes
        order = np.argsort(rows[at], kind="stable")
        newest = dict(zip(rows[key][order], answer[order].tolist(), strict=True))
        for record, given in newest.items():
            answers.setdefault(person_of[record], set()).add(given)
    return trap(
        "consent_conflict", objects(sorted(person for person, given in answers.items() if len(given) > 1))
    )

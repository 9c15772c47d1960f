"""What keeps two golden ids apart, as told by what the last run left in the tables.

Reasons come in one order: permission, a person's decision, a limit, values that join nobody, a weight below the
threshold, a weight that others outweigh, and what was never compared. All that apply are told, for mending one of
them may only uncover the next.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from identity.config import Matching
from identity.linkage.known import CANNOT_LINK, OVER_LIMIT
from identity.resolve.decisions import Record, named
from identity.resolve.paths import by_strength, ends_of
from identity.resolve.records import why_not_comparable

PERMISSION: Final = "permission"
PATTERN: Final = "pattern"
HUBS: Final = ("shared_by_too_many", "too_many_given_names")
DISAGREE: Final = "needs_agreement"
WEAK: Final = "weaker_than_threshold"
OUTWEIGHED: Final = "outweighed"
DEVICE: Final = "device"
NOT_COMPARED: Final = "not_compared"
NO_EDGE: Final = "no_edge"
_LONGEST_KEY: Final = 36  # a device's key is a hash of 64 letters
_MOST_NAMED: Final = 3

Row = Mapping[str, Any]

_SAID: Final = {
    PATTERN: "both carry the same {namespace}, and it fits a blocked pattern: it means nobody, and joins nobody",
    HUBS[0]: "both carry the same {namespace}, and more records than a person has do: it joins nobody",
    HUBS[1]: "both carry the same {namespace}, and people of too many given names do: it joins nobody",
    DISAGREE: "both carry the same {namespace}, but neither given name nor birth date agrees well enough",
}
_INCOMPARABLE: Final = {
    "source": "only records of {sources} are",
    "test": "a test account",
    "no_name": "no name",
    None: "no person in silver",
}


class Reason(NamedTuple):
    """A reason for which two golden ids are two.

    Attributes:
        reason: A reason of id.edge, or one of those above.
        says: The same in words; it holds no value of a record.
        edge: The strongest edge that was rejected for it, if there is one.
    """

    reason: str
    says: str
    edge: Row | None = None


@dataclass(frozen=True)
class Side:
    """One of the two that were asked about.

    Attributes:
        asked: The record, or all records of the golden id.
        golden_id: The golden id it is, or the record belongs to.
        members: Open rows of id.golden_member of that golden id, by record.
    """

    asked: tuple[Record, ...]
    golden_id: str
    members: Mapping[Record, Row]


@dataclass(frozen=True)
class Facts:
    """What the tables say of two golden ids; without rows where nothing is said.

    Attributes:
        sides: The two, of different golden ids.
        edges: id.edge between a member of one and a member of the other.
        decisions: id.review_pair between them.
        identifiers: silver.identifier of the members: `namespace`, `value_hmac`, `source`, `source_key`.
        blocked: Reason by namespace and hash, from id.blocked_value.
        persons: silver.person_record of the members, by record.
        owners: id.device_owner of the devices among the members.
        limits: Values of a namespace that one person may have.
        devices: Sources whose records are devices.
    """

    sides: tuple[Side, Side]
    edges: Sequence[Row] = ()
    decisions: Sequence[Row] = ()
    identifiers: Sequence[Row] = ()
    blocked: Mapping[tuple[str, str], str] = field(default_factory=dict)
    persons: Mapping[Record, Row] = field(default_factory=dict)
    owners: Sequence[Row] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()


def short(record: Record) -> str:
    """A record's name, that of a device cut short."""
    source, key = record
    return named(record) if len(key) <= _LONGEST_KEY else f"{source}:{key[:12]}…"


def reasons(facts: Facts, matching: Matching, *, join: float) -> list[Reason]:
    """Everything that keeps the two apart, in the order of this module; without any, that no edge joins them.

    Args:
        facts: What the tables know of both.
        matching: What is compared.
        join: Probability from which groups are joined.
    """
    found = [
        *_permission(facts), *_decided(facts), *_limits(facts), *_values(facts), *_compared(facts, join),
        *_devices(facts), *_not_compared(facts, matching),
    ]  # fmt: skip
    if not facts.edges:
        found.append(
            Reason(NO_EDGE, "no edge: no identifier, decision or kept comparison speaks for joining them")
        )
    return found


def may_be_compared(side: Side, facts: Facts, matching: Matching) -> list[Record]:
    """The records asked about that a run compares: permitted, with a name, of a source that is compared."""
    if not matching.probabilistic:
        return []
    return [
        record
        for record in side.asked
        if side.members[record]["link_permission"] == "permitted"
        and record in facts.persons
        and why_not_comparable(facts.persons[record], matching.sources) is None
    ]


def _permission(facts: Facts) -> list[Reason]:
    return [
        Reason(PERMISSION, f"{_listed(barred)} may not be joined to others: nothing permits it, or something forbids it")
        for side in facts.sides
        if (barred := [r for r, row in sorted(side.members.items()) if row["link_permission"] == "barred"])
    ]  # fmt: skip


def _decided(facts: Facts) -> list[Reason]:
    """Decisions that stand, those the last run obeyed and that were taken back since, and what follows from others."""
    stand = {ends_of(row): row["decided_on"] for row in facts.decisions if row["decision"] == CANNOT_LINK}
    obeyed = {ends_of(edge) for edge in facts.edges if edge["kind"] == "human"}
    told = []
    for left, right in sorted(stand.keys() | obeyed):
        when = f" on {stand[left, right]}" if (left, right) in stand else ""
        since = "" if (left, right) in obeyed else "; the last run did not use it"
        since = since if (left, right) in stand else "; it was taken back since the last run"
        told.append(
            Reason(CANNOT_LINK, f"a person decided{when}: {short(left)} is not {short(right)}{since}")
        )
    if not told and (edge := _first(facts.edges, CANNOT_LINK)):
        left, right = ends_of(edge)
        told.append(
            Reason(CANNOT_LINK, f"a decision on others forbids joining {short(left)} and {short(right)}")
        )
    return told


def _limits(facts: Facts) -> list[Reason]:
    values: dict[str, set[str]] = defaultdict(set)
    for row in facts.identifiers:
        record = (row["source"], row["source_key"])
        if row["namespace"] in facts.limits and _is_permitted(facts, record):
            values[row["namespace"]].add(row["value_hmac"])
    edge = _first(facts.edges, OVER_LIMIT)
    told = [
        Reason(
            OVER_LIMIT,
            f"together they would have {len(values[name])} values of {name}, and a person has {most} at most",
            edge,
        )
        for name, most in sorted(facts.limits.items())
        if len(values[name]) > most
    ]
    if not told and edge:
        told.append(
            Reason(
                OVER_LIMIT, "together they had more values of a protected namespace than a person has", edge
            )
        )
    return told


def _values(facts: Facts) -> list[Reason]:
    """Values that both carry and that join nobody; a hub's edges are a star, so that these two may have none."""
    carried: tuple[set[tuple[str, str]], ...] = (set(), set())
    for row in facts.identifiers:
        record = (row["source"], row["source_key"])
        for side, values in zip(facts.sides, carried, strict=True):
            if record in side.members:
                values.add((row["namespace"], row["value_hmac"]))
    shared = {(facts.blocked[value], value[0]) for value in carried[0] & carried[1] if value in facts.blocked}
    shared |= {(edge["reason"], edge["rule"]) for edge in facts.edges if edge["reason"] in (*HUBS, DISAGREE)}
    order = [PATTERN, *HUBS, DISAGREE]
    return [
        Reason(reason, _SAID[reason].format(namespace=namespace), _first(facts.edges, reason, namespace))
        for reason, namespace in sorted(shared, key=lambda pair: (order.index(pair[0]), pair[1]))
    ]


def _compared(facts: Facts, join: float) -> list[Reason]:
    told = {
        WEAK: f"compared, and weaker than the threshold (probability {join:g})",
        OUTWEIGHED: "compared and strong enough, but other records of the two golden ids speak against it, or the "
        "source of both hardly ever holds a person twice",
    }
    return [Reason(name, says, edge) for name, says in told.items() if (edge := _first(facts.edges, name))]


def _devices(facts: Facts) -> list[Reason]:
    told = []
    for side in facts.sides:
        for record in side.asked:
            if record[0] not in facts.devices:
                continue
            owners = [row for row in facts.owners if (row["namespace"], row["value_hmac"]) == record]
            persons = {row["golden_id"] for row in owners} - {side.golden_id}
            says = f"{short(record)} is a device: it belongs to who logs in on it, and joins nobody; "
            if any(row["is_shared"] for row in owners):
                says += "more persons than the limit use it"
            elif persons:
                says += f"{len(persons)} golden ids used it, each for a time"
            else:
                says += "nobody else who may be joined logged in on it"
            told.append(Reason(DEVICE, says))
    return told


def _not_compared(facts: Facts, matching: Matching) -> list[Reason]:
    if not matching.probabilistic:
        return [Reason(NOT_COMPARED, "nothing is compared: matching.probabilistic is off")]
    told = []
    for side in facts.sides:
        why: Counter[str | None] = Counter()
        first: dict[str | None, Record] = {}
        for record in side.asked:
            if record[0] in facts.devices or not _is_permitted(facts, record):
                continue
            row = facts.persons.get(record)
            reason = None if row is None else why_not_comparable(row, matching.sources)
            if row is None or reason is not None:
                why[reason] += 1
                first.setdefault(reason, record)
        for reason, count in why.items():
            more = f" and {count - 1:,} more" if count > 1 else ""
            why_so = _INCOMPARABLE[reason].format(sources=" and ".join(matching.sources))
            were = "were" if count > 1 else "was"
            told.append(Reason(NOT_COMPARED, f"{short(first[reason])}{more} {were} not compared: {why_so}"))
    return told


def _first(edges: Iterable[Row], reason: str, rule: str | None = None) -> Row | None:
    """The strongest edge that was rejected for a reason; a person's decision aside."""
    found = by_strength(
        edge
        for edge in edges
        if edge["reason"] == reason and edge["kind"] != "human" and rule in (None, edge["rule"])
    )
    return found[0] if found else None


def _is_permitted(facts: Facts, record: Record) -> bool:
    return any(
        record in side.members and side.members[record]["link_permission"] == "permitted"
        for side in facts.sides
    )


def _listed(records: list[Record]) -> str:
    more = f" and {len(records) - _MOST_NAMED:,} more" if len(records) > _MOST_NAMED else ""
    return ", ".join(short(record) for record in records[:_MOST_NAMED]) + more

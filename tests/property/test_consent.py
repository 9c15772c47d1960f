"""Consent over drawn worlds: every decision as a naive reading of the rules makes it, and refusals that only ever take away.

All worlds and their variants go through Spark at once, each under names of its own. Notices follow each other in time,
as they do in life: a newer statement never stands under a notice that ended before an older one's.
"""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import STRENGTHS, Namespace, Notice, Purpose
from identity.consent.decide import PERSON, effective
from identity.consent.reach import carried_refusals, contact_points, held, subjects
from identity.contracts import contract_of

WORLDS = 120
ON, NEXT, LAST = (dt.date(2026, 2, day) for day in (1, 2, 3))
LEVELS = {"customer": "verified", "member": "identified", "login": "identified", "device": "cookie"}
NAMESPACES = {
    name: Namespace.model_validate({"level": level, "rank": rank, "links": "always", "max_persons": 9})
    for rank, (name, level) in enumerate(
        [*LEVELS.items(), ("email", "identified"), ("phone", "identified")], 1
    )
}
PURPOSES = {
    "ads": Purpose(basis="consent", expires_days=365, retention_days=400),
    "history": Purpose(basis="consent", retention_days=400),
    "develop": Purpose(basis="legitimate_interest", retention_days=400),
    "service": Purpose(basis="contract", retention_days=400),
    "letters": Purpose(basis="consent", contact="email", expires_days=700, retention_days=700),
}
NOTICES = {
    "old": Notice(valid_to_on=dt.date(2025, 12, 31)),
    "current": Notice(valid_to_on=dt.date(2027, 1, 1)),
}
NOTICE_CHANGED = dt.date(2024, 6, 1)  # until then people saw the old one


@dataclass(frozen=True)
class Record:
    key: str
    golden: str
    part: str
    barred: bool
    name: str | None
    carries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Said:
    key: str
    who: tuple[str, str]
    purpose: str
    about: str | None
    value: str
    basis: str
    at: dt.datetime


@dataclass(frozen=True)
class World:
    records: tuple[Record, ...]
    said: tuple[Said, ...]
    doubts: tuple[tuple[str, str], ...]
    bans: tuple[tuple[str, str], ...]
    # Golden id and part of a child, golden id and part of the guardian.
    children: tuple[tuple[str, str, str | None, str | None], ...] = field(default=())


def drawn(chance: random.Random) -> World:
    """A few golden ids of one or two parts, who share addresses, say this and that, and may be one another."""
    records: list[Record] = []
    mails = ["a@x", "b@x"]
    for golden in "GHIJ"[: chance.randint(2, 4)]:
        barred = chance.random() < 0.3
        for part in range(1 if barred else chance.randint(1, 2)):
            for number in range(1 if barred else chance.randint(1, 2)):
                key = f"{golden}{part}{number}"
                carries = [
                    (chance.choice(list(LEVELS)), f"own {golden}{part}{number * chance.randint(0, 1)}")
                ]
                carries += [("email", chance.choice(mails))] if chance.random() < 0.6 else []
                name = chance.choice(["aino", "eero", None])
                records.append(
                    Record(key, golden, f"{golden}{part}", barred, name, tuple(dict.fromkeys(carries)))
                )
    identifiers = sorted({c for record in records for c in record.carries})
    said = []
    for number in range(chance.randint(3, 14)):
        answer = chance.choice(["y", "y", "y", "n", "n", "pending", "unknown", "objection"])
        day = dt.date(2026, 1, 31) - dt.timedelta(
            days=chance.choice([0, 1, 1, 40, 364, 365, 366, 500, 699, 800, 3000])
        )
        at = dt.datetime.combine(day, dt.time(chance.choice([8, 8, 9])))
        purpose = chance.choice(list(PURPOSES))
        about = chance.choice(mails) if PURPOSES[purpose].contact and chance.random() < 0.4 else None
        value, basis = ("n", "objection") if answer == "objection" else (answer, "consent")
        said.append(Said(f"s{number:02}", chance.choice(identifiers), purpose, about, value, basis, at))
    pairs = [
        (a.key, b.key) for a in records for b in records if a.golden < b.golden and not (a.barred or b.barred)
    ]
    chance.shuffle(pairs)
    bans = tuple(pairs[:1]) if chance.random() < 0.2 else ()
    doubts = tuple(pairs[1 : 1 + chance.randint(0, 2)])
    parts = sorted({(r.golden, r.part) for r in records})
    children = []
    if chance.random() < 0.5:
        golden, part = chance.choice(parts)
        others = [both for both in parts if both[0] != golden]
        children.append((golden, part, *chance.choice([*others, (None, None)])))
    return World(tuple(records), tuple(said), doubts, bans, tuple(children))


def with_a_no(world: World, chance: random.Random) -> World:
    who = chance.choice(sorted({c for record in world.records for c in record.carries}))
    at = dt.datetime.combine(dt.date(2026, 1, 31), dt.time(10)) - dt.timedelta(
        days=chance.choice([0, 30, 400, 2000])
    )
    basis = chance.choice(["consent", "objection"])
    return replace(
        world, said=(*world.said, Said("sn", who, chance.choice(list(PURPOSES)), None, "n", basis, at))
    )


def without_newest_yes(world: World, chance: random.Random) -> World:
    yeses = [s for s in world.said if s.value == "y"]
    if not yeses:
        return world
    one = chance.choice(yeses)
    of = [s for s in yeses if (s.who, s.purpose, s.about) == (one.who, one.purpose, one.about)]
    newest = max(of, key=lambda s: (s.at, s.key))
    return replace(world, said=tuple(s for s in world.said if s != newest))


def parted(world: World) -> World:
    """The next day nothing but identifiers holds them together, and nobody may be anybody else."""
    records = tuple(replace(r, golden=r.part) for r in world.records)
    kept = tuple((part, part, guardian, guardian) for _, part, _, guardian in world.children)
    return replace(world, records=records, doubts=(), bans=(), children=kept)


def fallen_silent(world: World) -> World:
    """The next day every record that carries several identifiers stops carrying the first."""
    return replace(
        world, records=tuple(replace(r, carries=r.carries[1:] or r.carries) for r in world.records)
    )


def with_newcomers(world: World) -> World:
    """Whoever may be joined gets one more record, which says yes to everything by an identifier of its own."""
    parts = {r.part: r for r in world.records if not r.barred}
    at = dt.datetime.combine(dt.date(2026, 1, 31), dt.time(10))
    records, said = list(world.records), list(world.said)
    for part, one in sorted(parts.items()):
        who = ("customer", f"new {part}")
        mails = tuple(
            c for r in world.records if r.golden == one.golden for c in r.carries if c[0] == "email"
        )
        carries = (who, *mails[:1])
        records.append(replace(one, key=f"{part}new", name=None, carries=carries))
        said += [Said(f"{part} {p}", who, p, None, "y", "consent", at) for p in PURPOSES]
    return replace(world, records=tuple(records), said=tuple(said))


# The rules again, word for word and one at a time.


def heard_from_off(world: World) -> dict[str, set[tuple[str, str]]]:
    """By record: identifiers it hears refusals of, its own and others'."""
    refusing = {s.who for s in world.said if s.value == "n"}
    carriers: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in world.records:
        for carried in record.carries:
            carriers[carried].append(record)
    by_key = {record.key: record for record in world.records}
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for record in world.records:
        golden = [r for r in world.records if r.golden == record.golden]
        heard = {c for r in golden for c in r.carries}
        for mine in golden:
            for mail in (c for c in mine.carries if c[0] == "email"):
                for other in carriers[mail]:
                    same = mine.name is None or other.name is None or mine.name == other.name
                    if other.barred and other.golden != record.golden and same:
                        heard |= set(other.carries)
        for left, right in world.doubts:
            for here, there in ((by_key[left], by_key[right]), (by_key[right], by_key[left])):
                if here.golden == record.golden and there.golden != record.golden:
                    heard |= {c for r in world.records if r.part == there.part for c in r.carries}
        found[record.key] = heard & refusing
    return found


def decide(world: World, golden: str) -> dict[tuple[str, str], tuple[str, int, tuple[str, ...]]]:
    """Decision, rule and parts by purpose and contact point of a golden id, without regard to children."""
    mine = [r for r in world.records if r.golden == golden]
    parts = sorted({r.part for r in mine})
    from_off = {
        c for key, heard in heard_from_off(world).items() for c in heard if key in {r.key for r in mine}
    }
    decided = {}
    for name, purpose in PURPOSES.items():
        mails = sorted({c[1] for r in mine for c in r.carries if c[0] == "email"})
        for point in mails if purpose.contact else [PERSON]:
            newest: dict[Any, Said] = {}
            order = {"n": 0, "pending": 1, "unknown": 2, "y": 3}
            for s in world.said:
                if s.purpose == name:
                    k = (s.who, s.about, s.basis)
                    if k not in newest or (s.at, -order[s.value], [-ord(c) for c in s.key]) > (
                        newest[k].at, -order[newest[k].value], [-ord(c) for c in newest[k].key]
                    ):  # fmt: skip
                        newest[k] = s
            spoken = [s for s in newest.values() if s.about in (None, point)]
            own = [
                (s, part)
                for s in spoken
                for part in parts
                if s.who in {c for r in mine if r.part == part for c in r.carries}
            ]
            noes = [s for s, _ in own if s.value == "n"] + [
                s for s in spoken if s.value == "n" and s.who in from_off
            ]
            yeses = [(s, part) for s, part in own if s.value == "y"]
            decided[name, point] = _judged(purpose, noes, yeses, parts)
    return decided


def _judged(  # noqa: PLR0911 - a return a rule
    purpose: Purpose, noes: list[Said], yeses: list[tuple[Said, str]], parts: list[str]
) -> tuple[str, int, tuple[str, ...]]:
    if purpose.basis == "contract":
        return "permit", 5, tuple(parts)
    if any(s.basis == "objection" for s in noes):
        return "deny", 2, ()
    lifting = [
        (y, part)
        for y, part in yeses
        if all(y.at > n.at for n in noes) and all(strength(y) >= strength(n) for n in noes)
    ]
    if noes and yeses and not lifting:
        return "deny", 3, ()
    if noes and not yeses:
        return "deny", 1, ()
    if purpose.basis == "consent":
        standing = sorted({part for y, part in lifting if until(y, purpose) > ON})
        if standing:
            return "permit", 3 if noes else 1, tuple(standing)
        return "deny", 5, ()
    if noes:
        return "permit", 3, tuple(sorted({part for _, part in lifting}))
    return "permit", 1 if yeses else 5, tuple(parts)


def strength(said: Said) -> int:
    return STRENGTHS[NAMESPACES[said.who[0]].level]


def notice_of(said: Said) -> str:
    return "old" if said.at.date() < NOTICE_CHANGED else "current"


def until(said: Said, purpose: Purpose) -> dt.date:
    ends = NOTICES[notice_of(said)].valid_to_on
    return (
        ends
        if purpose.expires_days is None
        else min(ends, said.at.date() + dt.timedelta(days=purpose.expires_days))
    )


def expected(world: World) -> dict[tuple[str, str, str], tuple[str, int, tuple[str, ...]]]:
    goldens = sorted({r.golden for r in world.records})
    plain = {golden: decide(world, golden) for golden in goldens}
    found = {}
    for golden, decisions in plain.items():
        for (purpose, point), (verdict, rule, parts) in decisions.items():
            left = parts
            for child, part, guardian, hers in world.children:
                grants = plain.get(guardian or "", {}).items()
                allowed = any(hers in told[2] for (p, _), told in grants if p == purpose)
                if child == golden and not allowed and PURPOSES[purpose].basis == "consent":
                    left = tuple(p for p in left if p != part)
            is_out = bool(parts) and not left
            found[golden, purpose, point] = ("deny", 6, ()) if is_out else (verdict, rule, left)
    return found


# The engine, over all worlds at once.


def named(text: str, world: str) -> str:
    return f"{world}/{text}"


def engine(
    spark: SparkSession, worlds: dict[str, World], before: DataFrame, on: dt.date, *, turned: bool = False
) -> tuple[DataFrame, DataFrame]:
    """Decisions and what is heard from further off, of every world by its name."""

    def frame(rows: Iterator[tuple[Any, ...]], shape: str) -> DataFrame:
        told = list(rows)
        return spark.createDataFrame(told[::-1] if turned else told, shape).repartition(3 if turned else 1)

    members = frame(
        ((named(r.golden, w), named(r.part, w), "s", named(r.key, w), "barred" if r.barred else "permitted")
         for w, world in worlds.items() for r in world.records),
        "golden_id string, part string, source string, source_key string, link_permission string",
    )  # fmt: skip
    identifiers = frame(
        ((space, named(value, w), "s", named(r.key, w))
         for w, world in worlds.items() for r in world.records for space, value in r.carries),
        "namespace string, value_hmac string, source string, source_key string",
    )  # fmt: skip
    persons = frame(
        (("s", named(r.key, w), r.name) for w, world in worlds.items() for r in world.records),
        "source string, source_key string, given_name string",
    )
    events = frame(
        ((s.who[0], named(s.key, w), s.who[0], named(s.who[1], w), s.purpose, named(s.about, w) if s.about else None,
          s.value, s.basis, s.at, notice_of(s)) for w, world in worlds.items() for s in world.said),
        "source string, event_key string, subject_namespace string, subject_hmac string, purpose string, "
        "contact_point_hmac string, value string, basis string, asserted_at timestamp, notice_version string",
    )  # fmt: skip
    edges = frame(
        (("s", named(a, w), "s", named(b, w), kind, "rejected", why) for w, world in worlds.items()
         for pairs, kind, why in ((world.doubts, "probabilistic", "outweighed"), (world.bans, "human", "cannot_link"))
         for a, b in pairs),
        "source_l string, source_key_l string, source_r string, source_key_r string, kind string, fate string, reason string",
    )  # fmt: skip
    children = frame(
        ((named(g, w), named(p, w), *(named(who, w) if who else None for who in guardian))
         for w, world in worlds.items() for g, p, *guardian in world.children),
        "golden_id string, part string, guardian_id string, guardian_part string",
    )  # fmt: skip
    holdings = held(members, identifiers, persons)
    heard = carried_refusals(holdings, edges, events, before, namespaces=NAMESPACES, on=on)
    heard = spark.createDataFrame(heard.toArrow())
    decided = effective(
        subjects(holdings, heard, on=on), events, contact_points(holdings), children,
        purposes=PURPOSES, notices=NOTICES, namespaces=NAMESPACES, on=ON,
    )  # fmt: skip
    return decided, heard


Decisions = dict[str, dict[tuple[str, str, str], tuple[str, int, tuple[str, ...]]]]


def told(decided: DataFrame) -> Decisions:
    """Decisions by world, golden id, purpose and contact point, under the names of the world."""
    found: Decisions = defaultdict(dict)
    for row in decided.select(
        "golden_id", "purpose", "contact_point", "decision", "rule_no", "permitted_parts"
    ).collect():
        world, golden = row.golden_id.split("/")
        point = row.contact_point.split("/")[-1]
        parts = tuple(sorted(part.split("/")[1] for part in row.permitted_parts))
        found[world][golden, row.purpose, point] = (row.decision, row.rule_no, parts)
    return found


def permitted(
    world: World, decisions: dict[tuple[str, str, str], tuple[str, int, tuple[str, ...]]]
) -> set[tuple[str, str]]:
    """The (record, purpose) pairs that may be used."""
    parts = {(purpose, part) for (_, purpose, _), (_, _, those) in decisions.items() for part in those}
    return {(r.key, purpose) for r in world.records for purpose, part in parts if part == r.part}


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    chance = random.Random(20260201)
    found: dict[str, World] = {}
    for number in range(WORLDS):
        world = drawn(chance)
        found[f"{number}-base"] = world
        found[f"{number}-no"] = with_a_no(world, chance)
        found[f"{number}-less"] = without_newest_yes(world, chance)
    return found


@pytest.fixture(scope="module")
def first(spark: SparkSession, worlds: dict[str, World]) -> tuple[Decisions, DataFrame]:
    nothing = spark.createDataFrame([], contract_of("consent.carried_refusal").spark_schema)
    decided, heard = engine(spark, worlds, nothing, ON)
    return told(decided), heard


def test_every_decision_is_what_the_rules_say(worlds: dict[str, World], first: tuple[Decisions, DataFrame]):
    rules = set()
    for name, world in worlds.items():
        assert first[0][name] == expected(world), name
        rules |= {rule for _, rule, _ in first[0][name].values()}
    assert rules == {1, 2, 3, 5, 6}


def test_whose_refusals_are_heard_is_what_the_rules_say(
    worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in first[1].collect():
        found[row.source_key].add((row.namespace, row.value_hmac.split("/")[1]))
    wanted = {
        named(key, w): heard
        for w, world in worlds.items()
        for key, heard in heard_from_off(world).items()
        if heard
    }
    assert found == wanted
    assert len(wanted) > WORLDS


@pytest.mark.parametrize("variant", ["no", "less"])
def test_a_no_more_or_a_yes_less_never_permits_more(
    worlds: dict[str, World], first: tuple[Decisions, DataFrame], variant: str
):
    fewer = 0
    for number in range(WORLDS):
        base, changed = f"{number}-base", f"{number}-{variant}"
        before, after = (permitted(worlds[w], first[0][w]) for w in (base, changed))
        assert after <= before, number
        fewer += after < before
    assert fewer > WORLDS / 20


def test_the_order_of_rows_and_partitions_changes_nothing(
    spark: SparkSession, worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    some = {name: world for name, world in worlds.items() if name.endswith("base")}
    nothing = spark.createDataFrame([], contract_of("consent.carried_refusal").spark_schema)
    turned, _ = engine(spark, some, nothing, ON, turned=True)
    assert told(turned) == {name: first[0][name] for name in some}


def released_by(
    spark: SparkSession,
    worlds: dict[str, World],
    first: tuple[Decisions, DataFrame],
    change: Callable[[World], World],
) -> int:
    """See that a change of worlds permits no more than before; in how many it would, were no refusal carried."""
    some = {name: world for name, world in worlds.items() if name.endswith("base")}
    changed = {name: change(world) for name, world in some.items()}
    nothing = spark.createDataFrame([], first[1].schema)
    after = told(engine(spark, changed, first[1], NEXT)[0])
    without = told(engine(spark, changed, nothing, NEXT)[0])
    released = 0
    for name, world in some.items():
        before = permitted(world, first[0][name])
        assert permitted(changed[name], after[name]) <= before, name
        released += not permitted(changed[name], without[name]) <= before
    return released


def test_refusals_survive_when_all_are_parted(
    spark: SparkSession, worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    # What is not carried would be released.
    assert released_by(spark, worlds, first, parted) > WORLDS / 20


def test_a_no_said_again_after_the_ways_parted_releases_nothing(
    spark: SparkSession, worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    later = dt.datetime.combine(NEXT, dt.time(8))
    repeated = {}
    for name, world in worlds.items():
        if name.endswith("base"):
            noes = [s for s in world.said if s.value == "n"]
            again = tuple(replace(s, key=f"{s.key}b", at=later) for s in noes)
            repeated[name] = parted(replace(world, said=(*world.said, *again)))
    after = told(engine(spark, repeated, first[1], NEXT)[0])
    for name, world in repeated.items():
        assert permitted(world, after[name]) <= permitted(worlds[name], first[0][name]), name


def test_a_refusal_stays_when_the_record_stops_carrying_who_made_it(
    spark: SparkSession, worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    # What is not carried would be released.
    assert released_by(spark, worlds, first, fallen_silent) > WORLDS / 20


def test_a_refusal_stays_with_who_takes_the_place_of_the_records_that_heard_it(
    spark: SparkSession, worlds: dict[str, World], first: tuple[Decisions, DataFrame]
):
    some = {name: world for name, world in worlds.items() if name.endswith("base")}
    joined = {name: with_newcomers(fallen_silent(world)) for name, world in some.items()}
    alone = {
        name: replace(
            world, records=tuple(r for r in world.records if r.key.endswith("new")), doubts=(), bans=()
        )
        for name, world in joined.items()
    }
    decided, heard = engine(spark, joined, first[1], NEXT)
    between, after = told(decided), told(engine(spark, alone, heard, LAST)[0])
    left = 0
    for name in some:
        newcomers = permitted(alone[name], after[name])
        assert newcomers <= permitted(joined[name], between[name]), name
        left += len(newcomers)
    assert left > WORLDS  # it is not that nobody is permitted anything

"""The true people of a block: who they are, and in which sources they leave a trace."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Ints, Keys, Mask, chance, nothing, objects, pick, some
from data_samples.households import Households, make_households
from data_samples.noise import MAILBOX
from data_samples.rates import Rates
from data_samples.reference import FINNISH, FOREIGN, LANGUAGE, SWEDISH, names

CUSTOMER, STAFF, TEST, SHOPPER, B2B = "customer", "staff", "test", "mystery_shopper", "b2b_contact"
DOMAINS = ("luukku.example", "sahkoposti.example", "posti.example", "kotinetti.example", "mail.example")
PREFIXES = ("40", "41", "44", "45", "46", "50")
TODAY = np.datetime64("2026-01-01")


@dataclass(frozen=True)
class Traces:
    """In which sources each person is seen."""

    member: Mask
    contacts: Ints
    login: Mask
    tokens: Ints
    app: Mask


@dataclass(frozen=True)
class Extent:
    """How many persons, the first one's running number in the world, and how many the world has."""

    persons: int
    start: int
    total: int


@dataclass(frozen=True)
class People:
    """The truth of a block; every column has one row a person."""

    index: Ints  # running number over the world
    person_id: Column
    homes: Households
    subject: Column
    company: Ints  # running number of the company of a b2b contact in the block, else -1
    gender: Column
    language: Column
    first: Column  # the call name
    given: Column  # all given names
    last: Column
    former_last: Column
    birth: Column
    email: Column
    other_email: Column
    login_email: Column  # the address a login is made with: never the family's
    number: Column
    other_number: Column
    abroad: Mask
    twin: Ints  # the twin's row, else -1
    father: Ints  # the row of the father of the same name, else -1
    number_heir: Ints  # who has this person's former number now, else -1
    linking_open: Mask
    traces: Traces

    def __len__(self) -> int:
        """How many people."""
        return len(self.index)


def draw_names(rng: Generator, origin: Column, kind: str, gender: Column) -> Column:
    """A name for each row by the frequencies of its origin (and gender, for first names)."""
    drawn = nothing(len(origin))
    for group in (FINNISH, SWEDISH, *FOREIGN):
        for sex in ("M", "F") if kind == "first" else ("",):
            rows = (origin == group) & ((gender == sex) | (kind == "last"))
            pool = names(group, kind, sex)
            drawn[rows] = pick(rng, pool.names, int(rows.sum()), pool.weights)
    return drawn


def make_traces(rng: Generator, subject: Column, rates: Rates) -> Traces:
    """Everybody is seen somewhere; people of a special kind in the registers of their kind."""
    size = len(subject)
    own = (subject == CUSTOMER) | (subject == STAFF)
    kind = rng.random(size)
    member = own & chance(rng, size, rates.loyalty)
    in_crm = own & chance(rng, size, rates.crm)
    login = own & chance(rng, size, rates.login)
    pays = own & chance(rng, size, np.where(member, rates.token_if_member, rates.token))
    unseen = own & ~(member | in_crm | login | pays)
    member |= (unseen & (kind < 0.5)) | (subject == SHOPPER) | ((subject == TEST) & (kind < 0.5))
    in_crm |= (unseen & (kind >= 0.5)) | (subject == B2B) | ((subject == TEST) & (kind >= 0.5))
    pays |= subject == SHOPPER
    second = some(rng, in_crm & own, rates.crm_duplicate)
    third = second & chance(rng, size, rates.crm_triplicate)
    return Traces(
        member=member,
        contacts=in_crm.astype(int) + second + third,
        login=login,
        tokens=pays.astype(int) + (pays & chance(rng, size, rates.second_token)),
        app=own & (member | login) & chance(rng, size, rates.app),
    )


def birth_dates(rng: Generator, homes: Households, rates: Rates) -> Column:
    """Spouses of similar age, children of customers' age, twins of one day."""
    size = len(homes.household)
    head = np.flatnonzero(homes.position == 0)[homes.household]
    years = 19 + 66 * rng.beta(1.6, 1.9, size)
    years = np.where(homes.couple & (homes.position == 0), np.maximum(years, 28), years)
    spouse = homes.couple & (homes.position == 1)
    years = np.where(spouse, np.maximum(19, years[head] + rng.normal(0, 3.5, size)), years)
    child = (homes.position > 1) & (years[head] > 33)
    years = np.where(child, rng.uniform(*rates.child_age, size), years)
    birth = TODAY - (years * 365.25).astype(int)
    twin = homes.has_twins & (homes.position == 3)
    birth[twin] = birth[np.flatnonzero(twin) - 1]
    return np.asarray(birth)


def mailboxes(rng: Generator, first: Column, last: Column, number: Ints, domains: Column) -> Column:
    """E-mail addresses made of the name and a number that makes them unique."""
    how = rng.integers(5, size=len(first))
    shapes = ("{f}.{l}{n}", "{f}{l}{n}", "{l}.{f}{n}", "{f}{n}", "{i}.{l}{n}")
    return objects(
        shapes[k].format(f=f, l=la, i=f[0], n=n) + "@" + d
        for k, f, la, n, d in zip(
            how,
            objects(name.translate(MAILBOX).lower() for name in first),
            objects(name.translate(MAILBOX).lower() for name in last),
            number,
            domains,
            strict=True,
        )
    )


def phone_numbers(keys: Keys, index: Column) -> Column:
    """Distinct national mobile numbers, nine digits without the leading zero."""
    number = keys.number("phone", index, len(PREFIXES) * 10**7)
    return objects(f"{PREFIXES[n // 10**7]}{n % 10**7:07d}" for n in number.tolist())


def recycle(rng: Generator, traces: Traces, subject: Column, rates: Rates) -> Ints:
    """Whose former number now belongs to whom: members give, people in the CRM get."""
    heir = np.full(len(subject), -1)
    gives = some(rng, traces.member & (subject == CUSTOMER), rates.recycled_phone)
    gets = np.flatnonzero((traces.contacts > 0) & (subject == CUSTOMER) & ~gives)
    givers = np.flatnonzero(gives)[: len(gets)]
    heir[givers] = rng.choice(gets, size=len(givers), replace=False)
    return heir


def family_names(rng: Generator, homes: Households, gender: Column, rates: Rates) -> tuple[Column, Column]:
    """Last names now and before marriage; children bear the name of the household."""
    size = len(gender)
    own = draw_names(rng, homes.origin, "last", gender)
    head = np.flatnonzero(homes.position == 0)[homes.household]
    spouse = homes.couple & (homes.position == 1)
    draw = rng.random(size)
    both = spouse & (draw < rates.hyphenated_last)
    takes = spouse & ~both & (draw < rates.hyphenated_last + rates.married_name)
    last = np.where(takes | (homes.position > 1), own[head], own)
    last = np.where(both & (own != own[head]), own[head] + "-" + own, last)
    return last, np.where(spouse, own, last)


def first_names(rng: Generator, origin: Column, gender: Column, rates: Rates) -> tuple[Column, Column]:
    """Call names and all given names."""
    size = len(origin)
    first, other = (draw_names(rng, origin, "first", gender) for _ in range(2))
    nordic = np.isin(origin, (FINNISH, SWEDISH)) & (first != other)
    simple = objects("-" not in a + b for a, b in zip(first, other, strict=True)).astype(bool)
    hyphen = nordic & simple & chance(rng, size, rates.hyphenated_first)
    call = np.where(hyphen, first + "-" + other, first)
    second = nordic & ~hyphen & chance(rng, size, rates.second_name)
    behind = second & chance(rng, size, rates.call_name_is_second)
    given = np.where(second, call + " " + other, call)
    return call, np.where(behind, other + " " + call, given)


def make_people(keys: Keys, rng: Generator, extent: Extent, rates: Rates) -> People:
    """A block of persons, and with them its test records, mystery shoppers and company contacts."""
    persons = extent.persons
    tests, shoppers, companies = (
        max(1, round(persons * rate))
        for rate in (rates.test_records, rates.mystery_shoppers, rates.companies)
    )
    contacts = rng.integers(2, 4, size=companies)
    extras = tests + shoppers + int(contacts.sum())
    size = persons + extras
    homes = make_households(rng, persons, extras, rates)
    subject = np.full(size, CUSTOMER, dtype=object)
    subject[:persons][some(rng, np.ones(persons, dtype=bool), rates.staff)] = STAFF
    subject[persons:] = [TEST] * tests + [SHOPPER] * shoppers + [B2B] * int(contacts.sum())
    company = np.full(size, -1)
    company[size - int(contacts.sum()) :] = np.repeat(np.arange(companies), contacts)
    traces = make_traces(rng, subject, rates)

    gender = np.where(rng.random(size) < 0.5, "F", "M").astype(object)
    spouse = np.flatnonzero(homes.couple & (homes.position == 1))
    gender[spouse] = np.where(gender[spouse - 1] == "F", "M", "F")
    first, given = first_names(rng, homes.origin, gender, rates)
    last, former_last = family_names(rng, homes, gender, rates)
    birth = birth_dates(rng, homes, rates)
    twin = np.full(size, -1)
    second = np.flatnonzero(homes.has_twins & (homes.position == 3))
    twin[second] = second - 1
    for row in second:
        first[row] = given[row] = similar_name(rng, homes.origin[row], gender[row], first[row - 1])
    head = np.flatnonzero(homes.position == 0)[homes.household]
    heads_are_men = (gender[head] == "M") & (subject == CUSTOMER)
    sons = heads_are_men & (homes.position > 1) & (gender == "M") & (twin < 0) & ~homes.has_twins
    sons = some(rng, sons & (birth > birth[head] + 365 * 18), rates.father_son)
    father = np.where(sons, head, -1)
    first[sons], given[sons] = first[head[sons]], given[head[sons]]
    first[subject == TEST], last[subject == TEST] = "Testi", "Testaaja"
    given[subject == TEST], former_last[subject == TEST] = "Testi", "Testaaja"

    index = extent.start + np.arange(size)
    unique = (
        keys.number("mailbox", index, 4 * extent.total),
        keys.number("other mailbox", index, 4 * extent.total),
    )
    email, other_email = (mailboxes(rng, first, last, n, pick(rng, DOMAINS, size)) for n in unique)
    family = objects(
        f"perhe.{name.translate(MAILBOX).lower()}{n}@luukku.example"
        for name, n in zip(last[head], unique[0][head], strict=True)
    )
    number, other_number = (phone_numbers(keys, 2 * index + k) for k in (0, 1))
    heir = recycle(rng, traces, subject, rates)
    number[heir[heir >= 0]] = other_number[heir >= 0]
    return People(
        index=index,
        person_id=keys.text("person", "p", index, 8),
        homes=homes,
        subject=subject,
        company=company,
        gender=gender,
        language=objects(LANGUAGE[origin] for origin in homes.origin),
        first=first,
        given=given,
        last=last,
        former_last=former_last,
        birth=birth,
        email=np.where(homes.shares_email, family, email),
        other_email=other_email,
        login_email=np.where(
            chance(rng, size, rates.login_other_email) | homes.shares_email, other_email, email
        ),
        number=number,
        other_number=other_number,
        abroad=some(rng, traces.contacts > 0, rates.abroad) & (subject == CUSTOMER),
        twin=twin,
        father=father,
        number_heir=heir,
        linking_open=chance(rng, size, rates.linking_open),
        traces=traces,
    )


def similar_name(rng: Generator, origin: str, gender: str, name: str) -> str:
    """Another name with the same initial, if there is one."""
    pool = names(origin, "first", gender).names[:200]
    alike = [other for other in pool if other[0] == name[0] and other != name]
    return str(alike[int(rng.integers(len(alike)))]) if alike else name

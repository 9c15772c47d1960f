"""Browsers: whose cookie it is, from when to when, and the visits made with it."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Frame, Ints, Mask, chance, objects, pick, rank, some
from data_samples.block import Block
from data_samples.deliveries import DAY
from data_samples.people import CUSTOMER
from data_samples.reference import table
from data_samples.tills import WEB_SHOP, Receipts

MAX_COOKIES = 8
STEP = 45
"""Seconds between the steps of a visit."""
# the order of a visit's steps
LANDING, LOGIN, CHOICE, SEARCH, VIEWS, FILTER, CART, PURCHASE, LOGOUT = 0, 1, 2, 3, 4, 12, 13, 14, 15
NIGHT = 5 * 3600


@dataclass(frozen=True)
class Cookies:
    """One cookie a row; times in seconds since the history began."""

    cookie_id: Column
    owner: Ints
    partner: Ints  # who else uses a shared tablet, else -1
    start: Ints
    end: Ints
    first_of_owner: Mask
    cleared: Mask
    agent: Column
    ip: Column


@dataclass(frozen=True)
class Sessions:
    """One visit a row, sorted by cookie and time."""

    cookie: Ints
    person: Ints
    start: Ints
    first: Mask  # the cookie's first visit
    receipt: Ints  # row of the receipt bought on this visit, else -1


def daytime(seconds: Column) -> Ints:
    """Times moved out of the night, in the same order."""
    return np.asarray(seconds // DAY * DAY + NIGHT + seconds % DAY * 3 // 4)


def make_cookies(block: Block) -> Cookies:
    """Cookies of people with a login and of some without, cleared ones and shared tablets."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    size = len(people)
    login = people.traces.login
    customers = people.subject == CUSTOMER
    visits = login | (customers & ~login & chance(rng, size, rates.anonymous_visitor))
    extra = np.where(login, np.minimum(rng.poisson(rates.extra_cookies, size), 3), 0)
    mate = people.homes.other_member(login & customers)
    may_share = login & customers & (mate > np.arange(size))
    shares = some(rng, may_share, rates.shared_tablet)
    clears = some(rng, login, rates.cleared_cookie)
    owner = np.r_[
        np.repeat(np.arange(size), np.where(visits, 1 + extra, 0)),
        np.flatnonzero(clears),
        np.flatnonzero(shares),
    ]
    kind = np.repeat(
        [0, 1, 2], [len(owner) - int(clears.sum()) - int(shares.sum()), int(clears.sum()), int(shares.sum())]
    )
    order = np.lexsort((kind, owner))
    owner, kind = owner[order], kind[order]
    place = rank(owner)
    total = calendar.days * DAY
    cleared_at = rng.integers(total // 4, total * 3 // 4, size)
    cleared = clears[owner] & (place == 0)
    tablet = kind == 2
    partner = np.where(tablet, mate[owner], -1)
    code = people.index[owner] * MAX_COOKIES + place
    host = (people.index[0] + people.homes.household[owner]) % (1 << 22)
    return Cookies(
        cookie_id=keys.hexadecimal("cookie", code) + keys.hexadecimal("cookie tail", code),
        owner=owner,
        partner=partner,
        start=np.where(kind == 1, cleared_at[owner], 0),
        end=np.where(cleared, cleared_at[owner], total),
        first_of_owner=place == 0,
        cleared=cleared,
        agent=np.where(tablet, agents(rng, "tablet", len(owner)), agents(rng, "browser", len(owner))),
        ip=objects(f"100.{64 + h // 65536}.{h // 256 % 256}.{h % 256}" for h in host.tolist()),
    )


def agents(rng: Generator, kind: str, size: int) -> Column:
    """User agents of a kind."""
    known = table("user_agents")
    return pick(rng, known["agent"][known["kind"] == kind], size)


def make_sessions(block: Block, cookies: Cookies, receipts: Receipts) -> Sessions:
    """Visits spread over each cookie's life, and one for each purchase in the web shop."""
    rng, calendar, people, rates = block.rng, block.calendar, block.people, block.rates
    size = len(cookies.owner)
    tablet = cookies.partner >= 0
    count = np.where(tablet, rates.tablet_sessions, 1 + rng.poisson(rates.extra_sessions, size))
    cookie = np.repeat(np.arange(size), count)
    slot = (cookies.end - cookies.start)[cookie] / count[cookie]
    at = cookies.start[cookie] + ((rank(cookie) + 0.05 + 0.8 * rng.random(len(cookie))) * slot).astype(
        np.int64
    )
    cookie_of = np.full(len(people), -1)
    usable = cookies.first_of_owner & ~cookies.cleared
    cookie_of[cookies.owner[usable]] = np.flatnonzero(usable)
    web = table("stores")["store_kind"][receipts.store] == WEB_SHOP
    bought = np.flatnonzero(web & (cookie_of[receipts.person] >= 0))
    sold = (receipts.sold_at[bought] - calendar.at(np.zeros(1))).astype(np.int64)
    cookie = np.r_[cookie, cookie_of[receipts.person[bought]]]
    start = np.r_[daytime(at), sold - PURCHASE * STEP]
    receipt = np.r_[np.full(len(at), -1), bought]
    order = np.lexsort((start, cookie))
    cookie, start, receipt = cookie[order], start[order], receipt[order]
    place = rank(cookie)
    partner = (cookies.partner[cookie] >= 0) & (place % 2 == 1)
    person = np.where(partner, cookies.partner[cookie], cookies.owner[cookie])
    return Sessions(cookie, person, start, place == 0, receipt)


def device_owners(block: Block, cookies: Cookies, sessions: Sessions) -> Frame:
    """Who has each cookie in hand from when to when; a shared tablet changes hands at each visit."""
    calendar, people = block.calendar, block.people
    tablet = cookies.partner[sessions.cookie] >= 0
    single = np.flatnonzero(cookies.partner < 0)
    at = np.flatnonzero(tablet)
    cookie = sessions.cookie[at]
    new = np.r_[True, cookie[1:] != cookie[:-1]] if len(at) else np.zeros(0, dtype=bool)
    begins = np.where(new, 0, sessions.start[at])
    ends = np.r_[begins[1:], 0] if len(at) else begins
    ends = np.where(np.r_[new[1:], True] if len(at) else new, calendar.days * DAY, ends)
    first = np.where(cookies.start[single] > 0, daytime(cookies.start[single]), 0)
    last = np.where(cookies.cleared[single], daytime(cookies.end[single]), calendar.days * DAY)
    return {
        "namespace": objects(["cookie"] * (len(single) + len(at))),
        "value": np.r_[cookies.cookie_id[single], cookies.cookie_id[cookie]],
        "person_id": people.person_id[np.r_[cookies.owner[single], sessions.person[at]]],
        "from_ts": calendar.at(np.r_[first, begins]),
        "to_ts": calendar.at(np.r_[last, ends]),
    }

"""What happens in the web shop: the hits behind the tag collector's events and the access log."""

import numpy as np

from data_samples.arrays import (
    Column,
    Frame,
    World,
    chance,
    either,
    nothing,
    objects,
    pick,
    stack,
    take,
)
from data_samples.block import Block
from data_samples.catalogue import products
from data_samples.cookies import (
    CART,
    CHOICE,
    FILTER,
    LANDING,
    LOGIN,
    LOGOUT,
    PURCHASE,
    SEARCH,
    STEP,
    VIEWS,
    Cookies,
    Sessions,
    device_owners,
    make_cookies,
    make_sessions,
)
from data_samples.tills import Receipts
from data_samples.traps import trap

MAX_HITS = 2**20
"""More hits than a block ever has."""
REFERRERS = (
    None,
    "https://www.google.com/",
    "https://www.google.com/search?q=puhelin",
    "https://www.bing.com/search?q=tabletti+tarjous",
    "https://m.facebook.com/",
    "https://uutiskirje.kauppa.example/?utm_source=uutiskirje",
    "https://hintavertailu.example/puhelimet",
)
CAMPAIGNS, CAMPAIGN_WEIGHTS = (
    (None, "talvi", "uutiskirje", "ale", "vaihtotarjous"),
    (0.7, 0.1, 0.08, 0.07, 0.05),
)
TERMS = (
    "puhelin",
    "tabletti punainen",
    "laturi usb-c",
    "kuulokkeet",
    "kannettava opiskelijalle",
    "mobil",
    "suojakuori",
    "gaming laptop",
    "seniorin puhelin",
    "zzz",
)
SURVEY_ANSWERS = ("löysin", "en löytänyt", "väri puuttuu", "liian kallis")
CHOICES = ("linking", "analytics", "personalisation", "ads", "email")


def web(block: Block, receipts: Receipts) -> World:
    """The hits of a block, whose cookie and login they are."""
    keys, rng, calendar, people = block.keys, block.rng, block.calendar, block.people
    cookies = make_cookies(block)
    sessions = make_sessions(block, cookies, receipts)
    hits = make_hits(block, cookies, sessions, receipts)
    order = np.lexsort((hits["step"], hits["session"]))
    hits = take(hits, order)
    session = hits["session"]
    cookie = sessions.cookie[session]
    at = calendar.at(sessions.start[session] + hits["step"] * STEP + rng.integers(0, STEP - 5, len(order)))
    login = keys.text("login", "u", people.index, 8)
    standing = logged_in(cookie, hits["type"])
    person = sessions.person[session]
    own_login = np.isin(hits["type"], ("login", "registration"))
    user = either(standing >= 0, login[person[np.maximum(standing, 0)]], None)
    world_hits = {
        "event_id": np.asarray(
            "E" + keys.hexadecimal("event", block.number * MAX_HITS + np.arange(len(order)))
        ),
        "at": at,
        "cookie_id": cookies.cookie_id[cookie],
        "login_id": user,
        "email": either(own_login, people.login_email[person], None),
        "ip": cookies.ip[cookie],
        "user_agent": cookies.agent[cookie],
        "delivery": calendar.delivery_of(at),
        **{name: column for name, column in hits.items() if name not in ("session", "step")},
    }
    who = np.flatnonzero(people.traces.login)
    tablets, cleared = cookies.partner >= 0, cookies.cleared
    traps = [
        trap(
            "shared_tablet",
            people.person_id[cookies.owner[tablets]],
            people.person_id[cookies.partner[tablets]],
            "web_events",
            cookies.cookie_id[tablets],
        ),
        trap(
            "cleared_cookie",
            people.person_id[cookies.owner[cleared]],
            None,
            "web_events",
            cookies.cookie_id[cleared],
        ),
    ]
    return {
        "hits": world_hits,
        "device_owner": device_owners(block, cookies, sessions),
        "person_of_record": {
            "source": objects(["web_events"] * len(who)),
            "source_key": login[who],
            "person_id": people.person_id[who],
        },
        "trap": stack(traps),
    }


def logged_in(cookie: Column, kind: Column) -> Column:
    """For each hit (in order) the hit that logged in on this cookie, if nobody logged out since; else -1."""
    rows = np.arange(len(cookie))
    starts = np.r_[True, cookie[1:] != cookie[:-1]][: len(cookie)]
    enters = np.isin(kind, ("login", "registration"))
    changes = starts | enters | np.r_[False, kind[:-1] == "logout"][: len(cookie)]
    last = np.maximum.accumulate(np.where(changes, rows, 0))
    return np.where(enters[last], last, -1)


def make_hits(block: Block, cookies: Cookies, sessions: Sessions, receipts: Receipts) -> Frame:
    """All steps of all visits."""
    rng, people, rates = block.rng, block.people, block.rates
    size = len(sessions.cookie)
    tablet = cookies.partner[sessions.cookie] >= 0
    has_login = people.traces.login[sessions.person]
    sure = sessions.first & cookies.first_of_owner[sessions.cookie]
    login = has_login & (sure | tablet | chance(rng, size, rates.login_session))
    registers = sure & ~tablet & chance(rng, size, rates.registration)
    out = login & (tablet | chance(rng, size, rates.logout))
    buys = sessions.receipt >= 0
    views = np.minimum(rng.poisson(rates.extra_views, size), FILTER - VIEWS)
    viewed = np.repeat(np.arange(size), views)
    step = VIEWS + np.arange(len(viewed)) - np.repeat(np.cumsum(views) - views, views)
    everything = np.arange(size)
    blocked = chance(rng, size, rates.tag_blocked) & ~login & ~buys
    frames = [
        hit(block, everything, np.full(size, LANDING), "page_view"),
        hit(block, viewed, step, "page_view"),
    ]
    for kind, order, where in (
        ("login", LOGIN, login & ~registers),
        ("registration", LOGIN, login & registers),
        ("consent_choice", CHOICE, sessions.first & chance(rng, size, rates.consent_choice)),
        ("search", SEARCH, chance(rng, size, rates.search)),
        ("filter_survey", FILTER, chance(rng, size, rates.filter_survey)),
        ("add_to_cart", CART, buys | chance(rng, size, rates.add_to_cart)),
        ("purchase", PURCHASE, buys),
        ("logout", LOGOUT, out),
    ):
        rows = np.flatnonzero(where)
        frames.append(hit(block, rows, np.full(len(rows), order), kind))
    hits = stack(frames)
    hits["blocked"] = blocked[hits["session"]]
    choose(block, sessions, hits)
    bought = np.isin(hits["type"], ("purchase", "add_to_cart")) & buys[hits["session"]]
    receipt = sessions.receipt[hits["session"]]
    product = np.where(bought, receipts.first_product[np.maximum(receipt, 0)], hits.pop("product"))
    goods = products()
    for name in ("product_id", "colour", "quality", "category"):
        hits[name] = either(product >= 0, goods[name][product], None)
    hits["receipt_id"] = either(hits["type"] == "purchase", receipts.receipt_id[np.maximum(receipt, 0)], None)
    return hits


def hit(block: Block, session: Column, step: Column, kind: str) -> Frame:
    """Hits of one type at one place of their visits."""
    rng, size = block.rng, len(session)
    shows = kind in ("page_view", "add_to_cart", "purchase")
    goods = products()
    product = pick(rng, np.arange(len(goods["popularity"])), size, goods["popularity"])
    shown = shows & ((step > LANDING) | chance(rng, size, block.rates.landing_on_product))
    product = np.where(shown, product, -1)
    view, search, survey = kind == "page_view", kind == "search", kind == "filter_survey"
    unknown = np.full(size, np.nan)
    found = rng.poisson(6, size).astype(float)
    term = pick(rng, TERMS, size)
    landing = step == LANDING
    return {
        "session": session,
        "step": step,
        "type": objects([kind] * size),
        "product": product,
        "referrer": either(landing, pick(rng, REFERRERS, size), None),
        "campaign": either(landing, pick(rng, CAMPAIGNS, size, CAMPAIGN_WEIGHTS), None),
        "dwell_s": np.minimum(rng.exponential(18, size), STEP).round() if view else unknown,
        "scroll_pct": rng.integers(1, 21, size) * 5.0 if view else unknown,
        "search_terms": term if search else nothing(size),
        "result_count": np.where(term == "zzz", 0, found) if search else unknown,
        "filter_colour": pick(rng, ("black", "red", "blue"), size) if survey else nothing(size),
        "survey_answer": pick(rng, SURVEY_ANSWERS, size) if survey else nothing(size),
    }


def choose(block: Block, sessions: Sessions, hits: Frame) -> None:
    """Add the answers to the consent banner, in place."""
    rng, people, rates = block.rng, block.people, block.rates
    size = len(hits["type"])
    asked = hits["type"] == "consent_choice"
    open_minded = people.linking_open[sessions.person[hits["session"]]]
    yes = np.where(open_minded, rates.linking_yes_if_open[2], rates.linking_yes_if_not[2])
    linking = np.where(chance(rng, size, yes), "true", pick(rng, ("false", '"later"'), size, (0.7, 0.3)))
    answers = [linking] + [
        pick(rng, ("true", "false", '"later"'), size, (0.55, 0.33, 0.12)) for _ in CHOICES[1:]
    ]
    signal = pick(rng, ("G111", "G100", "G101", "G110"), size)
    hits["choices"] = nothing(size)
    rows = np.flatnonzero(asked)
    hits["choices"][rows] = objects(
        "{"
        + ",".join(f'"{name}":{answer[row]}' for name, answer in zip(CHOICES, answers, strict=True))
        + f',"gcm":"{signal[row]}"}}'
        for row in rows
    )
    shown = chance(rng, size, rates.benefit_shown)
    hits["notice_version"] = either(asked, pick(rng, ("2025-1", "2025-2"), size), None)
    hits["benefit_shown"] = either(asked, shown, None)
    hits["benefit_type"] = either(
        asked & shown, pick(rng, ("discount", "service", "information"), size), None
    )

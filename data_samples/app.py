"""The retailer's app and the anonymous survey in the stores."""

import numpy as np

from data_samples.arrays import Column, Frame, Keys, World, chance, either, nothing, objects, pick, rank
from data_samples.block import Block
from data_samples.catalogue import products
from data_samples.cookies import agents
from data_samples.deliveries import DAY
from data_samples.reference import table

MAX_EVENTS = 2**20
"""More events than a block ever has."""
SCREENS = ("etusivu", "tuote", "kuitit", "edut", "asetukset")
QUESTIONS = ("Saitko palvelua nopeasti?", "Löysitkö etsimäsi?", "Suosittelisitko myymälää?")
COMMENTS = (
    None,
    None,
    "Kiitos!",
    "Jono oli pitkä, mutta myyjä auttoi.",
    "Bra service",
    "Tuotteet olivat sekaisin.",
)


def app(block: Block) -> World:
    """App events of a block and who holds the phones."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    who = np.flatnonzero(people.traces.app)
    mobile = mobile_ids(keys, people.index[who])
    os = pick(rng, ("ios", "android"), len(who), (0.4, 0.6))
    allowed = chance(rng, len(who), rates.tracking_allowed)
    count = 1 + rng.poisson(rates.app_events, len(who))
    of = np.repeat(np.arange(len(who)), count)
    size = len(of)
    person = who[of]
    first = rank(of) == 0
    kind = np.where(
        first & people.traces.login[person],
        "login",
        pick(rng, ("screen_view", "push_open", "purchase"), size, (0.82, 0.14, 0.04)),
    )
    start = rng.integers(0, calendar.days, len(who))
    day = np.minimum(start[of] + rank(of) * 3, calendar.days - 1)
    at = calendar.at(day * DAY + 25_000 + rank(of) * 2_000 + rng.integers(0, 1_500, size))
    login = keys.text("login", "u", people.index, 8)
    logs_in = kind == "login"
    shows = kind == "purchase"
    goods = products()
    events = {
        "event_id": np.asarray(
            "E" + keys.hexadecimal("app event", block.number * MAX_EVENTS + np.arange(size))
        ),
        "type": kind.astype(object),
        "at": at,
        "mobile_id": mobile[of],
        "os": os[of],
        "os_tracking_allowed": allowed[of],
        "login_id": either(people.traces.login[person], login[person], None),
        "email": either(logs_in, people.login_email[person], None),
        "screen": pick(rng, SCREENS, size),
        "product_id": either(
            shows | chance(rng, size, rates.app_product),
            pick(rng, goods["product_id"], size, goods["popularity"]),
            None,
        ),
        "user_agent": np.where(os[of] == "ios", agents(rng, "ios", size), agents(rng, "android", size)),
        "delivery": calendar.delivery_of(at),
    }
    return {
        "app_events": events,
        "device_owner": {
            "namespace": objects(["mobile_id"] * len(who)),
            "value": mobile,
            "person_id": people.person_id[who],
            "from_ts": calendar.at(np.zeros(len(who))),
            "to_ts": calendar.at(np.full(len(who), calendar.days * DAY)),
        },
    }


def mobile_ids(keys: Keys, index: Column) -> Column:
    """Upper-case UUIDs."""
    halves = zip(keys.hexadecimal("mobile", index), keys.hexadecimal("mobile tail", index), strict=True)
    return objects(f"{a[:8]}-{a[8:12]}-4{a[13:]}-A{b[1:4]}-{b[4:]}".upper() for a, b in halves)


def survey(block: Block, cookie_ids: Column) -> Frame:
    """Anonymous answers; some have a cookie in them, which must not be used."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    size = max(2, round(rates.survey * len(people)))
    at = calendar.at(rng.integers(0, calendar.days, size) * DAY + rng.integers(7 * 3600, 18 * 3600, size))
    stores = table("stores")["store_id"]
    filled = chance(rng, size, rates.survey_cookie) if len(cookie_ids) else np.zeros(size, dtype=bool)
    cookie = pick(rng, cookie_ids, size) if len(cookie_ids) else nothing(size)
    return {
        "answer_id": keys.text("answer", "Q", people.index[0] + np.arange(size), 8),
        "answered_at": at,
        "store_id": pick(rng, stores, size),
        "question": pick(rng, QUESTIONS, size),
        "score": rng.integers(1, 6, size),
        "comment": pick(rng, COMMENTS, size),
        "cookie_id": either(filled, cookie, None),
        "delivery": calendar.delivery_of(at),
    }

"""The tills: receipts with their lines, late and corrected ones included."""

from dataclasses import dataclass

import numpy as np

from data_samples.arrays import (
    Column,
    Frame,
    Ints,
    Mask,
    World,
    chance,
    either,
    pick,
    rank,
    some,
    stack,
    take,
)
from data_samples.block import Block
from data_samples.catalogue import products
from data_samples.deliveries import DAY, HISTORY_DAYS
from data_samples.people import CUSTOMER
from data_samples.reference import table
from data_samples.traps import trap

WEB_SHOP, CONTACT_CENTRE = "web_shop", "contact_centre"
LINES, LATE, BY_PHONE = "receipt_lines", "receipt_lines_late", "receipt_lines_contact_centre"
MAX_RECEIPTS = 2**20
"""More receipts than a block ever has."""


@dataclass(frozen=True)
class Receipts:
    """One receipt a row: when and where who bought, and in which delivery it is known."""

    receipt_id: Column
    person: Ints
    sold_at: Column
    store: Ints
    token: Column
    card: Column
    delivery: Ints
    late: Mask
    first_product: Ints


def tills(block: Block, card_in_use: Column) -> tuple[World, Receipts]:
    """The receipt lines of a block and the receipts behind them."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    person, piece = shoppers(block)
    size = len(person)
    sold_at = calendar.at(
        rng.integers(0, calendar.days, size) * DAY + rng.integers(7 * 3600, 18 * 3600, size)
    )
    store = store_of(block, person)
    on_time = calendar.delivery_of(sold_at)
    recent = (sold_at >= calendar.start - np.timedelta64(1, "D")) & (on_time + 1 < calendar.deliveries)
    kind = table("stores")["store_kind"][store]
    late = some(rng, recent & (kind != CONTACT_CENTRE), rates.late)
    receipt_id = keys.text("receipt", "R", block.number * MAX_RECEIPTS + np.arange(size), 12)
    receipts = Receipts(
        receipt_id=receipt_id,
        person=person,
        sold_at=sold_at,
        store=store,
        token=either(piece < 0, None, token_values(block, person, np.maximum(piece, 0))),
        card=cards_shown(block, person, card_in_use),
        delivery=on_time + late,
        late=late,
        first_product=np.zeros(size, dtype=np.int64),
    )
    lines = receipt_lines(block, receipts)
    again = corrections(block, lines)
    seen = piece >= 0
    token, first = np.unique(receipts.token[seen].astype(str), return_index=True)
    lines["feed"] = np.where(late[lines["receipt"]], LATE, lines["feed"])
    all_lines = stack([lines, again])
    corrected = np.unique(again["receipt"])
    traps = [
        trap("late_file", people.person_id[person[late]], None, "tills", receipt_id[late]),
        trap("corrected_day2", people.person_id[person[corrected]], None, "tills", receipt_id[corrected]),
    ]
    all_lines.pop("receipt")
    world = {
        "receipt_lines": all_lines,
        "person_of_receipt": {"receipt_id": receipt_id, "person_id": people.person_id[person]},
        "person_of_record": {
            "source": np.full(len(token), "tills", dtype=object),
            "source_key": token.astype(object),
            "person_id": people.person_id[person[seen][first]],
        },
        "trap": stack(traps),
    }
    return world, receipts


def shoppers(block: Block) -> tuple[Ints, Ints]:
    """Buyer and piece of plastic (-1: cash) of each receipt; every piece is used at least once."""
    rng, calendar, people, rates = block.rng, block.calendar, block.people, block.rates
    traces = people.traces
    owner = np.repeat(np.arange(len(people)), traces.tokens)
    buys = (traces.tokens > 0) | traces.member
    count = np.where(buys, rng.poisson(rates.receipts * calendar.days / HISTORY_DAYS, len(people)), 0)
    more = np.repeat(np.arange(len(people)), count)
    piece = rng.integers(0, np.maximum(traces.tokens[more], 1))
    piece = np.where((traces.tokens[more] == 0) | chance(rng, len(more), rates.cash), -1, piece)
    return np.r_[owner, more], np.r_[rank(owner), piece]


def token_values(block: Block, person: Ints, piece: Ints) -> Column:
    """The payment token of a person's piece of plastic."""
    keys, people = block.keys, block.people
    return np.asarray("tok_" + keys.hexadecimal("token", people.index[person] * 2 + piece))


def store_of(block: Block, person: Ints) -> Ints:
    """Mostly the store of the home town, where there is one."""
    rng, people, rates = block.rng, block.people, block.rates
    stores = table("stores")
    anywhere = pick(rng, np.arange(len(stores["city"])), len(person), stores["weight"].astype(float))
    local = {
        city: k
        for k, (city, kind) in enumerate(zip(stores["city"], stores["store_kind"], strict=True))
        if kind == "store"
    }
    codes = table("postal_codes")
    city_of = dict(zip(codes["postal_code"], codes["city"], strict=True))
    home = np.array([local.get(city_of[code], -1) for code in people.homes.home.postal_code])[person]
    return np.where((home >= 0) & chance(rng, len(person), rates.home_store), home, anywhere)


def cards_shown(block: Block, person: Ints, card_in_use: Column) -> Column:
    """The loyalty card at the till: the buyer's own, sometimes another household member's, or none."""
    rng, people, rates = block.rng, block.people, block.rates
    draw = rng.random(len(person))
    mate = people.homes.other_member(people.traces.member & (people.subject == CUSTOMER))[person]
    others = (mate >= 0) & (draw < rates.other_card)
    own = ~others & (draw < rates.other_card + rates.card_shown)
    return either(others, card_in_use[mate], either(own, card_in_use[person], None))


def receipt_lines(block: Block, receipts: Receipts) -> Frame:
    """The lines of the receipts, amounts in cents."""
    rng, people, rates = block.rng, block.people, block.rates
    size = len(receipts.person)
    goods = products()
    count = 1 + np.minimum(rng.poisson(rates.extra_lines, size), 5)
    of = np.repeat(np.arange(size), count)
    product = pick(rng, np.arange(len(goods["product_id"])), len(of), goods["popularity"])
    receipts.first_product[:] = product[np.r_[0, np.cumsum(count)[:-1]]] if size else 0
    sign = np.where(chance(rng, size, rates.returns), -1, 1)[of]
    quantity = sign * np.where(chance(rng, len(of), rates.two_pieces), 2, 1)
    gross = quantity * goods["list_price"][product]
    share = np.where(chance(rng, len(of), rates.discount), rng.integers(1, 7, len(of)) * 5, 0)
    discount = gross * share // 100
    store = receipts.store[of]
    stores = table("stores")
    online = stores["store_kind"][receipts.store] == WEB_SHOP
    mailed = chance(rng, size, np.where(online, rates.e_receipt_online, rates.e_receipt))
    email = either(mailed, people.login_email[receipts.person], None)
    by_phone = stores["store_kind"][store] == CONTACT_CENTRE
    return {
        "receipt": of,
        "receipt_id": receipts.receipt_id[of],
        "line_no": rank(of) + 1,
        "store_id": stores["store_id"][store],
        "till_no": rng.integers(1, 6, size)[of],
        "sold_at": receipts.sold_at[of],
        "product_id": goods["product_id"][product],
        "quantity": quantity,
        "gross_amount": gross,
        "discount_amount": discount,
        "net_amount": gross - discount,
        "loyalty_card_no": receipts.card[of],
        "payment_token": receipts.token[of],
        "e_receipt_email": email[of],
        "delivery": receipts.delivery[of],
        "feed": np.where(by_phone, BY_PHONE, LINES).astype(object),
    }


def corrections(block: Block, lines: Frame) -> Frame:
    """Lines sent again in the next delivery: another discount, or nothing sold after all."""
    rng, calendar, rates = block.rng, block.calendar, block.rates
    recent = lines["sold_at"] >= calendar.start - np.timedelta64(6, "D")
    may = recent & (lines["feed"] == LINES) & (lines["delivery"] == calendar.delivery_of(lines["sold_at"]))
    again = take(lines, some(rng, may & (lines["delivery"] + 1 < calendar.deliveries), rates.corrected_line))
    size = len(again["receipt"])
    cancelled = chance(rng, size, rates.cancelled_line)
    discount = again["discount_amount"] + again["gross_amount"] // 10
    for name in ("quantity", "gross_amount"):
        again[name] = np.where(cancelled, 0, again[name])
    again["discount_amount"] = np.where(cancelled, 0, discount)
    again["net_amount"] = again["gross_amount"] - again["discount_amount"]
    again["delivery"] = again["delivery"] + 1
    return again

"""What was said with contacts: conversations, complaints, feedback, surveys and deliveries."""

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Frame, Ints, chance, either, nothing, objects, pick, stack, take
from data_samples.block import Block
from data_samples.deliveries import DAY
from data_samples.rates import Rates
from data_samples.reference import table
from data_samples.registers import Life

CHANNELS = ("phone", "chat", "email", "store")
TEAMS, TEAM_WEIGHTS = ("Kajaani A", "Kajaani B", "Vaasa", "Chat"), (0.4, 0.3, 0.1, 0.2)
SPOKEN = ("fi", "sv", "en")


def interactions(block: Block, rows: Frame, index: Ints, life: Life) -> Frame:
    """Interactions of all days; open complaints are sent again when closed."""
    keys, rng, calendar, rates = block.keys, block.rng, block.calendar, block.rates
    may = np.flatnonzero((life.first == 0) & (rows["contact_kind"] == "person"))
    at = may[chance(rng, len(may), rates.interaction)]
    size = len(at)
    contact = take(rows, at)
    phrase = phrases_for(rng, contact["language"])
    kind = phrase["type"]
    opened = calendar.at(rng.integers(0, calendar.days, size) * DAY + rng.integers(25_000, 60_000, size))
    first = calendar.delivery_of(opened)
    complaint = kind == "complaint"
    is_open = complaint & chance(rng, size, rates.complaint_open)
    answered = (kind != "delivery") & chance(rng, size, rates.mood_known)
    mood = np.clip(rng.normal(np.where(complaint, -0.6, 0.35), 0.3, size), -1, 1).round(2) + 0.0
    delivery = kind == "delivery"
    frame = {
        "interaction_id": keys.text("interaction", "I", index[at], 8),
        "contact_id": contact["contact_id"],
        "channel": np.where(delivery, "courier", pick(rng, CHANNELS, size, (0.5, 0.25, 0.15, 0.1))),
        "type": kind,
        "topic": phrase["topic"],
        "opened_at": opened,
        "closed_at": np.where(is_open, np.datetime64("NaT"), opened + np.timedelta64(1, "h")),
        "status": np.where(is_open, "open", "closed").astype(object),
        "sentiment": np.where(answered, mood, np.nan),
        "csat": np.where(answered, np.clip(np.round(3 + 2 * mood), 1, 5), np.nan),
        "nps": np.where(kind == "survey", np.clip(np.round(6 + 5 * mood), 0, 10), np.nan),
        "agent_team": pick(rng, TEAMS, size, TEAM_WEIGHTS),
        "free_text": spoken(rng, contact, phrase["text"], rates),
        "receipt_id": nothing(size),
        "delivery_kind": either(
            delivery, np.where(contact["address_kind"] == "pick_up", "pick_up", "home"), None
        ),
        "delivery_postal_code": either(delivery, contact["postal_code"], None),
        "updated_at": opened + np.timedelta64(1, "h"),
        "delivery": first,
    }
    if calendar.deliveries == 1:
        return frame
    closed = take(frame, is_open & (first == 0) & chance(rng, size, rates.complaint_closed))
    closed["delivery"] = rng.integers(1, calendar.deliveries, size=len(closed["delivery"]))
    closed["closed_at"] = closed["updated_at"] = calendar.on_delivery(rng, closed["delivery"])
    closed["status"] = objects(["closed"] * len(closed["delivery"]))
    return stack([frame, closed])


def phrases_for(rng: Generator, language: Column) -> Frame:
    """Something said, in the language of each contact or else in English."""
    said = table("phrases")
    spoken_in = np.where(np.isin(language, SPOKEN), language, "en")
    chosen = np.zeros(len(language), dtype=np.int64)
    for code in SPOKEN:
        rows = spoken_in == code
        chosen[rows] = pick(rng, np.flatnonzero(said["language"] == code), int(rows.sum()))
    return take(said, chosen)


def spoken(rng: Generator, contact: Frame, text: Column, rates: Rates) -> Column:
    """Free texts; agents sometimes write down who called, and from where."""
    told = chance(rng, len(text), rates.personal_free_text)
    way = rng.integers(3, size=len(text))
    name = objects(f"{f} {la}" for f, la in zip(contact["first_name"], contact["last_name"], strict=True))
    for k, (intro, column) in enumerate(
        (
            ("Soittaja: ", name),
            ("Tavoittaa numerosta ", contact["phone_1"]),
            ("Lähetä osoitteeseen ", contact["email_1"]),
        )
    ):
        rows = told & (way == k) & (column != None)  # noqa: E711
        text = np.where(rows, text + " " + intro + np.where(rows, column, ""), text)
    return text

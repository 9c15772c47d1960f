"""The CRM: contacts with their permissions, duplicates included, and what was said with them."""

import numpy as np

from data_samples.arrays import (
    Column,
    Frame,
    Ints,
    World,
    chance,
    either,
    nothing,
    objects,
    pick,
    rank,
    some,
    stack,
    take,
)
from data_samples.block import Block
from data_samples.households import pick_up_points
from data_samples.interactions import interactions
from data_samples.people import B2B, CUSTOMER, TEST, People
from data_samples.records import write_records
from data_samples.registers import Life, live, versions
from data_samples.traps import in_records

LINK = "profiling_link"
OTHERS = (
    "analytics",
    "personalisation",
    "email_marketing",
    "sms_marketing",
    "phone_marketing",
    "post_marketing",
    "ads",
    "development",
)
VALUES = ("granted", "refused", "withdrawn", "objected", "default_yes", "not_asked", "pending")
VALUE_WEIGHTS = (0.5, 0.2, 0.04, 0.02, 0.1, 0.08, 0.06)
CHANNELS, CHANNEL_WEIGHTS = ("phone", "email", "web", "store"), (0.35, 0.25, 0.25, 0.15)
MAX_CONTACTS = 4
FAR_AWAY = (
    ("1180 Palm Court Apt 6", "92107", "San Diego", "US", "+1619"),
    ("Calle del Sol 14, 2B", "29640", "Fuengirola", "ES", "+34600"),
    ("88 Beach Road", "20150", "Pattaya", "TH", "+6681"),
)


def crm(block: Block) -> World:
    """The tables of the CRM."""
    keys, rng, people, rates = block.keys, block.rng, block.people, block.rates
    who = np.repeat(np.arange(len(people)), people.traces.contacts)
    place = rank(who)
    index = people.index[who] * MAX_CONTACTS + place
    contact_id = keys.text("contact", "C", index, 8)
    written = write_records(rng, people, who, rates.crm_record, keeps_old_numbers=False)
    life = live(block, people.subject[who] == CUSTOMER)
    rows = contact_rows(block, who, place, contact_id, written.fields)
    abroad, pick_up = go_abroad(block, who, rows), use_pick_up(block, who, rows)
    send_elsewhere(block, who, rows)
    companies = company_rows(block, rows)
    company_contacts = versions(block, "contact_id", companies, {}, live_always(len(companies["contact_id"])))
    current = {"email_1": written.current["email"], "phone_1": written.current["phone"]}
    current |= {name: written.current[name] for name in ("street", "postal_code", "city", "country")}
    current["address_kind"] = objects(["home"] * len(who))
    contacts = stack([versions(block, "contact_id", rows, current, life), company_contacts])
    permissions = contact_permissions(block, who, rows, life)
    person = people.person_id[who]
    traps = in_records(
        written.traps
        | {
            "duplicate_contact": place > 0,
            "abroad": abroad,
            "pick_up_address": pick_up,
            "corrected_day2": life.corrected >= 0,
            "deleted_day2": life.deleted >= 0,
            "consent_withdrawn": life.corrected >= 0,
        },
        person,
        "crm",
        contact_id,
    )
    return {
        "contacts": contacts,
        "permissions": permissions,
        "interactions": interactions(block, rows, index, life),
        "person_of_record": {
            "source": objects(["crm"] * (len(who) + len(companies["contact_id"]))),
            "source_key": np.r_[contact_id, companies["contact_id"]],
            "person_id": np.r_[person, keys.text("person", "p", companies_index(people), 8)],
        },
        "trap": stack(traps),
    }


def live_always(size: int) -> Life:
    """Records that come first and stay as they are."""
    never = np.full(size, -1)
    return Life(np.zeros(size, dtype=np.int64), never, never)


def contact_rows(block: Block, who: Ints, place: Ints, contact_id: Column, fields: Frame) -> Frame:
    """Contacts as first entered."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    size = len(who)
    b2b = people.subject[who] == B2B
    company = either(b2b, company_names(block)[who], None)
    more = ~b2b & chance(rng, size, rates.second_contact_point)
    member = (
        people.traces.member[who]
        & ~(people.subject[who] == TEST)
        & chance(rng, size, rates.loyalty_no_in_crm)
    )
    email = np.where(people.subject[who] == TEST, "test@test.fi", fields["email"])
    return {
        "contact_id": contact_id,
        "contact_kind": objects(["person"] * size),
        "first_name": fields["first_name"],
        "last_name": fields["last_name"],
        "birth_date": np.where(b2b, np.datetime64("NaT"), fields["birth_date"]),
        "email_1": np.where(b2b, mailbox(company), email),
        "email_2": either(more & (fields["email"] != people.other_email[who]), people.other_email[who], None),
        "phone_1": fields["phone"],
        "phone_2": nothing(size),
        **{name: either(b2b, None, fields[name]) for name in ("street", "postal_code", "city", "country")},
        "address_kind": either(b2b | (fields["street"] == None), None, "home"),  # noqa: E711
        "language": fields["language"],
        "loyalty_member_no": either(member, keys.text("member", "M", people.index[who], 8), None),
        "subject_kind": people.subject[who],
        "company_name": company,
        "created_at": calendar.at(-rng.integers(1600, 3000, size=size) * 86_400 + place * 86_400),
    }


def company_names(block: Block) -> Column:
    """For each b2b contact the name of the company, else None."""
    keys, people = block.keys, block.people
    number = keys.number("company", companies_of(people), 10**7)
    return objects(
        f"Firma {n:07d} Oy" if c >= 0 else None for n, c in zip(number, people.company, strict=True)
    )


def companies_of(people: People) -> Ints:
    """A running number over the world of each person's company."""
    return np.asarray(people.index[0] // 2 + np.maximum(people.company, 0))


def companies_index(people: People) -> Ints:
    """Running numbers for the companies themselves, behind those of the people of the block."""
    companies = int(people.company.max()) + 1
    return np.asarray(people.index[-1] + 1 + np.arange(companies))


def mailbox(company: Column) -> Column:
    """The one mailbox all of a company's contacts write from."""
    return objects(None if name is None else f"info@{name.split()[1]}.firma.example" for name in company)


def company_rows(block: Block, rows: Frame) -> Frame:
    """The companies as contacts of their own."""
    keys, people = block.keys, block.people
    first = np.flatnonzero(rows["company_name"] != None)  # noqa: E711
    _, at = np.unique(rows["company_name"][first].astype(str), return_index=True)
    company = take(rows, first[np.sort(at)])
    size = len(at)
    company["contact_id"] = keys.text("contact", "C", companies_index(people) * MAX_CONTACTS, 8)
    company["contact_kind"] = objects(["company"] * size)
    company["first_name"] = company["last_name"] = company["phone_1"] = nothing(size)
    return company


def go_abroad(block: Block, who: Ints, rows: Frame) -> Column:
    """Give people abroad their address and phone there, in place."""
    rng, people = block.rng, block.people
    abroad = np.asarray(people.abroad[who])
    at = np.flatnonzero(abroad)
    there = pick(rng, objects(FAR_AWAY), len(at))
    for column, values in zip(
        ("street", "postal_code", "city", "country"), zip(*there, strict=True), strict=False
    ):
        rows[column][at] = objects(values)
    rows["phone_1"][at] = objects(f"{place[4]}{rng.integers(10**6, 10**7)}" for place in there)
    rows["address_kind"][at] = "home"
    return abroad


def use_pick_up(block: Block, who: Ints, rows: Frame) -> Column:
    """Replace some home addresses by pick-up points, in place."""
    rng, people, rates = block.rng, block.people, block.rates
    may = (people.subject[who] == CUSTOMER) & ~people.abroad[who]
    chosen = some(rng, may, rates.pick_up)
    points = pick_up_points(rng, int(chosen.sum()))
    rows["street"][chosen], rows["postal_code"][chosen] = points.street, points.postal_code
    rows["city"][chosen], rows["country"][chosen], rows["address_kind"][chosen] = points.city, "FI", "pick_up"
    return chosen


def send_elsewhere(block: Block, who: Ints, rows: Frame) -> None:
    """Replace some home addresses by the address of somebody who was sent a present, in place."""
    rng, people = block.rng, block.people
    at_home = (people.subject[who] == CUSTOMER) & (rows["address_kind"] == "home") & ~people.abroad[who]
    at = np.flatnonzero(some(rng, at_home, block.rates.delivery_address))
    there, homes = rng.integers(len(people), size=len(at)), people.homes.home
    rows["street"][at], rows["postal_code"][at] = homes.street[there], homes.postal_code[there]
    rows["city"][at], rows["address_kind"][at] = homes.city[there], "delivery"


def contact_permissions(block: Block, who: Ints, rows: Frame, life: Life) -> Frame:
    """Answers a contact: linking always, the rest often, some bound to an address or withdrawn later."""
    rng, calendar, people, rates = block.rng, block.calendar, block.people, block.rates
    size = len(who)
    yes = np.where(people.linking_open[who], rates.linking_yes_if_open[1], rates.linking_yes_if_not[1])
    refusal = pick(rng, VALUES[1:], size, (0.4, 0.12, 0.03, 0.2, 0.15, 0.1))
    frames = [
        permission(block, rows, np.arange(size), LINK, np.where(chance(rng, size, yes), "granted", refusal))
    ]
    for code in OTHERS:
        at = np.flatnonzero(chance(rng, size, rates.permission_asked_crm))
        frames.append(permission(block, rows, at, code, pick(rng, VALUES, len(at), VALUE_WEIGHTS)))
    at = np.flatnonzero((rows["email_1"] != None) & chance(rng, size, rates.contact_point_permission))  # noqa: E711
    bound = permission(block, rows, at, "email_marketing", objects(["withdrawn"] * len(at)))
    frames.append(bound | {"contact_point": rows["email_1"][at]})
    late = np.flatnonzero(life.corrected >= 0)
    changed = permission(block, rows, late, "email_marketing", objects(["withdrawn"] * len(late)))
    changed |= {"at": calendar.on_delivery(rng, life.corrected[late]), "from_delivery": life.corrected[late]}
    return stack([*frames, changed])


def permission(block: Block, rows: Frame, at: Column, code: str, value: Column) -> Frame:
    """One answer for each of those contacts, known from a delivery on."""
    rng, calendar, rates = block.rng, block.calendar, block.rates
    size = len(at)
    shown = chance(rng, size, rates.benefit_shown)
    return {
        "contact_id": rows["contact_id"][at],
        "code": np.full(size, code, dtype=object),
        "value": value.astype(object),
        "at": calendar.at(
            -rng.integers(1, 1500, size=size) * 86_400 + rng.integers(25_000, 60_000, size=size)
        ),
        "channel": pick(rng, CHANNELS, size, CHANNEL_WEIGHTS),
        "notice_version": pick(rng, ("2024-1", "2025-1", "2025-2"), size, (0.2, 0.35, 0.45)),
        "benefit_shown": shown,
        "benefit_type": either(shown, pick(rng, ("discount", "service", "information"), size), None),
        "contact_point": nothing(size),
        "from_delivery": np.zeros(size, dtype=np.int64),
    }

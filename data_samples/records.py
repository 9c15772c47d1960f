"""A person as a register writes it down, with the noise of that register."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_samples import noise
from data_samples.arrays import Column, Frame, Ints, Mask, chance, either, objects, some
from data_samples.people import CUSTOMER, People
from data_samples.rates import RecordRates

NO_EMAIL, NO_PHONE, NO_DATE, NO_STREET = "test@test.fi", "0400000000", np.datetime64("1900-01-01"), "ei ole"


@dataclass(frozen=True)
class Written:
    """Records of people, the same records with today's values, and which realism cases they hold."""

    fields: Frame
    current: Frame
    traps: dict[str, Mask]


def write_names(
    rng: Generator, people: People, who: Ints, rates: RecordRates
) -> tuple[Frame, dict[str, Mask]]:
    """First and last names with everything that happens to names."""
    size = len(who)
    married = people.former_last[who] != people.last[who]
    former = married & chance(rng, size, rates.former_name)
    last = np.where(former, people.former_last[who], people.last[who])
    first = np.where(chance(rng, size, rates.every_given_name), people.given[who], people.first[who])
    first, nicknamed = noise.nickname(rng, first, chance(rng, size, rates.nickname))
    first, variant_first = noise.variant(rng, first, chance(rng, size, rates.variant))
    last, variant_last = noise.variant(rng, last, chance(rng, size, rates.variant))
    nordic = noise.has_nordic(first + last)
    draw = rng.random(size)
    spelt = np.zeros(size, dtype=bool)
    for rate, how in (
        (rates.folded, noise.folded),
        (rates.transliterated, noise.spelt_out),
        (rates.mojibake, noise.mojibake),
    ):
        hit = nordic & (draw >= 0) & (draw < rate)
        first, last = noise.change(first, hit, how), noise.change(last, hit, how)
        spelt, draw = spelt | hit, draw - rate
    slips = some(rng, people.subject[who] == CUSTOMER, rates.typo)
    in_last = rng.random(size) < 0.5
    first = noise.change(first, slips & ~in_last, lambda text: noise.typo(rng, text))
    last = noise.change(last, slips & in_last, lambda text: noise.typo(rng, text))
    swapped = some(rng, people.subject[who] == CUSTOMER, rates.swapped)
    first, last = np.where(swapped, last, first), np.where(swapped, first, last)
    loud = chance(rng, size, rates.capitals)
    first, last = noise.change(first, loud, str.upper), noise.change(last, loud, str.upper)
    traps = {
        "married_name": former,
        "nickname": nicknamed,
        "transliterated": spelt | variant_first | variant_last,
        "typo": slips,
        "swapped_name": swapped,
    }
    return {"first_name": first, "last_name": last}, traps


def write_records(
    rng: Generator, people: People, who: Ints, rates: RecordRates, *, keeps_old_numbers: bool
) -> Written:
    """One record for each row of who (a person may come more than once)."""
    size = len(who)
    plain = people.subject[who] == CUSTOMER
    names, traps = write_names(rng, people, who, rates)
    wrong = some(rng, plain, rates.birth_date_error)
    birth = noise.wrong_date(rng, people.birth[who], wrong)
    gave = (people.number_heir[who] >= 0) & keeps_old_numbers
    got = np.isin(who, people.number_heir[people.number_heir >= 0])
    other_email = chance(rng, size, rates.other_email)
    other_number = (chance(rng, size, rates.other_phone) & ~got) | gave
    no_email = ~chance(rng, size, np.where(people.traces.login[who], rates.email_if_login, rates.email))
    no_phone = ~(chance(rng, size, rates.phone) | gave | got)
    no_address = chance(rng, size, rates.no_address)
    former_home = people.homes.moved[who] & chance(rng, size, rates.former_address)
    no_flat = chance(rng, size, rates.no_flat)
    home, former = people.homes.home, people.homes.former_home

    def address(now: Column, before: Column) -> Column:
        return either(no_address, None, either(former_home, before[who], now[who]))

    fields = {
        **names,
        "birth_date": np.where(chance(rng, size, rates.no_birth_date), np.datetime64("NaT"), birth),
        "email": either(no_email, None, either(other_email, people.other_email[who], people.email[who])),
        "phone": noise.phone(
            rng,
            either(no_phone, None, either(other_number, people.other_number[who], people.number[who])),
        ),
        "street": noise.change(address(home.street, former.street), no_flat, without_flat),
        "postal_code": address(home.postal_code, former.postal_code),
        "city": address(home.city, former.city),
        "country": either(no_address, None, "FI").astype(object),
        "language": people.language[who],
    }
    current = fields | {
        "last_name": np.where(traps["married_name"], people.last[who], fields["last_name"]),
        "email": people.email[who],
        "phone": noise.phone(rng, people.number[who]),
        "street": home.street[who],
        "postal_code": home.postal_code[who],
        "city": home.city[who],
        "country": objects(["FI"] * size),
    }
    placeholder = some(rng, plain & ~gave & ~got, rates.placeholder)
    put_placeholders(rng, fields, placeholder)
    traps |= {
        "birth_date_error": wrong,
        "placeholder": placeholder,
        "recycled_phone": gave | got,
        "changed_email": other_email & ~no_email,
        "shared_email": people.homes.shares_email[who] & ~no_email & ~other_email,
        "moved": former_home & ~no_address,
    }
    return Written(fields, current, traps)


def without_flat(street: str) -> str:
    """The street and house number only."""
    words = street.split(" ")
    return " ".join(words[: next((k for k, word in enumerate(words) if word.isdigit()), len(words)) + 1])


def put_placeholders(rng: Generator, fields: Frame, where: Mask) -> None:
    """Overwrite one field of those records by a value that says nothing, in place."""
    field = rng.integers(5, size=len(where))
    fields["email"][where & (field == 0)] = NO_EMAIL
    fields["phone"][where & (field == 1)] = NO_PHONE
    fields["birth_date"][where & (field == 2)] = NO_DATE
    fields["street"][where & (field == 3)] = NO_STREET
    fields["first_name"][where & (field == 4)] = "-"

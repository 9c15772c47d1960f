"""Households: who lives with whom, where, and where before."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Ints, Mask, chance, nothing, objects, pick, rank
from data_samples.rates import Rates
from data_samples.reference import FINNISH, FOREIGN, FOREIGN_WEIGHTS, SWEDISH, table

FLATS = ("", "", " A 1", " A 4", " A 12", " B 7", " B 23", " C 31", " as. 2", " as. 5")


@dataclass(frozen=True)
class Addresses:
    """One address a row."""

    street: Column
    postal_code: Column
    city: Column


@dataclass(frozen=True)
class Households:
    """For each person: the household (a running number in the block) and the place in it."""

    household: Ints
    position: Ints
    size: Ints
    couple: Mask
    origin: Column
    home: Addresses
    former_home: Addresses
    moved: Mask
    shares_email: Mask
    has_twins: Mask

    def other_member(self, among: Mask) -> Ints:
        """For each person another household member among those, or -1."""
        count = int(self.household[-1]) + 1
        first, last = np.full(count, -1), np.full(count, -1)
        rows = np.flatnonzero(among)
        last[self.household[rows]] = rows
        first[self.household[rows[::-1]]] = rows[::-1]
        own = np.arange(len(self.household))
        mate = np.where(first[self.household] != own, first[self.household], last[self.household])
        return np.where(mate == own, -1, mate)


def addresses(rng: Generator, origin: Column) -> Addresses:
    """An address for each origin: Swedish speakers write the Swedish street name, in bilingual towns."""
    size = len(origin)
    codes, streets = table("postal_codes"), table("streets")
    weights = codes["weight"].astype(float)
    place = pick(rng, np.arange(len(weights)), size, weights)
    bilingual = np.flatnonzero(codes["city_sv"] != "")
    place = np.where(origin == SWEDISH, pick(rng, bilingual, size, weights[bilingual]), place)
    street = rng.integers(len(streets["fi"]), size=size)
    name = np.where(origin == SWEDISH, streets["sv"][street], streets["fi"][street])
    number = objects(f" {n}" for n in np.minimum(rng.geometric(0.06, size), 120))
    city = np.where(origin == SWEDISH, codes["city_sv"][place], codes["city"][place])
    return Addresses(name + number + pick(rng, FLATS, size), codes["postal_code"][place], city)


def make_households(rng: Generator, persons: int, singles: int, rates: Rates) -> Households:
    """Households for that many persons, then as many people who live alone."""
    sizes = rng.choice(np.arange(1, 7), size=persons, p=rates.household_sizes)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), persons) + 1]
    sizes[-1] -= sizes.sum() - persons
    sizes = np.r_[sizes, np.ones(singles, dtype=int)]
    count = len(sizes)
    origin = np.where(chance(rng, count, rates.swedish), SWEDISH, FINNISH).astype(object)
    foreign = chance(rng, count, rates.foreign)
    origin[foreign] = pick(rng, FOREIGN, int(foreign.sum()), FOREIGN_WEIGHTS)
    home, former = addresses(rng, origin), addresses(rng, origin)
    of = np.repeat(np.arange(count), sizes)

    def each(column: Column) -> Column:
        return np.asarray(column[of])

    def lived(place: Addresses) -> Addresses:
        return Addresses(each(place.street), each(place.postal_code), each(place.city))

    return Households(
        household=of,
        position=rank(of),
        size=each(sizes),
        couple=each((sizes > 1) & chance(rng, count, rates.couple)),
        origin=each(origin),
        home=lived(home),
        former_home=lived(former),
        moved=each(chance(rng, count, rates.moved)),
        shares_email=each((sizes > 1) & chance(rng, count, rates.shared_email)),
        has_twins=each((sizes > 3) & chance(rng, count, rates.twins)),
    )


def pick_up_points(rng: Generator, size: int) -> Addresses:
    """Post offices and lockers where parcels wait: the same few addresses for many people."""
    points = objects(
        [
            ("Elielinaukio 2", "00100", "Helsinki"),
            ("Rautatienkatu 25", "33100", "Tampere"),
            ("Kauppakeskus Itis, lokero", "00930", "Helsinki"),
            ("Asema-aukio 1", "20100", "Turku"),
            ("Torikatu 18", "90100", "Oulu"),
            ("Tulliportinkatu 9", "70100", "Kuopio"),
        ]
    )
    chosen = pick(rng, points, size, (6, 3, 3, 2, 2, 2))
    street, postal_code, city = (
        (objects(part) for part in zip(*chosen, strict=True)) if size else (nothing(0),) * 3
    )
    return Addresses(street, postal_code, city)

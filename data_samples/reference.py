"""Names, streets, postal codes, stores and phrases: the small tables the world is drawn from."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data_samples.arrays import Column, Frame, objects

FOLDER = Path(__file__).parent / "reference"

FINNISH, SWEDISH = "fi", "sv"
FOREIGN = ("ru", "et", "en", "ar", "so")
FOREIGN_WEIGHTS = (0.32, 0.22, 0.14, 0.16, 0.16)
LANGUAGE = {"fi": "fi", "sv": "sv", "ru": "ru", "et": "et", "en": "en", "ar": "en", "so": "fi"}
"""The language of service a household of each origin asks for."""


@dataclass(frozen=True)
class NamePool:
    """Names of one kind with their frequencies."""

    names: Column
    weights: Column


@cache
def table(name: str) -> Frame:
    """A reference file, all columns as strings."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: objects(row[column] for row in rows) for column in rows[0]}


@cache
def names(origin: str, kind: str, gender: str) -> NamePool:
    """First ("first", M or F) or last ("last", "") names of an origin."""
    if origin == FINNISH:
        source = table(f"{kind}_names")
        wanted = source["gender"] == gender if kind == "first" else source["name"] != ""
    else:
        source = table("swedish_names" if origin == SWEDISH else "foreign_names")
        wanted = (source["kind"] == kind) & (source["gender"] == gender)
        if origin != SWEDISH:
            wanted &= source["origin"] == origin
    weights = source["n"][wanted] if "n" in source else objects([1] * int(wanted.sum()))
    return NamePool(source["name"][wanted], weights.astype(float))


@cache
def variants() -> dict[str, tuple[str, ...]]:
    """Other transliterations of foreign names."""
    source = table("foreign_names")
    return {
        name: tuple(other.split("|")) for name, other in zip(source["name"], source["variants"], strict=True)
    }


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """What people of a first name are called in daily life."""
    found: dict[str, tuple[str, ...]] = {}
    source = table("nicknames")
    for name, nickname in zip(source["name"], source["nickname"], strict=True):
        found[name] = (*found.get(name, ()), nickname)
    return found

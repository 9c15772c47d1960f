"""What everything in a block is made with."""

from dataclasses import dataclass

from numpy.random import Generator

from data_samples.arrays import Keys
from data_samples.deliveries import Calendar
from data_samples.people import People
from data_samples.rates import Rates


@dataclass(frozen=True)
class Block:
    """Some of the world's people, and what their data is made with."""

    number: int
    people: People
    rng: Generator
    keys: Keys
    calendar: Calendar
    rates: Rates

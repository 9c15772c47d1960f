"""The days of a world and its deliveries."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Ints

HISTORY_DAYS = 30
DAY = 86_400


@dataclass(frozen=True)
class Calendar:
    """The first delivery date and how many daily deliveries there are."""

    start: np.datetime64
    deliveries: int

    @property
    def first_day(self) -> np.datetime64:
        """The first day of the event history."""
        return self.start - np.timedelta64(HISTORY_DAYS - 1, "D")

    @property
    def days(self) -> int:
        """Days with events, up to the last delivery date."""
        return HISTORY_DAYS - 1 + self.deliveries

    def at(self, seconds: Column) -> Column:
        """The time so many seconds after the history began."""
        return np.asarray(
            self.first_day.astype("datetime64[s]") + np.asarray(seconds).astype("timedelta64[s]")
        )

    def delivery_of(self, time: Column) -> Ints:
        """In which delivery an event of that time comes: that of its day, history in the first."""
        return np.maximum(0, (time.astype("datetime64[D]") - self.start).astype(np.int64))

    def on_delivery(self, rng: Generator, delivery: Ints) -> Column:
        """A time in the office hours of those deliveries' dates."""
        seconds = (delivery + HISTORY_DAYS - 1) * DAY + rng.integers(7 * 3600, 17 * 3600, size=len(delivery))
        return self.at(seconds)

    def before_delivery(self, rng: Generator, delivery: Ints, days: int) -> Column:
        """A time within so many days before those deliveries' dates, for the first; else on the date."""
        earlier = self.on_delivery(rng, delivery) - (
            rng.integers(1, days + 1, size=len(delivery)) * DAY
        ).astype("timedelta64[s]")
        return np.where(delivery == 0, earlier, self.on_delivery(rng, delivery))

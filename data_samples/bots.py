"""Requests of crawlers, which are in the access log only."""

import numpy as np

from data_samples.arrays import Frame, objects, pick
from data_samples.block import Block
from data_samples.catalogue import products
from data_samples.cookies import agents
from data_samples.deliveries import DAY

MAX_REQUESTS = 2**20
"""More requests than a block ever has."""


def bots(block: Block, persons: int) -> Frame:
    """One crawler request a row, from the address range kept for documentation."""
    rng, calendar = block.rng, block.calendar
    size = max(10, round(block.rates.bot_hits * persons))
    goods = products()
    paths = objects(
        ["/robots.txt", "/sitemap.xml", "/"]
        + [f"/{c}/{p}" for c, p in zip(goods["category"], goods["product_id"], strict=True)]
    )
    return {
        "number": block.number * MAX_REQUESTS + np.arange(size),
        "at": calendar.at(rng.integers(0, calendar.days * DAY, size)),
        "ip": objects(f"203.0.113.{n}" for n in rng.integers(1, 255, size)),
        "path": pick(rng, paths, size),
        "status": pick(rng, np.array([200, 301, 404]), size, (0.9, 0.05, 0.05)),
        "user_agent": agents(rng, "bot", size),
    }

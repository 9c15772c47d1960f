"""Command line: generate a simulated world of landing files and truth.

python -m data_samples.generate --persons 600 --days 2 --seed 7 --out world
"""

import argparse
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_samples.app import app, survey
from data_samples.arrays import Keys, World, stack
from data_samples.block import Block
from data_samples.bots import bots
from data_samples.crm import crm
from data_samples.deliveries import Calendar
from data_samples.loyalty import loyalty
from data_samples.people import Extent, make_people
from data_samples.personas import with_personas
from data_samples.rates import RATES
from data_samples.shop import write_shop
from data_samples.tills import tills
from data_samples.traps import among_people, consent_conflicts
from data_samples.web import web
from data_samples.write import Place, join_truth, write_block, write_totals

BLOCK = 25_000
"""Persons a block; blocks know nothing of each other."""
STRIDE = 2 * BLOCK
"""Running numbers a block may give out."""
LEAST = 100
"""Persons below which some realism cases would find nobody."""


@dataclass(frozen=True)
class Task:
    """A block to make: its number, its size, and the world it belongs to."""

    block: int
    persons: int
    total: int
    seed: int
    place: Place


def make_block(task: Task) -> pa.Table:
    """Make and write one block; the result is what it adds to the control totals."""
    rng = np.random.default_rng(np.random.SeedSequence([task.seed, task.block]))
    keys, calendar = Keys(task.seed), task.place.calendar
    people = make_people(keys, rng, Extent(task.persons, task.block * STRIDE, task.total), RATES)
    block = Block(task.block, people, rng, keys, calendar, RATES)
    members, card_in_use = loyalty(block)
    contacts = crm(block)
    sales, receipts = tills(block, card_in_use)
    visits = web(block, receipts)
    phones = app(block)
    world: World = {
        **members,
        **contacts,
        **sales,
        **visits,
        **phones,
        "answers": survey(block, np.unique(visits["hits"]["cookie_id"].astype(str))),
        "bots": bots(block, task.persons),
    }
    parts = (members, contacts, sales, visits, phones)
    for name in ("person_of_record", "device_owner", "trap"):
        world[name] = stack([part[name] for part in parts if name in part])
    conflicts = consent_conflicts(world["consents"], world["permissions"], world["person_of_record"])
    world["trap"] = stack([world["trap"], *among_people(people), conflicts])
    if task.block == 0:
        world = with_personas(world, calendar)
    return write_block(rng, world, task.place)


def generate(persons: int, calendar: Calendar, seed: int, out: Path, workers: int = 1) -> None:
    """Write a world; the same arguments give the same bytes, whatever the number of workers."""
    blocks = -(-persons // BLOCK)
    tasks = [
        Task(
            block,
            min(BLOCK, persons - block * BLOCK),
            max(persons, LEAST),
            seed,
            Place(out, calendar, f"_p{block + 1:04d}" if blocks > 1 else ""),
        )
        for block in range(blocks)
    ]
    if blocks == 1 or workers == 1:
        changes = [make_block(task) for task in tasks]
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            changes = list(pool.map(make_block, tasks))
    whole = Place(out, calendar, "")
    write_shop(whole)
    write_totals(changes, whole)
    join_truth(out)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line; a wrong argument ends with one line."""
    parser = argparse.ArgumentParser(
        prog="data_samples.generate", description="Generate a simulated retailer's data."
    )
    parser.add_argument("--persons", type=int, required=True, help=f"how many persons ({LEAST} at least)")
    parser.add_argument("--days", type=int, required=True, help="how many daily deliveries (1 at least)")
    parser.add_argument("--seed", type=int, required=True, help="another seed, another world (0 at least)")
    parser.add_argument("--out", type=Path, required=True, help="folder for landing/ and truth/")
    parser.add_argument(
        "--start", default="2026-01-31", help="date of the first delivery (default %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--force", action="store_true", help="replace landing/ and truth/ in the folder")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Check the arguments and write the world; the exit code is 2 for a wrong argument."""
    given = arguments(argv)
    try:
        start = np.datetime64(given.start, "D")
        if given.persons < LEAST or given.days < 1 or given.seed < 0 or given.workers < 1:
            raise ValueError(f"needs --persons >= {LEAST}, --days >= 1, --seed >= 0 and --workers >= 1")
        if given.out.exists() and any(given.out.iterdir()):
            if not given.force:
                raise ValueError(f"{given.out} is not empty (--force replaces its landing/ and truth/)")
            for name in ("landing", "truth"):
                shutil.rmtree(given.out / name, ignore_errors=True)
        generate(given.persons, Calendar(start, given.days), given.seed, given.out, given.workers)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

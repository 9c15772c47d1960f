"""Ten days of a small world: customers join, change, withdraw and go; whom nothing happened to keeps the golden id.

Once in between a model is learnt anew, of what silver holds by then and with another seed, and the company goes on
with it. That may move a few ids; nothing else may move one without a reason.
"""

import datetime as dt
import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from data_samples.generate import main as generate
from identity.config import Config
from identity.config_reading import load_config
from identity.linkage.model_file import read_model
from identity.pipeline import run_stages
from identity.resolve.ledger import replay
from identity.run import Run
from identity.training import train_model
from tests.golden.conftest import FIRST, ROOT, World

DATES = [FIRST + dt.timedelta(days=n) for n in range(10)]
RETRAINED_ON = DATES[5]  # the first run with the new model, which was learnt the evening before
KEY = ["source", "source_key"]
DEVICES = ("cookie", "mobile_id")
Record = tuple[str, str]


class Day(NamedTuple):
    """What is so after a day's run: every record's id and permission, and what silver says of it."""

    ids: dict[Record, str]
    permission: dict[Record, str]
    content: dict[Record, str]


@pytest.fixture(scope="module")
def days(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Day]]:
    folder = tmp_path_factory.mktemp("ten_days")
    asked = ["--persons", "200", "--days", str(len(DATES)), "--seed", "11", "--workers", "1"]
    assert generate([*asked, "--out", str(folder)]) == 0
    world = World(spark, folder / "landing", folder / "warehouse", io.StringIO())
    config = load_config(ROOT / "conf" / "local.yaml", landing=world.landing, warehouse=world.warehouse)
    found = []
    for date in DATES:
        if date == RETRAINED_ON:
            config = retrained(world, config, folder / "anew.json", on=DATES[len(found) - 1])
        found.append(live(world, config, date))
    return world, found


def retrained(world: World, config: Config, model: Path, *, on: dt.date) -> Config:
    """The configuration with a model learnt of a day's silver, with another seed."""
    learning = config.matching.model_copy(update={"seed": config.matching.seed + 1})
    sure = read_model(config.matching.model).thresholds
    learner = config.model_copy(update={"matching": learning})
    train_model(world.tables, learner, version=model.stem, thresholds=sure, on=on).write(model)
    assert model.read_bytes() != config.matching.model.read_bytes()
    return config.model_copy(update={"matching": learning.model_copy(update={"model": model})})


def live(world: World, config: Config, date: dt.date) -> Day:
    """A day's run up to the ids; profiles are not looked at here."""
    run = Run(config, world.tables, date, config.secret(), Console(file=world.said))
    run_stages(run, ["ingest", "standardise", "resolve"])
    members = world.frame("id.golden_member")
    standing = members[members["valid_to_on"].isna()].set_index(KEY)
    content: dict[Record, str] = {}
    for name in ("silver.person_record", "silver.identifier"):
        for row in world.frame(name).to_dict("records"):
            key = (row["source"], row["source_key"])
            content[key] = content.get(key, "") + str(row)
    return Day(standing["golden_id"].to_dict(), standing["link_permission"].to_dict(), content)


@pytest.mark.long
def test_the_ledger_replays_to_the_membership_of_each_day(days: tuple[World, list[Day]]) -> None:
    world, found = days
    history = world.tables.read("id.golden_history").cache()
    for date, day in zip(DATES, found, strict=True):
        told = {(row.source, row.source_key): row.golden_id for row in replay(history, on=date).collect()}
        assert told == day.ids
    history.unpersist()


@pytest.mark.long
def test_no_id_changes_without_a_reason(days: tuple[World, list[Day]]) -> None:
    world, found = days
    ledger = world.frame("id.golden_history")
    moves, corrected = 0, 0
    for date, before, after in zip(DATES[1:], found, found[1:], strict=False):
        today = ledger[ledger["effective_on"] == date]
        left = Counter(
            today[today["event"] == "left"][[*KEY, "golden_id"]].itertuples(index=False, name=None)
        )
        joined = Counter(
            today[today["event"] == "joined"][[*KEY, "golden_id"]].itertuples(index=False, name=None)
        )
        moved = {key for key in set(before.ids) & set(after.ids) if before.ids[key] != after.ids[key]}
        assert left == Counter(
            (*key, golden) for key, golden in before.ids.items() if after.ids.get(key) != golden
        )
        assert joined == Counter(
            (*key, golden) for key, golden in after.ids.items() if before.ids.get(key) != golden
        )
        touched = touched_ids(before, after)
        of_nothing = [
            key
            for key in moved - touched.devices
            if before.ids[key] not in touched.ids and after.ids[key] not in touched.ids
        ]
        if date != RETRAINED_ON:
            assert not of_nothing, f"{date}: {len(of_nothing)} records changed their id and nothing happened"
        moves += len(moved)
        corrected += sum(
            before.content[key] != after.content[key] for key in set(before.content) & set(after.content)
        )
    assert moves > 10
    assert corrected > 10
    causes = Counter(zip(ledger["event"], ledger["cause"], strict=True))
    # Ten days have everything in them.
    for event, cause in (
        ("merged", "edge"),
        ("left", "record_gone"),
        ("left", "consent"),
        ("split", "edge_lost"),
    ):
        assert causes[event, cause] > 0, (event, cause)


@pytest.mark.long
def test_a_new_model_leaves_99_of_100_ids_as_they_are(days: tuple[World, list[Day]]) -> None:
    """All records and ids that stand on both days, and again those to which nothing else happened that day."""
    _, found = days
    place = DATES.index(RETRAINED_ON)
    before, after = found[place - 1], found[place]
    touched = touched_ids(before, after)
    both = set(before.ids) & set(after.ids)
    quiet = {key for key in both if {before.ids[key], after.ids[key]}.isdisjoint(touched.ids)}
    said = []
    for name, records in (("all", both), ("whom nothing else happened to", quiet)):
        kept = sum(before.ids[key] == after.ids[key] for key in records)
        ids = {before.ids[key] for key in records}
        living = len(ids & set(after.ids.values()))
        said.append((name, kept, len(records), living, len(ids)))
    told = "; ".join(
        f"{name}: {kept} of {records} records ({kept / records:.2%}) and {living} of {ids} ids ({living / ids:.2%}) kept"
        for name, kept, records, living, ids in said
    )
    print(told)
    assert len(quiet) > 300, told
    for _, kept, records, living, ids in said:
        assert kept >= 0.99 * records, told
        assert living >= 0.99 * ids, told


class Touched(NamedTuple):
    """Ids of yesterday and today to whose records something happened, and all devices."""

    ids: set[str]
    devices: set[Record]


def touched_ids(before: Day, after: Day) -> Touched:
    changed = {
        key
        for key in set(before.ids) | set(after.ids)
        if before.permission.get(key) != after.permission.get(key)  # new and gone records, too
        or before.content.get(key) != after.content.get(key)
    }
    ids = {day.ids[key] for day in (before, after) for key in changed if key in day.ids}
    return Touched(ids, {key for key in set(before.ids) | set(after.ids) if key[0] in DEVICES})


@pytest.mark.long
def test_the_crosswalk_leads_from_every_id_of_ten_days_to_one_that_lives(
    days: tuple[World, list[Day]],
) -> None:
    world, found = days
    crosswalk = world.frame("id.crosswalk").set_index("golden_id")
    ever = {golden for day in found for golden in day.ids.values()}
    living = set(found[-1].ids.values())
    assert set(crosswalk.index) == ever
    assert set(crosswalk["live_golden_id"].dropna()) == living
    assert set(crosswalk.index[crosswalk["why"] == "live"]) == living

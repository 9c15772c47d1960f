"""Maintenance destroys: it asks before a date that can only be mistyped, and leaves later runs their deliveries."""

import datetime as dt
import hashlib
import io
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.errors import RunDateError, SourceError
from identity.retention.maintain import maintain
from identity.retention.registers import age_files_register, age_landing
from identity.run import Run
from identity.sources.landing import LandingFile, find_files
from identity.tables import Tables, append_at, rows_at

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf/local.yaml"
DAY = dt.date(2026, 2, 1)
LONG_AGO, NEXT = dt.date(2019, 1, 1), dt.date(2019, 1, 2)
ON = dt.date(2030, 6, 1)


class ReachedError(Exception):
    """Rows would be taken away now."""


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    (tmp_path / "landing").mkdir()
    return load_config(CONF, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


def put(config: Config, name: str, **row: Any) -> None:
    contract = contract_of(name)
    append_at(config.warehouse, [{**dict.fromkeys(contract.columns), **row}], contract)


def published(config: Config, on: dt.date) -> None:
    put(config, "ops.publication", publication_no=1, run_id="r", published_for=on, versions=[])


def delivered(config: Config, source: str, file: str, *, feed: str = "f", status: str = "taken") -> None:
    put(
        config, "ops.file",
        file_id=file, status=status, source=source, feed=feed, file=file, batch_id="b", bytes=2,
        delivered_on=dt.date.fromisoformat(file[:10]), taken_for=dt.date.fromisoformat(file[:10]),
    )  # fmt: skip


def lands(config: Config, file: str, text: str = "x\n") -> None:
    path = config.landing / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise ReachedError

    monkeypatch.setattr("identity.retention.maintain._age_bronze", stop)


Maintain = Callable[..., None]


@pytest.fixture
def maintained(spark: SparkSession, config: Config) -> Maintain:
    def begun(on: dt.date, **options: bool) -> None:
        tables = Tables(spark, config.warehouse)
        maintain(Run(config, tables, on, config.secret(), Console(file=io.StringIO())), **options)

    return begun


def days_later(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


# The run date


@pytest.mark.usefixtures("reached")
def test_a_date_far_after_all_that_is_known_is_refused(config: Config, maintained: Maintain):
    published(config, DAY)
    with pytest.raises(RunDateError) as error:
        maintained(dt.date(2062, 2, 1))
    assert str(error.value) == (
        "2062-02-01 is 13149 days after 2026-02-01, the newest publication or delivery; what leaves for being older "
        "cannot be brought back: mend --run-date, or confirm it with --accept-run-date"
    )
    assert error.value.exit_code == 9
    with pytest.raises(RunDateError):
        maintained(days_later(61), keep_landing=True)


@pytest.mark.usefixtures("reached")
@pytest.mark.parametrize(
    ("on", "options"),
    [
        (days_later(60), {}),
        (days_later(61), {"accept_run_date": True}),
        (days_later(61), {"dry_run": True}),
    ],
)
def test_a_date_that_is_near_confirmed_or_only_counted_for_is_taken(
    config: Config, maintained: Maintain, on: dt.date, options: dict[str, bool]
):
    published(config, DAY)
    with pytest.raises(ReachedError):
        maintained(on, **options)


@pytest.mark.usefixtures("reached")
def test_the_newest_of_publications_and_deliveries_counts(config: Config, maintained: Maintain):
    published(config, DAY)
    delivered(config, "crm", f"{days_later(30)}/crm/contacts.jsonl")
    with pytest.raises(ReachedError):
        maintained(days_later(90))
    with pytest.raises(RunDateError, match=f"is 61 days after {days_later(30)}"):
        maintained(days_later(91))


@pytest.mark.usefixtures("reached")
def test_where_nothing_is_known_any_date_will_do(maintained: Maintain):
    with pytest.raises(ReachedError):
        maintained(dt.date(2062, 2, 1))


def test_the_job_takes_the_confirmation(config: Config, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, bool]] = []

    @contextmanager
    def no_session(_: Config, **__: Any) -> Iterator[None]:
        yield None

    def noted(_: Run, **options: bool) -> list[dict[str, Any]]:
        asked.append(options)
        return []

    monkeypatch.setattr("identity.cli.maintain.session", no_session)
    monkeypatch.setattr("identity.retention.maintain.maintain", noted)
    told = ["--conf", str(CONF), "--warehouse", str(config.warehouse), "--run-date", "2062-02-01"]
    for also in ([], ["--accept-run-date"]):
        monkeypatch.setattr(sys, "argv", ["maintain.py", *told, *also])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "jobs/maintain.py"), run_name="__main__")
        assert ended.value.code == 0
    assert [options["accept_run_date"] for options in asked] == [False, True]


# Deliveries whose files are gone


def found_after(config: Config) -> list[LandingFile]:
    """What the next run finds, once maintenance took what it may and the register forgot it."""
    age_landing(config, on=ON, dry_run=False)
    age_files_register(config, on=ON, dry_run=False)
    taken = {
        (row["delivered_on"], row["source"], row["feed"]) for row in rows_at(config.warehouse, "ops.file")
    }
    return find_files(config.landing, config.sources, up_to=ON, taken=taken)


@pytest.fixture
def aged_day(config: Config) -> Config:
    """A delivery of long ago, taken, with a marker that nobody takes."""
    for feed in ("receipt_lines", "till_totals"):
        lands(config, f"{LONG_AGO}/tills/{feed}.csv")
        delivered(config, "tills", f"{LONG_AGO}/tills/{feed}.csv", feed=feed)
    lands(config, f"{LONG_AGO}/tills/_SUCCESS", "")
    return config


def test_a_marker_left_in_an_old_delivery_asks_for_none_of_its_files(aged_day: Config):
    assert found_after(aged_day) == []
    assert [path.name for path in aged_day.landing.rglob("*") if path.is_file()] == ["_SUCCESS"]
    assert rows_at(aged_day.warehouse, "ops.file") == []


def test_nor_does_what_another_source_keeps_for_longer(aged_day: Config):
    crm = aged_day.sources["crm"].model_copy(update={"retention_days": 9999})
    config = aged_day.model_copy(update={"sources": {**aged_day.sources, "crm": crm}})
    lands(config, f"{LONG_AGO}/crm/contacts.jsonl", "{}\n")
    delivered(config, "crm", f"{LONG_AGO}/crm/contacts.jsonl", feed="contacts")
    assert [file.feed for file in found_after(config)] == ["contacts"]


def test_nor_does_a_day_whose_files_were_copies_that_the_register_knows_by_another(aged_day: Config):
    for feed in ("receipt_lines", "till_totals"):
        lands(aged_day, f"{NEXT}/tills/{feed}.csv", "y\n")
    lands(aged_day, f"{NEXT}/tills/_SUCCESS", "")
    put(
        aged_day, "ops.file",
        file_id=hashlib.sha256(b"y\n").hexdigest(), status="taken", source="tills",
        feed="stores", file="2019-01-03/tills/stores.csv", delivered_on=dt.date(2019, 1, 3), batch_id="b", bytes=2,
        taken_for=dt.date(2019, 1, 3),
    )  # fmt: skip
    assert found_after(aged_day) == []
    assert (aged_day.landing / f"{NEXT}/tills/_SUCCESS").exists()


def test_of_what_is_not_expired_every_required_file_is_asked_for(config: Config):
    oldest = ON - dt.timedelta(days=config.sources["tills"].retention_days)
    lands(config, f"{oldest}/tills/_SUCCESS", "")
    with pytest.raises(SourceError, match=rf"delivery {oldest}: tills/receipt_lines\*\.csv is missing"):
        found_after(config)

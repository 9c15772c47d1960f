"""Maintenance destroys: later runs find their deliveries all the same."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.errors import SourceError
from identity.retention.registers import age_files_register, age_landing
from identity.sources.landing import LandingFile, find_files
from identity.tables import append_at, rows_at

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf/local.yaml"
LONG_AGO, NEXT = dt.date(2019, 1, 1), dt.date(2019, 1, 2)
ON = dt.date(2030, 6, 1)


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    (tmp_path / "landing").mkdir()
    return load_config(CONF, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


def put(config: Config, name: str, **row: Any) -> None:
    contract = contract_of(name)
    append_at(config.warehouse, [{**dict.fromkeys(contract.columns), **row}], contract)


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

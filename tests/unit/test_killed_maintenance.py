"""Maintenance that died after it aged bronze: a repeat ends it, and so does a run, also of a date that was published."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.forget import must_forget
from identity.pipeline import STAGES, run_line, run_stages
from identity.retention.maintain import maintain
from identity.run import Run
from identity.tables import Tables, replace_at, rows_at
from tests.unit.by_hand import write

ON = dt.date(2030, 6, 1)
AT = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)
CONF = Path(__file__).parents[2] / "conf/local.yaml"
KEY = b"0123456789abcdef-key"


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    (tmp_path / "landing").mkdir()
    return load_config(CONF, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


@pytest.fixture
def tables(spark: SparkSession, config: Config, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """A warehouse published for the date with an expired view in it, where nothing else was delivered."""
    run = a_run(config, Tables(spark, config.warehouse))
    view = {
        "source": "web_events", "feed": "events", "file_id": "f", "file": "2020-01-01/web_events/events.jsonl",
        "row_no": 1, "delivered_on": dt.date(2020, 1, 1), "record": '{"url":"https://shop.example/secret"}',
        "batch_id": "b", "contract_version": 1,
    }  # fmt: skip
    write(config.warehouse, contract_of("bronze.web_events"), view)
    done = {
        "run_id": run.id, "run_on": ON, "key_fingerprint": run.key_fingerprint, "outcome": "published",
        "exit_code": 0, "summary": json.dumps({"told": "then"}), "started_at": AT,
    }  # fmt: skip
    write(config.warehouse, contract_of("ops.run"), done)
    published = {"publication_no": 1, "run_id": run.id, "published_for": ON, "versions": []}
    replace_at(config.warehouse, [published], contract_of("ops.publication"))
    monkeypatch.setattr("identity.pipeline.something_to_take", lambda _: False)
    return run.tables


def a_run(config: Config, tables: Tables, on: dt.date = ON) -> Run:
    return Run(config, tables, on, KEY, Console(file=io.StringIO()))


def lines_on_disk(config: Config) -> int:
    """Rows of all versions of the table."""
    return sum(pq.read_table(file).num_rows for file in config.warehouse.glob("bronze/web_events/*.parquet"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stages that runs would do."""
    done: list[list[str]] = []

    def do(_: Run, names: list[str]) -> dict[str, Any]:
        done.append(list(names))
        return {"told": "now"}

    monkeypatch.setattr("identity.pipeline.do_stages", do)
    monkeypatch.setattr("identity.retention.maintain.do_stages", do)
    return done


@pytest.fixture
def killed(config: Config, tables: Tables, made: list[list[str]]) -> None:
    assert run_line(a_run(config, tables))["is_repeat"]
    maintain(a_run(config, tables), dry_run=True)
    assert not must_forget(config.warehouse)

    def kill(*_: Any) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as dying:
        dying.setattr("identity.retention.maintain.do_stages", kill)
        with pytest.raises(KilledError):
            maintain(a_run(config, tables))
    assert rows_at(config.warehouse, "bronze.web_events") == []
    assert lines_on_disk(config) == 1
    assert made == []


@pytest.mark.usefixtures("killed")
def test_a_run_of_the_same_date_is_no_repeat_and_leaves_no_older_version(
    config: Config, tables: Tables, made: list[list[str]]
):
    assert run_line(a_run(config, tables)) == {"told": "now"}
    assert made == [list(STAGES)]
    assert lines_on_disk(config) == 0
    assert run_line(a_run(config, tables)) == {"told": "then", "is_repeat": True}
    assert made == [list(STAGES)]


@pytest.mark.usefixtures("killed")
def test_a_run_of_a_later_date_leaves_no_older_version(config: Config, tables: Tables, made: list[list[str]]):
    run_line(a_run(config, tables, ON + dt.timedelta(days=1)))
    assert made == [list(STAGES)]
    assert lines_on_disk(config) == 0


@pytest.mark.usefixtures("killed")
def test_a_repeat_of_it_publishes_and_leaves_no_older_version(
    config: Config, tables: Tables, made: list[list[str]]
):
    maintain(a_run(config, tables))
    assert made == [["standardise", "resolve", "profile", "publish"]]
    assert lines_on_disk(config) == 0
    assert run_line(a_run(config, tables))["is_repeat"]


@pytest.mark.usefixtures("killed")
def test_one_stage_alone_does_not_end_it(config: Config, tables: Tables, made: list[list[str]]):
    run_stages(a_run(config, tables), ["publish"])
    assert made == [["publish"]]
    assert lines_on_disk(config) == 1
    assert not run_line(a_run(config, tables)).get("is_repeat")

"""The committed world, run over both its days once, for every test here to look at."""

import datetime as dt
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config import Frozen
from identity.config_reading import load_config
from identity.pipeline import run_line
from identity.run import Run
from identity.summary import Summary
from identity.tables import Tables

ROOT = Path(__file__).parents[2]
WORLD = ROOT / "data_samples" / "world"
FIRST, SECOND = dt.date(2026, 1, 31), dt.date(2026, 2, 1)


@dataclass
class World:
    """A warehouse made from a landing folder."""

    spark: SparkSession
    landing: Path
    warehouse: Path
    said: io.StringIO

    def run(
        self, on: dt.date, *, again: bool = False, accept_blast_radius: bool = False, **changed: Frozen
    ) -> Summary:
        """Run the line for a date, parts of the configuration changed; what is printed is kept in `said`."""
        config = load_config(ROOT / "conf" / "local.yaml", landing=self.landing, warehouse=self.warehouse)
        config = config.model_copy(update=changed)
        console = Console(file=self.said, width=200)
        key, *retired = config.secrets()
        run = Run(
            config, self.tables, on, key, console,
            accept_blast_radius=accept_blast_radius, retired=tuple(retired),
        )  # fmt: skip
        return run_line(run, again=again)

    @property
    def tables(self) -> Tables:
        return Tables(self.spark, self.warehouse)

    def frame(self, name: str) -> pd.DataFrame:
        """All rows of a table, in a fixed order."""
        rows = self.tables.read(name).toPandas()
        return rows.sort_values(list(rows.columns), key=lambda c: c.astype(str), ignore_index=True)

    def names(self) -> list[str]:
        """All Delta tables of the warehouse."""
        logs = sorted(self.warehouse.glob("*/*/_delta_log"))
        return [".".join(log.parent.relative_to(self.warehouse).parts) for log in logs]


@dataclass
class Published(World):
    """The committed world after both days."""

    first: Summary
    second: Summary
    members_first: pd.DataFrame


@pytest.fixture(scope="session")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    landing = folder / "landing"
    shutil.copytree(WORLD / "landing", landing)
    world = World(spark, landing, folder / "warehouse", io.StringIO())
    first = world.run(FIRST)
    members = world.frame("id.golden_member")
    second = world.run(SECOND)
    return Published(spark, landing, world.warehouse, world.said, first, second, members)


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> World:
    """A copy to change, as it was after both days."""
    shutil.copytree(published.landing, tmp_path / "landing")
    shutil.copytree(published.warehouse, tmp_path / "warehouse")
    return World(published.spark, tmp_path / "landing", tmp_path / "warehouse", io.StringIO())

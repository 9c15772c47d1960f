"""Decisions of persons in the sample world: they hold in the next run, and after everything was loaded anew."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from identity.config_reading import load_config
from identity.pipeline import run_stages
from identity.resolve.decisions import PAIR
from identity.review import export_questions, import_decisions
from identity.run import Run
from tests.golden.conftest import ROOT, SECOND, World


@pytest.fixture
def decided(copied: World, tmp_path: Path) -> pd.DataFrame:
    """The first two questions on records that are one, and on records that are not, answered against what is."""
    config = load_config(ROOT / "conf" / "local.yaml", warehouse=copied.warehouse)
    export_questions(config, tmp_path / "pairs.parquet")
    asked = pd.read_parquet(tmp_path / "pairs.parquet")
    assert set(asked["why"]) == {"near_threshold", "conflicting_constraints", "weakest_link"}
    answered = pd.concat([asked[asked["is_one_now"]].head(2), asked[~asked["is_one_now"]].head(2)])
    answered["decision"] = ["cannot_link", "cannot_link", "must_link", "must_link"]
    answered.assign(reviewer="S1").to_parquet(tmp_path / "decided.parquet")
    assert import_decisions(config, tmp_path / "decided.parquet", on=SECOND).resting == 0
    return answered.reset_index(drop=True)


def are_one(world: World, pairs: pd.DataFrame) -> list[bool]:
    members = world.frame("id.golden_member")
    is_open = members[members["valid_to_on"].isna()].set_index(["source", "source_key"])["golden_id"]
    return [is_open[(a, b)] == is_open[(c, d)] for a, b, c, d in pairs[[*PAIR]].itertuples(index=False)]


def held(world: World, pairs: pd.DataFrame) -> None:
    assert are_one(world, pairs) == [False, False, True, True]
    edges = world.frame("id.edge")
    human = edges[edges["kind"] == "human"].merge(pairs[[*PAIR, "decision"]], on=[*PAIR])
    assert len(human) == len(pairs)
    assert human["rule"].tolist() == human["decision"].tolist()
    assert (human["fate"] == "used").tolist() == (human["decision"] == "must_link").tolist()


def test_decisions_hold_in_the_next_run_which_leaves_them_as_they_are(
    copied: World, decided: pd.DataFrame
) -> None:
    assert are_one(copied, decided) == [True, True, False, False]
    before = copied.tables.version("id.review_pair")
    config = load_config(ROOT / "conf" / "local.yaml", landing=copied.landing, warehouse=copied.warehouse)
    run = Run(config, copied.tables, SECOND, config.secret(), Console(file=io.StringIO()))
    run_stages(run, ["resolve"])
    held(copied, decided)
    assert copied.tables.version("id.review_pair") == before


@pytest.mark.long
def test_decisions_hold_when_everything_else_is_loaded_anew(copied: World, decided: pd.DataFrame) -> None:
    for table in copied.warehouse.glob("*/*"):
        if table.is_dir() and table != copied.warehouse / "id" / "review_pair":
            shutil.rmtree(table)
    copied.run(SECOND)
    held(copied, decided)

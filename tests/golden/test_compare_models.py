"""A second model, learnt from the sample world's silver: its report, and what the comparison says beforehand of a switch."""

import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from identity.cli.compare import show_comparison
from identity.cli.train import show_training
from identity.config_reading import load_config
from identity.linkage.model import Thresholds
from identity.linkage.model_file import read_version
from identity.pages.compare import compare_page
from identity.resolve.model_comparison import ONE_ONLY, THROUGH_OTHERS
from identity.resolve.records import FIELDS
from identity.run import Run
from identity.stages.compare_models import compare_models
from identity.stages.resolve import model_in_force
from identity.training import Trained, train_model
from tests.golden.conftest import ROOT, SECOND, WORLD, Published, World
from tests.golden.test_why_of_world import words

# Far surer than the shipped model must be, so that a switch would split somebody.
THRESHOLDS = Thresholds(0.9999999, 0.999999, 0.5)
KEY = ["source", "source_key"]


@dataclass
class Compared:
    """A comparison, and the world before it and after a switch.

    Attributes:
        world: A copy of the sample world, to stage in and to switch.
        trained: The second model.
        path: Its file.
        found: What the comparison told.
        versions: Version of every table before the comparison, and after it.
        before: Open rows of id.golden_member of person records.
    """

    world: World
    trained: Trained
    path: Path
    found: dict[str, Any]
    versions: tuple[dict[str, int], dict[str, int]]
    before: pd.DataFrame


@pytest.fixture(scope="module")
def compared(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(published.warehouse, folder / "warehouse")
    world = World(published.spark, published.landing, folder / "warehouse", io.StringIO())
    config = load_config(ROOT / "conf" / "local.yaml", warehouse=world.warehouse)
    other_seed = config.model_copy(update={"matching": config.matching.model_copy(update={"seed": 7})})
    trained = train_model(world.tables, other_seed, version="second-1", thresholds=THRESHOLDS, on=SECOND)
    path = folder / "second-1.json"
    trained.write(path)
    before = _persons(world)
    versions = {name: world.tables.version(name) for name in world.names()}
    run = Run(config, world.tables, SECOND, config.secret(), Console(file=io.StringIO()))
    found = compare_models(
        run, old=model_in_force(config.matching), new=read_version(path, FIELDS), truth=WORLD / "truth"
    )
    after = {name: world.tables.version(name) for name in world.names()}
    return Compared(world, trained, path, found, (versions, after), before)


def _persons(world: World) -> pd.DataFrame:
    """Golden id today of every person record."""
    members = world.frame("id.golden_member")
    persons = world.frame("silver.person_record")[KEY]
    return persons.merge(members[members["valid_to_on"].isna()], on=KEY)[[*KEY, "golden_id"]]


def test_no_table_is_written(compared: Compared) -> None:
    before, after = compared.versions
    assert before == after
    assert len(before) > 20


def test_every_golden_id_of_today_is_kept_merged_or_split(compared: Compared) -> None:
    today = compared.before["golden_id"].nunique()
    for side in ("old", "new"):
        ids = compared.found["golden_ids"][side]
        assert ids["kept"] + ids["merged"] + ids["split"] == ids["before"] == today
        assert ids["records"] == compared.found["records"] == len(compared.before)


def test_nothing_changes_under_the_model_in_force(compared: Compared) -> None:
    ids = compared.found["golden_ids"]["old"]
    assert (ids["kept"], ids["merged"], ids["split"], ids["minted"]) == (ids["before"], 0, 0, 0)
    assert ids["share_that_keeps"] == 1.0
    assert compared.found["persons"]["old"] == ids["before"]


def test_pairs_of_one_model_only_add_up(compared: Compared) -> None:
    for side in ("old", "new"):
        told = [row["pairs"] for row in compared.found["differs_in"] if row["joined_by"] == side]
        assert sum(told) == compared.found["pairs"][f"{side}_only"]
    # So sure a model joins fewer, or the tests above have looked at nothing.
    assert compared.found["pairs"]["old_only"] > 0
    assert 0 < len(compared.found["disagreements"]) <= 10
    assert sum(row["pairs"] for row in compared.found["weights"]) > 100


def test_a_model_is_scored_by_the_truth(compared: Compared) -> None:
    truth = pd.read_parquet(WORLD / "truth" / "person_of_record.parquet")
    scored = compared.before.merge(truth, on=KEY)
    pairs = scored.merge(scored, on="golden_id")
    pairs = pairs[pairs["source_x"] + pairs["source_key_x"] < pairs["source_y"] + pairs["source_key_y"]]
    precision = (pairs["person_id_x"] == pairs["person_id_y"]).mean()
    scores = compared.found["truth"]
    assert scores["records"] == len(scored)
    assert scores["old"]["pairwise"]["precision"] == pytest.approx(precision, abs=1e-4)
    assert scores["new"]["pairwise"]["recall"] < scores["old"]["pairwise"]["recall"]


def test_nobody_is_named_anywhere(compared: Compared, published: Published) -> None:
    personal = words(published)
    out = io.StringIO()
    console = Console(file=out, width=80)
    show_comparison(compared.found, console)
    show_training(compared.trained.facts, console)
    told = {
        "printed": out.getvalue(),
        "comparison": json.dumps(compared.found, ensure_ascii=False),
        "page of the comparison": compare_page(compared.found),
        "figures of the training": json.dumps(compared.trained.facts, ensure_ascii=False),
        "page of the training": compared.path.with_suffix(".html").read_text(encoding="utf-8"),
    }
    for name, text in told.items():
        folded = text.casefold()
        assert [word for word in personal if re.search(rf"\b{re.escape(word.casefold())}\b", folded)] == [], (
            name
        )


def test_the_report_is_of_the_model(compared: Compared) -> None:
    facts = compared.trained.facts
    training = json.loads(compared.trained.text)["training"]
    assert (facts["records"], facts["fingerprint"]) == (training["records"], training["fingerprint"])
    assert sum(row["pairs"] for row in facts["weights"]) == facts["pairs"]
    given = sum(row["matches"] for row in facts["levels"] if row["comparison"] == "given")
    assert 0 < given <= facts["pairs"]
    assert facts["one_in"] == round(1 / facts["prior"])


def test_a_model_is_held_against_identifiers_alone(compared: Compared) -> None:
    config = load_config(ROOT / "conf" / "local.yaml", warehouse=compared.world.warehouse)
    phase_one = config.matching.model_copy(update={"probabilistic": False})
    config = config.model_copy(update={"matching": phase_one})
    assert model_in_force(config.matching) is None
    shipped = read_version(config.matching.model, FIELDS)
    run = Run(config, compared.world.tables, SECOND, config.secret(), Console(file=io.StringIO()))
    found = compare_models(run, old=None, new=shipped, truth=None)
    assert found["golden_ids"]["new"] == compared.found["golden_ids"]["old"]
    assert found["pairs"]["new_only"] > 0 == found["pairs"]["old_only"]
    assert found["weights"] == []
    reasons = {row["differs_most_in"] for row in found["differs_in"]}
    assert reasons <= {ONE_ONLY, THROUGH_OTHERS}
    assert sum(row["pairs"] for row in found["differs_in"]) == found["pairs"]["new_only"]
    assert "identifiers alone" in compare_page(found)


@pytest.mark.long
def test_a_switch_does_what_was_told(compared: Compared) -> None:
    """Last in this file, for it changes the world."""
    world = compared.world
    matching = load_config(ROOT / "conf" / "local.yaml").matching
    switched = matching.model_copy(update={"model": compared.path})
    world.run(SECOND, again=True, accept_blast_radius=True, matching=switched)
    both = compared.before.merge(_persons(world), on=KEY, suffixes=("_before", "_after"))
    told = compared.found["golden_ids"]["new"]
    stays = both["golden_id_before"] == both["golden_id_after"]
    assert told["records_that_keep"] == int(stays.sum())
    assert told["share_that_keeps"] == round(float(stays.mean()), 4) < 1
    after = set(both["golden_id_after"])
    by_id = both.groupby("golden_id_before")["golden_id_after"].agg(set)
    assert told["kept"] == sum(now == {was} for was, now in by_id.items())
    assert told["merged"] == sum(was not in after for was in by_id.index)
    assert told["minted"] == len(after - set(by_id.index))
    assert compared.found["persons"]["new"] == len(after)

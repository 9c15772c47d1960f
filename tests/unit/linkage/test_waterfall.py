"""What each comparison said of a pair: it adds up to the pair's weight, and holds no value."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import vl_convert

from identity.linkage import waterfall
from identity.linkage.blocking import block, shared_keys
from identity.linkage.engine import arrow_of, learn, link_records
from identity.linkage.fields import standardise
from identity.linkage.known import Known
from identity.linkage.meeting import best_meeting
from identity.linkage.model import Model, log_odds
from identity.linkage.pairs import database, numbered
from identity.linkage.waterfall import STEPS, bars_of, chart_of, steps_of
from identity.linkage.work import load_fields

Town = tuple[pd.DataFrame, list[int]]


@pytest.fixture(scope="module")
def fields(town: Town, types: dict[str, str]) -> pd.DataFrame:
    return standardise(town[0], types)


@pytest.fixture(scope="module")
def model(fields: pd.DataFrame) -> Model:
    return learn(fields).model


def test_prior_and_steps_add_up_to_the_weight(fields: pd.DataFrame, model: Model):
    assert model.household is not None
    # A town in which many live together.
    model = replace(model, household=replace(model.household, prior=0.2))
    linked = link_records(fields, Known(len(fields)), model=model)
    told = steps_of(linked.candidates, linked.weights, model)
    assert told.type == STEPS
    rows = told.to_pylist()
    assert len(rows) == len(linked.candidates) > 1000
    sums = np.array([log_odds(model.prior) + sum(step["bits"] for step in steps) for steps in rows])
    np.testing.assert_allclose(sums, linked.weights, atol=1e-9)
    # The household is among them and matters; so does rarity, which no level has of its own.
    assert min(step["bits"] for steps in rows for step in steps if step["comparison"] == "household") < -1
    given = {s["bits"] for steps in rows for s in steps if s["label"] == "given equal"}
    assert len(given) > 10


def test_steps_are_the_levels_of_what_both_records_have(fields: pd.DataFrame, model: Model):
    linked = link_records(fields, Known(len(fields)), model=model)
    rows = steps_of(linked.candidates, linked.weights, model).to_pylist()
    levels = {
        (c["output_column_name"], number): level["label_for_charts"]
        for c in model.comparisons
        for number, level in enumerate(numbered(c))
    }
    names = [c["output_column_name"] for c in model.comparisons]
    for steps, said in zip(rows, linked.candidates.levels.tolist(), strict=True):
        compared = [s for s in steps if s["level"] is not None]
        assert [(s["comparison"], s["level"]) for s in compared] == [
            (name, level) for name, level in zip(names, said, strict=True) if level >= 0
        ]
        assert all(s["label"] == levels[s["comparison"], s["level"]] for s in compared)
        assert [s["comparison"] for s in steps if s["level"] is None] in (
            ["household"],
            ["household", "limit"],
        )


def test_nothing_is_surer_than_the_limit(fields: pd.DataFrame, model: Model):
    linked = link_records(fields, Known(len(fields)), model=model)
    candidates = linked.candidates
    surer = replace(candidates, rarity=candidates.rarity + np.float32(30.0) * (candidates.levels >= 0))
    weights = model.weights(surer)
    rows = steps_of(surer, weights, model).to_pylist()
    beyond = [steps[-1]["bits"] for steps in rows if steps[-1]["comparison"] == "limit"]
    assert beyond
    assert min(beyond) < -30
    assert weights.max() <= 60.0
    sums = [log_odds(model.prior) + sum(step["bits"] for step in steps) for steps in rows]
    np.testing.assert_allclose(sums, weights, atol=1e-9)


def test_a_model_without_households(fields: pd.DataFrame, model: Model):
    alone = Model(model.splink)
    linked = link_records(fields, Known(len(fields)), model=alone)
    rows = steps_of(linked.candidates, linked.weights, alone).to_pylist()
    assert not any(step["comparison"] == "household" for steps in rows for step in steps)
    sums = [log_odds(model.prior) + sum(step["bits"] for step in steps) for steps in rows]
    np.testing.assert_allclose(sums, linked.weights, atol=1e-9)


def test_parts_make_the_same_whole(fields: pd.DataFrame, model: Model, monkeypatch: pytest.MonkeyPatch):
    linked = link_records(fields, Known(len(fields)), model=model)
    whole = steps_of(linked.candidates, linked.weights, model)
    monkeypatch.setattr(waterfall, "_PART", 100)
    parted = steps_of(linked.candidates, linked.weights, model)
    assert parted.num_chunks > 5
    assert parted.to_pylist() == whole.to_pylist()


def test_no_pairs(fields: pd.DataFrame, model: Model):
    linked = link_records(fields, Known(len(fields)), model=model)
    none = linked.candidates.where(np.zeros(len(linked.candidates), dtype=bool))
    assert steps_of(none, np.zeros(0), model).to_pylist() == []


STEP: dict[str, Any] = {"comparison": "given", "level": 7, "label": "given equal", "bits": 5.5}


def test_bars_begin_with_the_prior_and_end_with_the_weight():
    bars = bars_of([STEP, {"comparison": "born", "level": 0, "label": "all else", "bits": -3.0}], -10.5)
    assert [(bar.name, bar.bits) for bar in bars] == [
        ("prior", -13.0), ("given", 5.5), ("born", -3.0), ("match weight", -10.5),
    ]  # fmt: skip


def test_splinks_chart_is_drawn_without_a_script():
    svg = vl_convert.vegalite_to_svg(chart_of(bars_of([STEP], 2.5)))
    assert svg.startswith("<svg")
    assert "<script" not in svg
    for told in ("Prior", "given", "5.50", "Final score", "2.50"):
        assert told in svg


def test_what_two_records_would_say(town: Town, types: dict[str, str], model: Model):
    """One of the first group, all others: the best is the one that resembles it most."""
    records, persons = town
    fields = standardise(records, types)
    met = best_meeting(fields, 1, model)
    assert met.left == 0
    assert persons[met.right] == persons[0]
    assert met.keys
    sums = log_odds(model.prior) + sum(step["bits"] for step in met.steps)
    assert sums == pytest.approx(met.weight)
    stranger = next(i for i, person in enumerate(persons) if person != persons[0])
    two = fields.iloc[[0, stranger]].reset_index(drop=True)
    assert best_meeting(two, 1, model).weight < met.weight


def test_keys_in_common_are_those_that_block_by(fields: pd.DataFrame):
    """Pair by pair, a name of a key if and only if blocking the two alone brings them together."""
    brought = set()
    for one in range(0, 60, 3):
        two = fields.iloc[[one, one + 1]].assign(unique_id=[0, 1])
        with database() as connection:
            load_fields(connection, arrow_of(two))
            block(connection, set(two.columns))
            blocked = count(connection)
            keys = shared_keys(connection, set(two.columns), 0, 1)
        assert bool(keys) == bool(blocked)
        brought.add(bool(keys))
    assert brought == {True, False}


def count(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("select count(*) from blocked").fetchall()[0][0])


def test_the_pinned_model_tells_its_levels():
    from identity.config_reading import load_config
    from identity.linkage.model_file import read_model
    from identity.resolve.records import FIELDS

    conf = Path(__file__).parents[3] / "conf" / "local.yaml"
    pinned = read_model(load_config(conf).matching.model, FIELDS)
    assert all(level["label_for_charts"] for c in pinned.comparisons for level in numbered(c))

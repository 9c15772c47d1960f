"""Pairs, weights and clusters against Splink and against naive ways to the same."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from splink import DuckDBAPI, Linker

from identity.linkage import blocking, clustering
from identity.linkage.blocking import block, key_expressions
from identity.linkage.clustering import Evidence, Group, Rules, components, merge_groups
from identity.linkage.engine import Linked, arrow_of, link_records
from identity.linkage.fields import standardise
from identity.linkage.frequencies import count_frequencies
from identity.linkage.known import Known
from identity.linkage.model import Household, Model, Thresholds
from identity.linkage.model_file import model_text, read_model
from identity.linkage.pairs import Pairs, compare, numbered
from identity.linkage.scores import score_clusters
from identity.linkage.training import train
from identity.linkage.work import load_fields
from tests.unit.linkage.naive import Naive

Town = tuple[pd.DataFrame, list[int]]


Trained = tuple[duckdb.DuckDBPyConnection, pd.DataFrame, Model, Pairs]


@pytest.fixture(scope="module")
def trained(town: Town, types: dict[str, str]) -> Iterator[Trained]:
    fields = standardise(town[0], types)
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, arrow_of(fields))
        block(connection, set(fields.columns))
        model = train(connection, set(fields.columns))
        count_frequencies(connection, model.comparisons, model.frequencies)
        yield connection, fields, model, compare(connection, "blocked", model.comparisons)


def test_pairs_are_those_that_share_a_small_block(
    monkeypatch: pytest.MonkeyPatch, town: Town, types: dict[str, str]
):
    monkeypatch.setattr(blocking, "LARGEST_BLOCK", 6)
    fields = standardise(town[0], types)
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, arrow_of(fields))
        block(connection, set(fields.columns))
        found = connection.execute("select join_key_l, join_key_r from blocked").fetchall()
        expected = set()
        for sql in key_expressions(set(fields.columns)):
            keys = connection.execute(f"select unique_id, {sql} as k from fields").df().dropna()
            for _, block_ in keys.groupby("k"):
                if len(block_) <= 6:
                    expected |= set(combinations(sorted(block_["unique_id"].tolist()), 2))
    assert len(found) == len(set(found))
    assert set(found) == expected


def blocked_pairs(fields: pd.DataFrame) -> set[tuple[int, int]]:
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, arrow_of(fields))
        block(connection, set(fields.columns))
        return set(connection.execute("select join_key_l, join_key_r from blocked").fetchall())


def test_the_dearest_keys_are_left_out(monkeypatch: pytest.MonkeyPatch, town: Town, types: dict[str, str]):
    fields = standardise(town[0], types)

    def pairs(budget: int) -> set[tuple[int, int]]:
        monkeypatch.setattr(blocking, "PAIRS_PER_RECORD", budget)
        return blocked_pairs(fields)

    assert set() == pairs(0) < pairs(1) < pairs(100)


def test_pairs_are_never_more_than_one_machine_can_hold(
    monkeypatch: pytest.MonkeyPatch, town: Town, types: dict[str, str]
):
    fields = standardise(town[0], types)
    free = blocked_pairs(fields)
    found = []
    for most in (1, 400, 2_000, 1_000_000):
        monkeypatch.setattr(blocking, "MOST_PAIRS", most)
        found.append(blocked_pairs(fields))
        assert len(found[-1]) <= most
    # What is left out are whole keys, the dearest first: who is found under a small budget is under a larger one.
    assert set() == found[0] < found[1] < found[2] < found[3] == free
    monkeypatch.setattr(blocking, "MOST_PAIRS", 2_000)
    goes_on = link_records(fields, Known(len(fields)))
    assert len(goes_on.candidates) == len(found[2])
    assert len(set(goes_on.labels.tolist())) < len(fields)


def test_weights_are_splinks(trained: Trained):
    connection, _, model, pairs = trained
    api = DuckDBAPI(connection=connection)
    linker = Linker(api.register(connection.table("fields")), model.splink, log_level=50)
    linker.table_management.register_blocked_pairs_for_predict(api.register(connection.table("blocked")))
    by_splink = linker.inference.predict(threshold_match_weight=-100).as_pandas_dataframe()
    by_splink = by_splink.sort_values(["unique_id_l", "unique_id_r"], ignore_index=True)
    assert by_splink["unique_id_l"].tolist() == pairs.left.tolist()
    for place, comparison in enumerate(model.comparisons):
        assert (
            by_splink[f"gamma_{comparison['output_column_name']}"].tolist() == pairs.levels[:, place].tolist()
        )
    np.testing.assert_allclose(model.weights(pairs), by_splink["match_weight"], atol=1e-4)


def test_learning_is_bayes_rule_pair_by_pair(
    trained: Trained,
):
    """One round of expectation maximisation, written out."""
    *_, model, pairs = trained
    model = Model(
        model.splink,
        Household(0.001, {"family": _uniform(model, "family"), "place": _uniform(model, "place")}),
    )
    few = pairs.where(np.arange(len(pairs)) < 40)
    weights = model.weights(few)
    for row in range(len(few)):
        match, household = model.prior / (1 - model.prior), 0.001
        for place, comparison in enumerate(model.comparisons):
            level, rarity = int(few.levels[row, place]), 2.0 ** float(few.rarity[row, place])
            if level < 0:
                continue
            told = numbered(comparison)[level]
            match *= told["m_probability"] / told["u_probability"] * rarity
            chances = (
                model.household.probabilities.get(comparison["output_column_name"])
                if model.household
                else None
            )
            if chances:
                household *= chances[level] / told["u_probability"] * rarity
        assert weights[row] == pytest.approx(np.log2(match / (1 + household)), abs=1e-3)


def _uniform(model: Model, name: str) -> list[float]:
    levels = next(numbered(c) for c in model.comparisons if c["output_column_name"] == name)
    return [1 / len(levels)] * len(levels)


def test_learning_raises_the_likelihood_of_what_was_found(town: Town, trained: Trained):
    _, fields, model, pairs = trained
    learnt = model.learn(pairs, records=len(fields), with_household=True)
    same = np.array(town[1])[pairs.left] == np.array(town[1])[pairs.right]

    def right(weights: Any) -> float:
        return float(((weights >= 0) == same).mean())

    assert right(learnt.weights(pairs)) >= right(model.weights(pairs))
    for comparison in learnt.comparisons:
        assert sum(level["m_probability"] for level in numbered(comparison)) == pytest.approx(1)


def some_model() -> Model:
    level = {"sql_condition": "a_l = a_r", "m_probability": 0.9, "u_probability": 0.1}
    other = {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.9}
    comparisons = [
        {"output_column_name": name, "comparison_levels": [dict(level), dict(other)]}
        for name in ("a", "b", "c")
    ]
    return Model({"comparisons": comparisons, "probability_two_random_records_match": 0.2})


def all_pairs(size: int, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(size, 1)
    levels = rng.integers(-1, 2, size=(len(left), 3)).astype(np.int8)
    return Pairs(left, right, levels, rng.normal(0, 1, size=levels.shape).astype(np.float32) * (levels == 1))


def some_groups(count: int, chance: np.random.Generator) -> list[Group]:
    """Groups with values, bans and a past, drawn at random."""
    groups = []
    for place in range(count):
        held = {"n": {str(chance.integers(0, 3))}} if chance.random() < 0.5 else {}
        never = frozenset(
            {10 * int(chance.integers(0, count))} - {10 * place} if chance.random() < 0.3 else ()
        )
        before = frozenset({int(chance.integers(0, 3))} if chance.random() < 0.5 else ())
        groups.append(Group(10 * place, held, never, before))
    return groups


@pytest.mark.parametrize("seed", range(40))
def test_linkage_is_the_naive_one(seed: int):
    chance = np.random.default_rng(seed)
    model = some_model()
    if seed % 2:
        model = Model(model.splink, Household(0.05, {"a": [0.3, 0.7], "b": [0.6, 0.4]}))
    count = 9
    groups = some_groups(6, chance)
    place_of = [*range(6), *chance.integers(0, 6, count - 6).tolist()]
    pairs = all_pairs(count, seed)
    across = np.array([place_of[a] != place_of[b] for a, b in zip(pairs.left, pairs.right, strict=True)])
    pairs = pairs.where(across)
    forbidden = chance.random(len(pairs)) < 0.1
    rules = Rules(join=1.0, keep=-1.0, limits={"n": 1})
    at = np.array(place_of)
    ends = at[pairs.left], at[pairs.right]
    found = merge_groups(groups, ends, Evidence.of(pairs, forbidden, model), model, rules)
    records = [[r for r, at in enumerate(place_of) if at == place] for place in range(len(groups))]
    assert found.tolist() == Naive(groups, records, pairs, forbidden, model, rules).best_first()


def weighed(*edges: tuple[int, int, float]) -> tuple[Any, Any, Any]:
    left, right, weights = (np.array(column) for column in zip(*edges, strict=True))
    return left, right, weights.astype(float)


def test_large_components_are_cut_where_they_are_weakest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clustering, "LARGEST", 3)
    edges = weighed((0, 1, 9.0), (1, 2, 9.0), (2, 3, 0.5), (3, 4, 9.0), (5, 6, -1.0), (7, 8, -3.0))
    found = components(*edges, sizes=np.ones(9, dtype=np.int64))
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 4]
    assert found.cut == 1


def test_records_of_a_group_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clustering, "LARGEST", 3)
    found = components(*weighed((0, 1, 9.0), (1, 2, 2.0)), sizes=np.array([1, 2, 1]))
    assert found.labels.tolist() == [0, 0, 1]


def test_a_chain_that_no_weight_cuts_is_cut_all_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clustering, "LARGEST", 100)
    chain = weighed(*((i, i + 1, 5.0) for i in range(9_999)))
    found = components(*chain, sizes=np.ones(10_000, dtype=np.int64))
    assert np.bincount(found.labels).tolist() == [100] * 100


def linked(records: pd.DataFrame, types: dict[str, str], **options: Any) -> Linked:
    fields = standardise(records, types)
    return link_records(fields, options.pop("known", Known(len(fields))), **options)


def test_what_is_known_is_obeyed(town: Town, types: dict[str, str]):
    records, persons = town
    free = linked(records, types)
    by_person = pd.Series(range(len(persons))).groupby(persons).agg(list)
    apart = next(p for p in by_person if len(p) > 1 and free.labels[p[0]] == free.labels[p[1]])
    one, other = by_person[by_person.str.len() > 0].iloc[[3, 7]].str[0]
    known = Known(
        len(persons),
        first=pd.DataFrame({"l": [one], "r": [other], "is_decided": True}),
        never=pd.DataFrame({"l": [apart[0]], "r": [apart[1]]}),
    )
    told = linked(records, types, known=known, model=free.model)
    assert told.labels[one] == told.labels[other] != free.labels[other]
    assert told.labels[apart[0]] != told.labels[apart[1]]


def test_groups_that_were_one_stay_one_down_to_the_lower_threshold(town: Town, types: dict[str, str]):
    records, _ = town
    free = linked(records, types)
    hardly_ever = 1 - 2.0**-40
    strict, loose = (replace(free.model, thresholds=Thresholds(hardly_ever, k)) for k in (hardly_ever, 0.5))
    before = Known(len(records), before=free.labels)
    alone = linked(records, types, known=before, model=strict).labels
    kept = linked(records, types, known=before, model=loose).labels
    assert len(set(alone.tolist())) > len(set(kept.tolist()))
    assert kept.tolist() == free.labels.tolist()


def test_what_is_settled_stays_and_only_the_others_are_joined_anew(town: Town, types: dict[str, str]):
    records, _ = town
    free = linked(records, types)
    copies = set(free.copies["l"]) | set(free.copies["r"])
    groups = pd.Series(range(len(records))).groupby(free.labels).agg(list)
    parted, loose = [g for g in groups if len(g) > 1 and copies.isdisjoint(g)][:2]
    before = free.labels.copy()
    before[parted[1:]] = len(records)  # was another golden id
    before[loose[-1]] = -1  # was in none
    hardly_ever = 1 - 2.0**-40
    for model in (free.model, replace(free.model, thresholds=Thresholds(hardly_ever, hardly_ever))):
        known = Known(len(records), before=before, is_settled=True)
        labels = linked(records, types, known=known, model=model).labels
        stay = before >= 0
        assert len(set(zip(labels[stay].tolist(), before[stay].tolist(), strict=True))) == len(
            set(before[stay])
        )
        assert len(set(labels[stay].tolist())) == len(set(before[stay]))
        assert (labels[loose[-1]] == labels[loose[0]]) == (model is free.model)


def test_many_copies_are_compared_once_and_stay_together(town: Town, types: dict[str, str]):
    records, _ = town
    copied = pd.concat([records, *[records.iloc[[0]]] * 300], ignore_index=True)
    found = linked(copied, types, model=linked(records, types).model)
    assert len(found.copies) == 300
    assert set(found.labels[len(records) :].tolist()) == {int(found.labels[0])}


def test_components_may_be_solved_in_any_parts(town: Town, types: dict[str, str]):
    records, _ = town

    def in_parts(work: pa.Table, solve: Any) -> pa.Table:
        parts = [
            work.filter(pc.equal(work["component"], c)) for c in sorted(set(work["component"].to_pylist()))
        ]
        return pa.concat_tables(solve(part) for part in reversed(parts))

    whole, parted = linked(records, types), linked(records, types, spread=in_parts)
    assert whole.labels.tolist() == parted.labels.tolist()


def test_the_town_is_found(town: Town, types: dict[str, str]):
    records, persons = town
    found = pd.crosstab(pd.Series(linked(records, types).labels), pd.Series(persons))
    pairs = float((found.to_numpy() * (found.to_numpy() - 1) / 2).sum())
    told = float((found.sum(axis=1) * (found.sum(axis=1) - 1) / 2).sum())
    true = float((found.sum() * (found.sum() - 1) / 2).sum())
    assert pairs / told > 0.98
    assert pairs / true > 0.95


def test_a_source_that_holds_nobody_twice_is_believed(types: dict[str, str], town: Town):
    records, persons = town
    place = pd.Series(persons).groupby(persons).cumcount()
    records = records.assign(source=("s" + place.astype(str)).to_numpy())
    found = linked(records, {**types, "source": "source"})
    together = pd.DataFrame({"golden": found.labels, "source": records["source"]})
    assert not together.duplicated().any()


def test_a_model_file_gives_the_same_weights(town: Town, types: dict[str, str], tmp_path: Path):
    records, _ = town
    first = linked(records, types)
    file = tmp_path / "model.json"
    file.write_text(model_text(first.model, types, records=len(records), fingerprint="x"), encoding="utf-8")
    again = linked(records, types, model=read_model(file, standardise(records, types).columns))
    assert again.labels.tolist() == first.labels.tolist()
    np.testing.assert_allclose(again.weights, first.weights)


def test_names_in_other_letters_are_names(town: Town, types: dict[str, str]):
    letters = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстувщхыз")
    records = town[0].copy()
    for column in ("first", "last", "street"):
        records[column] = records[column].str.translate(letters)
    assert _found_whole(records, types, town[1]) > 0.8


def test_a_year_or_an_age_alone_is_compared(town: Town, types: dict[str, str]):
    records = town[0].assign(born=town[0]["born"].str[:4])
    model = linked(records, {**types, "born": "birth_year"}).model
    assert "born" in {comparison["output_column_name"] for comparison in model.comparisons}
    aged = town[0].assign(
        age=[None if b is None else str(2020 - int(b[:4])) for b in town[0]["born"]], asked="2020"
    )
    model = linked(aged, {**types, "born": "ignore", "age": "age", "asked": "as_of"}).model
    assert "born" in {comparison["output_column_name"] for comparison in model.comparisons}


def _found_whole(records: pd.DataFrame, types: dict[str, str], persons: list[int]) -> float:
    return float(score_clusters(linked(records, types).labels, np.array(persons))["exact_cluster_rate"])

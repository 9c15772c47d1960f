"""The figures of a training, by hand: one comparison of four levels and one of two, over a few pairs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from identity.linkage.engine import learn
from identity.linkage.fields import standardise
from identity.linkage.frequencies import Frequencies
from identity.linkage.learnt import Learnt, figures_of, weight_histogram, worth
from identity.linkage.model import LARGEST_PRIOR, LEAST_HOUSEHOLD_PRIOR, LEAST_PRIOR, ROUNDS, Household, Model
from identity.linkage.pairs import Pairs
from tests.unit.linkage.test_engine import Town


def comparison(name: str, **levels: tuple[float, float]) -> dict[str, Any]:
    """Levels from the strongest down, each its m and u."""
    return {
        "output_column_name": name,
        "comparison_levels": [
            {"sql_condition": "null", "label_for_charts": "missing", "is_null_level": True},
            *(
                {"sql_condition": "?", "label_for_charts": label, "m_probability": m, "u_probability": u}
                for label, (m, u) in levels.items()
            ),
        ],
    }


GIVEN = comparison("given", equal=(0.8, 0.1), nearly=(0.1, 0.1), other=(0.1, 0.8))
PHONE = comparison("phone", equal=(0.5, 0.125), other=(0.5, 0.875))
MODEL = Model(
    {"comparisons": [GIVEN, PHONE], "probability_two_random_records_match": 0.002},
    Household(0.001, {"phone": [0.25, 0.75]}),
    Frequencies({"given": 90, "phone": 40}, {"given": {"anna": 12, "ville": 11}}),
)


def learnt(model: Model = MODEL, *, missing: float = 0.25) -> Learnt:
    """Ten pairs at the best level of `given`, six at the middle one, ten at the last; nine of them with a phone."""
    given = [2] * 10 + [1] * 6 + [0] * 10
    phone = [1] * 9 + [-1] * 17
    levels = np.array([given, phone], dtype=np.int8).T
    zeros = np.zeros(levels.shape, dtype=np.float32)
    pairs = Pairs(np.arange(26), np.arange(26) + 26, levels, zeros)
    # Sure matches, then even odds, then odds of one to three.
    weights = np.array([60.0] * 10 + [0.0] * 6 + [math.log2(1 / 3)] * 10)
    return Learnt(model, pairs, weights, (0.5, 0.25), {"given": 0.0, "phone": missing})


def test_levels_tell_m_u_bits_and_the_matches_expected():
    rows = {(row["comparison"], row["level"]): row for row in figures_of(learnt())["levels"]}
    assert list(rows) == [
        ("given", "equal"), ("given", "nearly"), ("given", "other"), ("phone", "equal"), ("phone", "other")
    ]  # fmt: skip
    assert {key: row["matches"] for key, row in rows.items()} == {
        ("given", "equal"): 10.0, ("given", "nearly"): 3.0, ("given", "other"): 2.5,
        ("phone", "equal"): 9.0, ("phone", "other"): 0.0,
    }  # fmt: skip
    assert rows["given", "equal"] == {
        "comparison": "given", "level": "equal", "bits": 3.0, "m": 0.8, "u": 0.1, "matches": 10.0
    }  # fmt: skip


def test_worth_is_the_strongest_level_first():
    assert [(row["level"], row["bits"]) for row in worth([GIVEN])] == [
        ("equal", 3.0),
        ("nearly", 0.0),
        ("other", -3.0),
    ]


def test_priors_are_one_in_so_many():
    found = figures_of(learnt())
    assert (found["one_in"], found["household"]["one_in"], found["pairs"]) == (500, 1000, 26)
    assert found["household"]["levels"] == [
        {"comparison": "phone", "level": "equal", "probability": 0.75},
        {"comparison": "phone", "level": "other", "probability": 0.25},
    ]


def test_weights_fall_into_bars_of_two_bits():
    # -100 and 99 belong to the bars at the ends; 2.0 begins a bar.
    assert weight_histogram(np.array([-100.0, -0.1, 0.0, 1.9, 2.0, 99.0])) == [
        {"from_bits": -40, "to_bits": -38, "pairs": 1},
        {"from_bits": -2, "to_bits": 0, "pairs": 1},
        {"from_bits": 0, "to_bits": 2, "pairs": 2},
        {"from_bits": 2, "to_bits": 4, "pairs": 1},
        {"from_bits": 38, "to_bits": 40, "pairs": 1},
    ]


def test_values_are_counted_and_not_told():
    found = figures_of(learnt())
    assert found["remembered"] == [
        {"field": "given", "records": 90, "common_values": 2},
        {"field": "phone", "records": 40, "common_values": 0},
    ]
    assert "anna" not in str(found)


def test_rounds_tell_how_far_each_moved():
    assert figures_of(learnt())["rounds"] == [
        {"round": 1, "largest_change": 0.5},
        {"round": 2, "largest_change": 0.25},
    ]


def test_levels_hardly_seen_are_warned_of():
    said = figures_of(learnt())["warnings"]
    assert said == [
        "given: fewer than 5 matches expected at “nearly”, “other”; what that weighs is a guess",
        "phone: fewer than 5 matches expected at “other”; what that weighs is a guess",
    ]


def test_more_than_three_such_levels_are_counted():
    many = comparison("city", **dict.fromkeys("abcde", (0.2, 0.2)))
    nobody = replace(MODEL, splink={**MODEL.splink, "comparisons": [many, PHONE]}, household=None)
    (first, *_) = figures_of(learnt(nobody))["warnings"]
    # The pairs are at “c” (10 matches), “d” (3) and “e” (2.5); the best two levels have none.
    assert (
        first
        == "city: fewer than 5 matches expected at “a”, “b”, “d” and 1 more; what that weighs is a guess"
    )


def test_a_level_that_weighs_less_than_a_weaker_one_is_warned_of():
    turned = comparison("given", equal=(0.1, 0.1), nearly=(0.4, 0.1), other=(0.5, 0.8))
    every = learnt(replace(MODEL, splink={**MODEL.splink, "comparisons": [turned, PHONE]}))
    sure = replace(every, weights=np.full(26, 60.0))
    assert figures_of(sure)["warnings"] == [
        "phone: fewer than 5 matches expected at “other”; what that weighs is a guess",
        "given: “equal” weighs 0.0 bits, less than the weaker “nearly” with 2.0",
    ]


def test_levels_hardly_seen_are_not_said_to_be_out_of_order():
    turned = comparison("given", equal=(0.1, 0.1), nearly=(0.4, 0.1), other=(0.5, 0.8))
    model = replace(MODEL, splink={**MODEL.splink, "comparisons": [turned, PHONE]})
    assert not any("less than the weaker" in text for text in figures_of(learnt(model))["warnings"])


@pytest.mark.parametrize(("share", "is_warned"), [(0.5, False), (0.51, True)])
def test_a_comparison_that_most_records_lack_is_warned_of(share: float, is_warned: bool):
    said = figures_of(learnt(missing=share))["warnings"]
    assert ("phone: 51% of the records lack it, so it says nothing of most pairs" in said) is is_warned


@pytest.mark.parametrize(
    ("prior", "household", "said"),
    [
        (LEAST_PRIOR, 0.001, "prior: at its lower bound; hardly any two records look like one person"),
        (LARGEST_PRIOR, 0.001, "prior: at its upper bound; nearly every pair looks like one person"),
        (0.002, LEAST_HOUSEHOLD_PRIOR, "household: its prior is at its lower bound; no household was found to learn from"),
        (0.002, LARGEST_PRIOR, "household: its prior is at its upper bound; nearly every pair looks like a household"),
    ],
)  # fmt: skip
def test_a_prior_at_its_bounds_is_warned_of(prior: float, household: float, said: str):
    splink = {**MODEL.splink, "probability_two_random_records_match": prior}
    model = replace(MODEL, splink=splink, household=Household(household, {"phone": [0.25, 0.75]}))
    assert figures_of(learnt(model))["warnings"][0] == said
    assert said not in figures_of(learnt())["warnings"]


def test_a_model_without_households_has_none_to_tell():
    assert figures_of(learnt(replace(MODEL, household=None)))["household"] is None


def test_learning_tells_its_rounds_and_what_records_lack(town: Town, types: dict[str, str]):
    records = town[0].copy()
    records.loc[: len(records) // 2 - 1, "mail"] = None
    fields = standardise(records, types)
    found = learn(fields)
    assert len(found.moved) == ROUNDS
    assert all(change >= 0 for change in found.moved)
    assert found.moved[-1] < found.moved[0]
    assert found.missing["email"] == pytest.approx(fields["email"].isna().mean())
    assert found.missing["given"] == pytest.approx(fields["given"].isna().mean())
    assert len(found.weights) == len(found.pairs)
    assert learn(fields).moved == found.moved

"""Models as files: what they remember, what they must not, and what makes a file none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from identity.errors import ModelError
from identity.linkage.engine import arrow_of
from identity.linkage.frequencies import FEWEST, Frequencies, common_values, count_frequencies
from identity.linkage.model import Model, Thresholds
from identity.linkage.model_file import model_text, read_model
from identity.linkage.pairs import database
from identity.linkage.work import load_fields

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "conf/models").glob("*.json"))


def comparison(name: str) -> dict[str, Any]:
    return {
        "output_column_name": name,
        "comparison_levels": [
            {"sql_condition": f"{name}_l is null or {name}_r is null", "is_null_level": True},
            {"sql_condition": f"{name}_l = {name}_r", "tf_adjustment_column": name, "m_probability": 0.9,
             "u_probability": 0.1, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": 1e-6},
            {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.9},
        ],
    }  # fmt: skip


COMPARISONS = [comparison("family"), comparison("email")]
# 12 Virtanens, of whom one gave no e-mail, 3 Laines, and somebody without a name.
PEOPLE = pd.DataFrame(
    {
        "unique_id": range(16),
        "family": ["virtanen"] * 12 + ["laine"] * 3 + [None],
        "email": [None, *["shared@example.fi"] * 11, *(f"{n}@example.fi" for n in range(4))],
    }
)


def model(**more: Any) -> Model:
    return Model(
        {"comparisons": COMPARISONS, "probability_two_random_records_match": 0.01},
        version="v",
        **more,
    )


def told(people: pd.DataFrame, known: Frequencies) -> tuple[pd.DataFrame, Frequencies]:
    """How common each record's values are, and what a model learnt here would remember."""
    with database() as connection:
        load_fields(connection, arrow_of(people))
        count_frequencies(connection, COMPARISONS, known)
        found = connection.execute("select * from frequencies order by unique_id").df()
        return found, common_values(connection, COMPARISONS)


def test_what_many_say_is_remembered_unless_it_is_one_persons():
    _, remembered = told(PEOPLE, Frequencies())
    assert FEWEST == 10
    assert remembered == Frequencies({"family": 15, "email": 15}, {"family": {"virtanen": 12}})


def test_values_are_as_common_as_here_where_nothing_is_remembered():
    found, _ = told(PEOPLE, Frequencies())
    assert found["family"].tolist() == [12 / 15] * 12 + [3 / 15] * 3 + [1.0]
    assert found["email"].tolist() == [1.0] + [11 / 15] * 11 + [1 / 15] * 4


def test_a_model_knows_better_than_a_small_table():
    known = Frequencies({"family": 1000, "email": 500}, {"family": {"virtanen": 20, "laine": 40}})
    few = PEOPLE.iloc[[0, 1, 12, 15]].assign(family=["virtanen", "rare", "rare", None])
    found, _ = told(few, known)
    assert found["family"].tolist() == [20 / 1000, 2 / 1000, 2 / 1000, 1.0]
    assert found["email"].tolist() == [1.0, 1 / 500, 1 / 500, 1 / 500]


def test_what_a_model_never_saw_is_as_common_as_in_a_larger_table():
    known = Frequencies({"family": 5, "email": 5}, {"family": {"laine": 5}})
    found, _ = told(PEOPLE, known)
    assert found["family"].tolist() == [12 / 15] * 12 + [5 / 5] * 3 + [1.0]


def test_what_is_surely_common_here_is_common():
    known = Frequencies({"family": 1000, "email": 1000}, {"family": {"virtanen": 20}})
    found, _ = told(PEOPLE, known)
    # Of 15 records 12, which may be as few as 12 - 2 * sqrt(12) where many are counted; 3 may be none.
    assert found["family"].tolist() == [pytest.approx((12 - 2 * 12**0.5) / 15)] * 12 + [3 / 1000] * 3 + [1.0]


def test_a_table_judged_by_its_own_model_is_judged_as_it_was():
    found, remembered = told(PEOPLE, Frequencies())
    again, _ = told(PEOPLE, remembered)
    pd.testing.assert_frame_equal(found, again)


def test_a_model_is_read_as_it_was_written(tmp_path: Path):
    known = Frequencies({"family": 15}, {"family": {"järvinen": 12}})
    one = model(frequencies=known, thresholds=Thresholds(0.9, 0.8, 0.7))
    file = tmp_path / "v.json"
    file.write_text(model_text(one, {"Name": "family_name"}, records=16, fingerprint="f"), encoding="utf-8")
    assert read_model(file, {"family", "email"}) == one


Spoil = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m.update(format="identity-link-1"), "not a model of format identity-link-2"),
        (lambda m: m.pop("frequencies"), "parts of the model are missing"),
        (lambda m: m["thresholds"].update(sure=1), "parts of the model are missing"),
        (lambda m: m["thresholds"].update(join=1.0), "0 < candidate <= keep <= join < 1"),
        (lambda m: m["thresholds"].update(keep=0.99), "0 < candidate <= keep <= join < 1"),
        (lambda m: m["splink"].pop("comparisons"), "parts of the model are missing"),
    ],
)
def test_a_file_that_is_no_model_says_what_is_wrong(spoil: Spoil, said: str, tmp_path: Path):
    whole = json.loads(
        model_text(model(thresholds=Thresholds(0.9, 0.8, 0.7)), {}, records=1, fingerprint="f")
    )
    spoil(whole)
    file = tmp_path / "v.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        read_model(file, {"family", "email"})


def test_a_model_of_other_columns_names_them(tmp_path: Path):
    file = tmp_path / "v.json"
    file.write_text(model_text(model(), {}, records=1, fingerprint="f"), encoding="utf-8")
    with pytest.raises(ModelError, match="the model compares email, which the table does not have"):
        read_model(file, {"family"})
    assert read_model(file) == model()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_model_holds_nothing_of_one_person(path: Path):
    shipped = read_model(path)
    assert shipped.version == path.stem
    common = shipped.frequencies.common
    assert not common.keys() & {"email", "phone", "national_id", "born", "address"}
    assert min(n for values in common.values() for n in values.values()) >= FEWEST
    assert "@" not in path.read_text(encoding="utf-8").replace("before the @", "")

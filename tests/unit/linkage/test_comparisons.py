"""Which level pairs are at, from written values on."""

import itertools

import duckdb
import pandas as pd
import pytest

from identity.linkage.comparisons import _slips, comparisons
from identity.linkage.engine import arrow_of
from identity.linkage.fields import standardise
from identity.linkage.pairs import compare_levels, numbered
from identity.linkage.work import load_fields

TYPES = {"first": "given_name", "last": "family_name", "mail": "email"}


def level_of(name: str, *records: tuple[str | None, str, str]) -> str | None:
    """Label of the level the first two of some records are at; None where something is missing."""
    fields = standardise(pd.DataFrame(list(records), columns=list(TYPES), dtype=object), TYPES)
    rules = comparisons(set(fields.columns))
    place = [rule["output_column_name"] for rule in rules].index(name)
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, arrow_of(fields))
        connection.execute("create table pair as select 0 as join_key_l, 1 as join_key_r")
        level = int(compare_levels(connection, "pair", rules)[2][0, place])
    return None if level < 0 else str(numbered(rules[place])[level]["label_for_charts"])


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("a.aho@x.fi", "a.aho@x.fi", "email equal"),
        ("a.aho@firma.fi", "a.aho@frima.fi", "two slips"),
        ("a.aho@firma.fi", "anna.aho@posti.fi", None),
        ("anna_aho@firma.fi", "ahoanna@posti.fi", None),
        ("sunny77x@firma.fi", "sunny77x@posti.fi", "the part before the @, or its digits, equal"),
        ("sunny77x@firma.fi", "sunny77@posti.fi", "the part before the @ similar"),
        ("sunny77x@firma.fi", "anna.aho@posti.fi", None),
        ("sunny77x@firma.fi", "captain@posti.fi", "all else"),
        ("anna.aho71@firma.fi", "aho.anna71@posti.fi", None),
    ],
)
def test_addresses_made_of_names_say_nothing_but_when_equal(one: str, other: str, level: str | None):
    spare = ("Otto", "Virta", "captain@sea.fi")
    assert level_of("email", ("Anna", "Aho", one), ("Anna", "Aho", other), spare) == level


def test_an_address_made_of_names_tells_a_record_without_them():
    spare = ("Otto", "Virta", "captain@sea.fi")
    town = [("Anna", "Aho", "anna.aho@firma.fi"), (None, "Aho", "anna.aho@posti.fi")]
    assert level_of("email", *town, spare) == "the part before the @, or its digits, equal"


@pytest.mark.parametrize("at_most", [1, 2])
def test_slips_are_counted_as_by_the_full_rule(at_most: int):
    words = ["".join(letters) for size in range(6) for letters in itertools.product("abc", repeat=size)]
    with duckdb.connect(":memory:") as connection:
        connection.register("words", pd.DataFrame({"word": [*words, None]}))
        full = f"damerau_levenshtein(w_l, w_r) <= {at_most}"
        differ = f"({full}) is distinct from {_slips('w', at_most)}"
        query = (
            f"select count(*), count(*) filter (where {full}), count(*) filter (where {differ}) "
            "from (select a.word as w_l, b.word as w_r from words a, words b)"
        )
        compared, near, differing = connection.execute(query).fetchall()[0]
    assert compared == (len(words) + 1) ** 2
    assert 0 < near < compared / 2
    assert differing == 0

"""What columns become: folded texts, dates in parts, names in their places."""

import pandas as pd
import pytest

from identity.linkage import dates, text
from identity.linkage.fields import standardise


@pytest.mark.parametrize(
    ("clean", "written", "becomes"),
    [
        (text.folded, "  Ågren\u200b  É ", "agren e"),
        (text.folded, "N/A", None),
        (text.folded, "Аnna", "anna"),  # a Cyrillic A
        (text.name, "Dr. Mary-Ann O'Neil, Jr", "mary ann oneil"),
        (text.name, "Sir", "sir"),  # a title alone may be a name
        (text.name, "Łukasz Weiß", "lukasz weiss"),
        (text.code, "SW1A 1AA", "sw1a1aa"),
        (text.number, "21.0", "21"),
        (text.digits, "+1-590-555-0102", "5905550102"),
        (text.digits, "0012345", None),  # too short to be anybody's
        (text.street, "21 North Park Avenue", "21 n park ave"),
        (text.email, "not an address", None),
        (text.sex, "Female", "f"),
        (text.sex, "non_binary", "non_binary"),
    ],
)
def test_texts_are_folded(clean: text.Cleaner, written: str, becomes: str | None):
    assert clean(written) == becomes


def test_every_distinct_value_is_cleaned_once():
    asked = []

    def clean(value: str) -> str:
        asked.append(value)
        return value.upper()

    cleaned = text.each(pd.Series(["a", None, "b", "a"]), clean)
    assert (list(cleaned), asked) == (["A", None, "B", "A"], ["a", "b"])


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("1970-04-11", ("1970", "04", "11")),
        ("19400529", ("1940", "05", "29")),
        (
            "1855-81-01",
            ("1855", "01", "81"),
        ),  # no calendar has it; the month is the one of the two that can be
        ("1928/11/13 00:00:00", ("1928", "11", "13")),
        ("13.11.1928", ("1928", "11", "13")),
        ("unknown", (None, None, None)),
    ],
)
def test_dates_keep_their_parts_as_written(written: str, parts: tuple[str | None, ...]):
    found = dates.parts_of(pd.Series([written]), pd.Series([""]))
    assert tuple(found.iloc[0]) == parts


def test_each_source_tells_whether_its_days_come_first():
    written = pd.Series(["25/12/2000", "03/04/2001", "12/25/2000", "03/04/2001"])
    found = dates.parts_of(written, pd.Series(["eu", "eu", "us", "us"]))
    assert list(found["month"]) == ["12", "04", "12", "03"]


def fields(types: dict[str, str], *rows: tuple[str | None, ...]) -> pd.DataFrame:
    return standardise(pd.DataFrame(list(rows), columns=list(types), dtype=object), types)


def test_names_find_their_places():
    types = {"g": "given_name", "m": "middle_name", "f": "family_name"}
    found = fields(types, ("Bill Ray", None, "Tell"), (None, "Q", "Tell"))
    assert list(found["given"]) == ["bill", None]
    assert list(found["middle"]) == ["ray", "q"]
    assert found["tokens"][0] == ["bill", "ray", "tell"]
    assert "william" in found["nicknames"][0]


def test_a_full_name_fills_what_is_missing():
    found = fields({"n": "full_name"}, ("Anna Maria Virtanen",), ("Cher",))
    assert found[["given", "middle", "family"]].astype(object).where(
        found.notna(), None
    ).to_numpy().tolist() == [
        ["anna", "maria", "virtanen"],
        ["cher", None, None],
    ]


def test_columns_of_one_type_fill_each_others_gaps():
    found = fields(
        {"home": "city", "post": "city", "x": "ignore"}, ("Oulu", "Turku", "1"), (None, "Turku", "2")
    )
    assert list(found["city"]) == ["oulu", "turku"]
    assert set(found) == {"unique_id", "source", "city"}


def test_an_address_comes_apart_and_together():
    apart = fields({"a": "full_address"}, ("21 Victoria Road",), ("The Old Mill",))
    together = fields({"n": "house_number", "s": "street"}, ("21.0", "Victoria Rd"), (None, "The Old Mill"))
    for found in (apart, together):
        assert list(found["number"]) == ["21", None]
        assert list(found["street"]) == ["victoria rd", "the old mill"]
        assert list(found["address"]) == ["21 victoria rd", None]


def test_an_age_gives_a_year_where_the_date_is_missing():
    types = {"b": "date_of_birth", "a": "age", "y": "as_of"}
    found = fields(types, ("1980-01-31", "39", "2020"), (None, "39", "2020-06-01"), (None, None, "2020"))
    assert found["born_about"].fillna(0).tolist() == [1980, 1981, 0]


def test_a_column_without_a_value_is_no_field():
    found = fields({"g": "given_name", "p": "phone"}, ("Anna", None), ("Ville", "12"))
    assert "phone" not in found

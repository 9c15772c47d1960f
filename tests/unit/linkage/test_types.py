"""What columns are taken for: by name, by content, or as told."""

import pandas as pd
import pytest

from identity.linkage.types import check_types, guess_types


def guessed(**columns: list[str | None]) -> dict[str, str]:
    return {name: guess.kind for name, guess in guess_types(pd.DataFrame(columns, dtype=object)).items()}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("firstName", "given_name"), ("GIVEN-NAME", "given_name"), ("Etunimi", "given_name"), ("prénom", "given_name"),
        ("Sukunimi", "family_name"), ("nazwisko", "family_name"), ("Geburtsdatum", "date_of_birth"),
        ("syntymäaika", "date_of_birth"), ("E-mail address", "email"), ("puhelin", "phone"), ("zip code", "postcode"),
        ("PLZ", "postcode"), ("kaupunki", "city"), ("SSN", "national_id"), ("dob_mon", "birth_month"),
        ("customer_name", "full_name"), ("created_at", "ignore"), ("apartment number", "ignore"),
        ("employer_city", "ignore"),
    ],
)  # fmt: skip
def test_names_tell(column: str, kind: str):
    assert guessed(**{column: ["x1", "x2"]}) == {column: kind}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a@b.fi", "c.d@e.com"], "email"),
        (["1980-01-31", "1955-12-01"], "date_of_birth"),
        (["31/01/1980", "01/12/1955"], "date_of_birth"),
        (["SW1A 1AA", "M80NW"], "postcode"),
        (["+358 40 123 4567", "(09) 123 45 678"], "phone"),
        (["21 Victoria Road", "3b New Street"], "full_address"),
        (["M", "F", "F"], "sex"),
        (["gold", "basic", "gold", "gold", "basic"], "category"),
        (["8271", "1982", "9911"], "ignore"),
        (["only this", "only this"], "ignore"),
        (["this"] * 99 + ["that"], "ignore"),
        (["this"] * 97 + ["that"] * 3, "category"),
        ([None, None], "ignore"),
    ],
)
def test_contents_tell_where_names_do_not(values: list[str | None], kind: str):
    assert guessed(c17=values) == {"c17": kind}


def test_columns_tell_of_each_other():
    assert guessed(name=["a b"], given_name=["a"])["name"] == "ignore"
    assert guessed(address_1=["kanbi place"], street_number=["53"])["address_1"] == "street"
    assert guessed(address_1=["53 kanbi place"])["address_1"] == "full_address"
    assert guessed(year=["2020"], age=["39"])["year"] == "as_of"
    assert guessed(year=["2020"])["year"] == "ignore"
    assert guessed(dob=["1980-01-31"], moved=["2001-01-31"])["moved"] == "ignore"
    assert guessed(pername1=["ZOE"], pername2=["KING"]) == {
        "pername1": "given_name",
        "pername2": "family_name",
    }


def test_what_is_told_stands():
    table = pd.DataFrame({"surname": ["x"], "name": ["y"]}, dtype=object)
    found = guess_types(table, {"surname": "given_name"})
    assert (found["surname"].kind, found["surname"].by) == ("given_name", "given")


def test_faults_in_what_is_told():
    faults = check_types({"a": "surname", "z": "email"}, ["a", "b"])
    assert [fault.split(";")[0] for fault in faults] == ["no column z", "a: no type surname"]

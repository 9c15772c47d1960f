"""One search finds a value in every form it may be written in, and nothing that only looks like it."""

import base64
import hashlib
import json
import unicodedata
from urllib.parse import quote

import pytest

from identity.erasure.needles import BETWEEN, Needles, is_searchable

MAIL = "Anna.Älä@posti.example"


@pytest.mark.parametrize(
    "text",
    [
        MAIL,
        MAIL.upper(),
        unicodedata.normalize("NFD", MAIL),
        quote(MAIL),
        MAIL.replace("Ä", "\\u00c4").replace("ä", "\\u00e4"),
        hashlib.sha256(MAIL.lower().encode()).hexdigest(),
        base64.b64encode(MAIL.lower().encode()).decode(),
        f'x,"{MAIL}",y',
    ],
)
def test_an_address_is_found_in_every_form(text: str):
    assert Needles([MAIL, "other@posti.example"]).found(f"a {text} b") == {MAIL}


@pytest.mark.parametrize("text", ["040 100 0001", "0401000001", "(040)100-0001", "tel:0401000001;"])
def test_a_phone_is_found_with_and_without_blanks(text: str):
    assert Needles(["040 100 0001"]).found(text) == {"040 100 0001"}


SPELLINGS = [
    "+358401234567", "+358 40 123 4567", "+358 (0)40 1234567", "00358-40-1234567", "040 1234567", "0401234567",
    "(040) 123-4567", "040/1234567", "040\u00a01234567",
]  # fmt: skip


@pytest.mark.parametrize("value", ["+358401234567", "040 1234567"])
@pytest.mark.parametrize("text", SPELLINGS)
def test_a_phone_is_found_in_every_spelling(value: str, text: str):
    for around in (text, json.dumps({"phones": ["09 7654321", text]}), f"1 2 {text} 33200 7", quote(text)):
        assert Needles([value, "+46701234567"]).found(around) == {value}


@pytest.mark.parametrize(
    "text",
    ["040 123456", "040 12345678", "1040 1234567", "040,1234567",
     "040\n1234567", "0.401234567", "x040 1234567", "040 1234567x", "40 12345671"],
)  # fmt: skip
def test_other_digits_are_no_phone(text: str):
    assert Needles(["+358401234567"]).found(text) == set()


def test_a_card_is_found_with_blanks_and_without():
    grouped, whole = "6401 2345 6789 0123", "6401234567890123"
    assert Needles([whole]).found(f'x,"{grouped}",y') == {whole}
    assert Needles([grouped]).found(f"x,{whole},y") == {grouped}


SAID = 'Asiakas "Anna"\nsoitti\tja pyysi\r\npalautusta C:\\nyt'


@pytest.mark.parametrize("times", range(4))
def test_a_text_of_several_lines_is_found_however_often_it_was_packed_into_json(times: int):
    text = SAID
    for _ in range(times):
        text = json.dumps({"free_text": text})
    assert Needles([SAID, "soitti\nja", "soitti pyysi"]).found(text) == {SAID}


@pytest.mark.parametrize(
    "text", ["Annala", "M000000011", "xM00000001", "Anna\nSalo", f"Anna{BETWEEN}Salo", "Salo Anna"]
)
def test_what_only_looks_like_it_is_not_found(text: str):
    assert Needles(["M00000001", "Anna Salo"]).found(text) == set()


def test_as_a_naive_search_finds():
    values = [f"M{n:08}" for n in range(0, 3000, 7)] + [f"Katu {n} A" for n in range(50)]
    text = "\n".join(f"M{n:08},Katu {n % 90} A {n},x" for n in range(0, 3000, 5))
    naive = {
        v for v in values if any(f",{v} " in f",{line.replace(',', ' ,')} " for line in text.split("\n"))
    }
    assert Needles(values).found(text) == naive
    assert 0 < len(naive) < len(values)


@pytest.mark.parametrize(
    ("value", "is_it"),
    [("Aho", False), ("1990-09-14", False), ("14.9.1990", False), ("33200", False), ("0401000001", True),
     ("2025-09-15T11:00:00Z", False), ("Nieminen", True), ("tok_b43a", True), ("", False)],
)  # fmt: skip
def test_dates_and_short_words_say_of_nobody_who_they_are(value: str, is_it: bool):
    assert is_searchable(value) is is_it

"""Names: many spellings, one folded form."""

import unicodedata

import pytest
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from identity.standardise import names

FOLDED: dict[str | None, str | None] = {
    # one family
    "Hämäläinen": "hamalainen",
    "HÄMÄLÄINEN": "hamalainen",
    "HAMALAINEN": "hamalainen",
    "hamalainen": "hamalainen",
    "Haemaelaeinen": "hamalainen",  # transliterated
    "HÃ¤mÃ¤lÃ¤inen": "hamalainen",  # UTF-8 read as Latin-1
    "HÃ\x84MÃ\x84LÃ\x84INEN": "hamalainen",  # and in capitals
    "  Hämäläinen \t": "hamalainen",
    # others
    "Öster": "oster",
    "Oester": "oster",
    "Åström": "astrom",
    "von  Hertzen": "von hertzen",
    "Mäki-Petäys": "maki petays",
    "O’Brien": "obrien",
    "O'Brien": "obrien",
    "François Müller": "francois muller",
    "Łukasz Żółć": "lukasz zolc",
    "Jorma 3.": "jorma 3",
    "Иван": "иван",  # another script is kept
    # nothing said
    "": None,
    " - ": None,
    None: None,
}


def applied(spark: SparkSession, function: object, texts: list[str | None]) -> list[str | None]:
    """A function of columns over texts, in their order."""
    df = spark.createDataFrame(list(enumerate(texts)), "place int, text string")
    assert callable(function)
    result: Column = function(F.col("text"))
    return [row[0] for row in df.select(result.alias("r"), "place").orderBy("place").collect()]


def test_spellings_fold_to_one(spark: SparkSession):
    assert dict(zip(FOLDED, applied(spark, names.folded, list(FOLDED)), strict=True)) == FOLDED


def test_folding_twice_is_folding_once(spark: SparkSession):
    once = applied(spark, names.folded, list(FOLDED))
    assert applied(spark, names.folded, once) == once
    assert applied(spark, names.name, once) == once


def test_folding_twice_is_folding_once_even_of_three_vowels(spark: SparkSession):
    once = applied(spark, names.folded, ["Saeed", "Chloée"])
    assert applied(spark, names.folded, once) == once


def test_accents_written_as_characters_of_their_own_fold_too(spark: SparkSession):
    assert applied(spark, names.folded, [unicodedata.normalize("NFD", "Hämäläinen")]) == ["hamalainen"]


def test_text_that_is_only_partly_spoilt_does_not_stop_the_run(spark: SparkSession):
    (found,) = applied(spark, names.folded, ["HÃ¤mäläinen"])
    assert found is not None
    assert found.endswith("lainen")


def test_repair_leaves_other_text_as_it_is(spark: SparkSession):
    texts: list[str | None] = ["Hämäläinen", "João Ã", "Иван Ã¤", "", None]
    assert applied(spark, names.repaired, texts) == texts


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title, lambda text: f" {text}. "])
def test_placeholders_are_no_names(spark: SparkSession, spelling: object):
    assert callable(spelling)
    typed = [spelling(text) for text in names.PLACEHOLDERS]
    assert applied(spark, names.name, typed) == [None] * len(typed)


def test_names_that_begin_like_placeholders_are_names(spark: SparkSession):
    kept = ["testa", "xenia", "nimetonen", "unknownson", "ei oleva"]
    assert applied(spark, names.name, list(kept)) == kept


def test_the_first_of_several_names_and_the_others(spark: SparkSession):
    texts: list[str | None] = ["pekka juhani olavi", "pekka", None]
    assert applied(spark, names.first_token, texts) == ["pekka", "pekka", None]
    assert applied(spark, names.other_tokens, texts) == ["juhani olavi", None, None]

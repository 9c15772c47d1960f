"""Dates, addresses and robots: what is read, and what says nothing."""

import datetime as dt
from collections.abc import Callable

import crawleruseragents
import pytest
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from identity.standardise import addresses, dates
from identity.standardise.robots import robots

Texts = dict[str | None, str | None]

WRITTEN: Texts = {
    "1990-01-31": "1990-01-31",
    "31.1.1990": "1990-01-31",
    "31.01.1990": "1990-01-31",
    "1.2.1990": "1990-02-01",  # day first, as in Finland
    "31/1/1990": "1990-01-31",
    "19900131": "1990-01-31",
    " 31.1.1990 ": "1990-01-31",
    "2000-02-29": "2000-02-29",
    # none
    "2001-02-29": None,
    "31.2.1990": None,
    "1.13.1990": None,
    "31.1.90": None,  # of which century?
    "tammikuu 1990": None,
    "1990": None,
    "": None,
    None: None,
}
STREETS: Texts = {
    "Hämeenkatu 21 B 14": "hameenkatu 21",
    "HÄMEENKATU 21": "hameenkatu 21",
    "Hameenkatu 21b as. 3": "hameenkatu 21",
    "hämeenkatu  21, b14": "hameenkatu 21",
    "Haemeenkatu 21": "hameenkatu 21",
    "hameenkatu 21": "hameenkatu 21",
    "Hämeenkatu 2": "hameenkatu 2",
    "Pitkä Siltakatu 3": "pitka siltakatu 3",
    "PL 12": "pl 12",
    "Hämeenkatu": None,  # without a number it is no address
    "": None,
    None: None,
}
FLATS: Texts = {
    "Hämeenkatu 21 B 14": "b14",
    "HÄMEENKATU 21 b14": "b14",
    "hämeenkatu 21, B-14": "b14",
    "Hämeenkatu 21b as. 3": "b3",
    "Hämeenkatu 21 as 3": "3",
    "Hämeenkatu 21 huoneisto 3": "3",
    "Tavastgatan 21 lgh 3": "3",
    "Tavastgatan 21 lägenhet 3": "3",
    "Hämeenkatu 21 as": None,  # and no number
    "Hämeenkatu 21": None,
    "Hämeenkatu": None,
    "PL 12": None,
    "": None,
    None: None,
}
POSTAL_CODES: Texts = {
    "00100": "00100",
    " 00 100 ": "00100",
    "sw1a 1aa": "SW1A1AA",
    "114 55": "11455",
    "FI-00100": "00100",
    " s-114 55 ": "11455",
    "00000": None,
    "0": None,
    "-": None,
    "": None,
    None: None,
}
COUNTRIES: Texts = {"FI": "FI", " fi ": "FI", "FIN": None, "Suomi": None, "1": None, "": None, None: None}


def test_a_flat_is_what_follows_the_house_number(spark: SparkSession):
    df = spark.createDataFrame([(text,) for text in FLATS], "text string")
    rows = df.select("text", addresses.flat(F.col("text")).alias("flat")).collect()
    assert {row.text: row.flat for row in rows} == FLATS


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(dates.written_date, WRITTEN, id="dates"),
        pytest.param(addresses.street, STREETS, id="streets"),
        pytest.param(addresses.postal_code, POSTAL_CODES, id="postal codes"),
        pytest.param(addresses.country, COUNTRIES, id="countries"),
    ],
)
def test_what_is_read_and_that_reading_it_again_changes_nothing(
    spark: SparkSession, function: Callable[[Column], Column], expected: Texts
):
    df = spark.createDataFrame([(text,) for text in expected], "text string")
    once = df.select("text", function(F.col("text")).cast("string").alias("once"))
    rows = once.select("text", "once", function(F.col("once")).cast("string").alias("twice")).collect()
    assert {row.text: row.once for row in rows} == expected
    assert {row.text: row.twice for row in rows} == expected


def test_dates_of_birth_that_nobody_has_are_null(spark: SparkSession):
    on = dt.date(2026, 1, 31)
    expected = {
        dt.date(1899, 12, 31): False,  # nobody alive
        dt.date(1900, 1, 1): False,  # what forms fill in
        dt.date(1901, 1, 1): False,
        dt.date(1970, 1, 1): False,
        dt.date(1900, 1, 2): True,
        dt.date(1969, 12, 31): True,
        dt.date(1970, 1, 2): True,
        on: True,  # born today
        on + dt.timedelta(days=1): False,  # the future
    }
    df = spark.createDataFrame([(date,) for date in [*expected, None]], "date date")
    rows = df.select("date", dates.birth_date(F.col("date"), on=on).alias("born")).collect()
    assert {row.date: row.born for row in rows} == {
        **{date: date if is_kept else None for date, is_kept in expected.items()},
        None: None,
    }


CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
AGENTS = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": True,
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": True,
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": True,
    "python-requests/2.31.0": True,
    CHROME: False,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1": False,
    "": False,
    None: False,  # silence is no robot
}


def test_robots_are_told_from_people(spark: SparkSession):
    df = spark.createDataFrame([(agent,) for agent in AGENTS], "user_agent string")
    assert {row.user_agent: row.is_bot for row in robots(df).collect()} == AGENTS
    assert {agent: bool(agent and crawleruseragents.is_crawler(agent)) for agent in AGENTS} == AGENTS

"""A person called as the program's pages, tables and logs speak can be erased; nobody else's name is taken for a word."""

import datetime as dt
import io
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from identity.config_reading import load_config
from identity.erasure.needles import Needles
from identity.erasure.own_words import own_words
from identity.run import Run
from identity.tables import Tables


def test_words_of_pages_tables_and_logs_are_nobodys(spark: SparkSession, tmp_path: Path):
    config = load_config(Path(__file__).parents[3] / "conf" / "local.yaml", warehouse=tmp_path)
    run = Run(
        config, Tables(spark, tmp_path), dt.date(2026, 1, 31), config.secret(), Console(file=io.StringIO())
    )
    words = {
        "Block", "Head", "Auto", "Body", "Style", "viewport",  # of every page
        "Sans", "Middle",  # of a picture
        "Card", "Must", "Unique",  # of Data Docs
        "Long", "Struct", "partitionBy", "minReaderVersion",  # of a table's log
        "parquet", "ARROW",  # of its files
        "loyalty", "customers",  # of the configuration
    }  # fmt: skip
    persons = {"Nieminen", "Virtanen", "Korhonen", "Anna Salo", "Pekka"}

    told = own_words(run)

    assert {hit for text in told for hit in Needles(words | persons).found(text)} == words
    assert not (tmp_path / "staging" / "nobody").exists()

"""Contacts and identifiers: many spellings, one value, one keyed hash."""

import hashlib
import hmac
import random

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.standardise.contacts import email, email_or_hash, phones
from identity.standardise.identifiers import (
    hash_key,
    hash_of,
    keyed_hash,
    normal_form,
    normalised,
    value_hash,
)
from identity.standardise.records import identifiers

KEY = hash_key(b"a secret of the tests")
NAMESPACES = {
    name: Namespace.model_validate({"level": level, "rank": rank, "links": "never", "max_persons": 9})
    for rank, (name, level) in enumerate(
        [("member", "identified"), ("email", "identified"), ("phone", "identified"), ("cookie", "cookie")], 1
    )
}

PHONES = {
    "+358401234567": "+358401234567",
    "040 123 4567": "+358401234567",
    "040-1234567": "+358401234567",
    "(040) 1234567": "+358401234567",
    "0401234567": "+358401234567",
    "+358 40 123 4567": "+358401234567",
    "+358 (0)40 123 4567": "+358401234567",
    "00358 40 1234567": "+358401234567",
    "358401234567": "+358401234567",
    " tel. 040 123 4567": "+358401234567",
    "09 1234 5678": "+358912345678",  # a landline in Helsinki
    "+46 70 123 45 67": "+46701234567",
    # none
    "12": None,
    "ei ole": None,
    "": None,
    None: None,
}
EMAILS = {
    "aino@x.fi": "aino@x.fi",
    " Aino@X.FI ": "aino@x.fi",
    "mailto:aino@x.fi": "aino@x.fi",
    "aino.virtanen+shop@mail.x.fi": "aino.virtanen+shop@mail.x.fi",
    "äinö@x.fi": "äinö@x.fi",
    # none
    "aino@x": None,
    "aino@x.f": None,
    "aino": None,
    "@x.fi": None,
    "aino@@x.fi": None,
    "aino virtanen@x.fi": None,
    "aino@x.fi, eero@x.fi": None,
    "": None,
    None: None,
}
AINO_SHA = hashlib.sha256(b"aino@x.fi").hexdigest()


def test_finnish_phone_numbers_are_one_however_written(spark: SparkSession):
    rows = phones(spark.createDataFrame([(text,) for text in PHONES], "raw string")).collect()
    assert {row.raw: row.phone for row in rows} == PHONES


def test_e_mail_addresses_are_one_however_written(spark: SparkSession):
    df = spark.createDataFrame([(text,) for text in EMAILS], "text string")
    rows = df.select(
        "text", email(F.col("text")).alias("once"), email(email(F.col("text"))).alias("twice")
    ).collect()
    assert {row.text: row.once for row in rows} == EMAILS
    assert {row.text: row.twice for row in rows} == EMAILS


def test_a_tag_collector_may_send_the_sha256_in_place_of_the_address(spark: SparkSession):
    expected = {
        AINO_SHA: AINO_SHA,
        AINO_SHA.upper(): AINO_SHA,
        " Aino@x.fi": "aino@x.fi",
        AINO_SHA[:-1]: None,
        None: None,
    }
    df = spark.createDataFrame([(text,) for text in expected], "text string")
    rows = df.select("text", email_or_hash(F.col("text")).alias("read")).collect()
    assert {row.text: row.read for row in rows} == expected


# Keyed hashes


def random_texts() -> list[str]:
    chance = random.Random(1)
    alphabet = "abcXYZ 0123@.\x1f\t\n'\"\\åäöÅÄÖéß€漢字🙂Ж"
    texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 200))) for _ in range(100)]
    return ["", *texts]


@pytest.mark.parametrize("key", [KEY, b"k", bytes(range(64))], ids=["derived", "one byte", "a whole block"])
def test_a_keyed_hash_is_what_pythons_hmac_says(spark: SparkSession, key: bytes):
    texts = random_texts()
    df = spark.createDataFrame([(text,) for text in texts], "text string")
    rows = df.select("text", keyed_hash(F.col("text"), key=key).alias("hash")).collect()
    assert {row.text: row.hash for row in rows} == {
        text: hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for text in texts
    }


def test_the_hash_of_nothing_is_nothing(spark: SparkSession):
    df = spark.createDataFrame([(None,)], "text string")
    assert df.select(keyed_hash(F.col("text"), key=KEY)).collect()[0][0] is None


def test_the_secret_itself_is_not_in_the_plan(spark: SparkSession):
    secret = b"a secret of the tests"
    assert hash_key(secret) == hmac.new(secret, b"identity:hashes", hashlib.sha256).digest()
    df = spark.createDataFrame([("a",)], "text string").select(
        keyed_hash(F.col("text"), key=hash_key(secret))
    )
    plan = df._jdf.queryExecution().toString()
    assert secret.decode() not in plan
    assert secret.hex() not in plan.lower()


def test_an_address_and_its_sha256_have_one_hash_and_namespaces_have_each_their_own(spark: SparkSession):
    rows = [("email", "aino@x.fi"), ("email", AINO_SHA), ("member", "aino@x.fi"), ("member", AINO_SHA)]
    df = spark.createDataFrame(rows, "namespace string, value string")
    found = [
        row[0] for row in df.select(value_hash(F.col("namespace"), F.col("value"), key=KEY)).collect()
    ]  # in the rows' order: one partition
    expected = [
        hmac.new(KEY, f"{namespace}\x1f{canonical}".encode(), hashlib.sha256).hexdigest()
        for namespace, canonical in [("email", AINO_SHA)] * 2 + rows[2:]
    ]
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == 3


# Identifiers

RAW = [
    # record, namespace, as delivered
    ("a", "phone", "040 123 4567"),
    ("b", "phone", "+358 40 1234567"),
    ("c", "phone", "ei ole"),  # says nothing
    ("a", "email", "Aino@x.fi"),
    ("b", "email", AINO_SHA.upper()),
    ("c", "email", "aino"),  # no address
    ("a", "member", " M1 "),
    ("b", "member", "M1"),
    ("c", "member", "m1"),  # keys are told apart by case
    ("d", "member", "  "),
    ("d", "shoe_size", "42"),  # no namespace of ours
    ("d", "phone", None),
]


def test_identifiers_of_one_value_meet_and_what_says_nothing_is_left_out(spark: SparkSession):
    df = spark.createDataFrame(RAW, "record string, namespace string, raw string")
    found = normalised(df, namespaces=NAMESPACES, key=KEY)
    assert found.columns == ["record", "namespace", "value", "value_hmac"]
    rows = found.collect()
    values = {(row.record, row.namespace): row.value for row in rows}
    assert values == {
        ("a", "phone"): "+358401234567",
        ("b", "phone"): "+358401234567",
        ("a", "email"): "aino@x.fi",
        ("b", "email"): AINO_SHA,
        ("a", "member"): "M1",
        ("b", "member"): "M1",
        ("c", "member"): "m1",
    }
    hashes = {(row.record, row.namespace): row.value_hmac for row in rows}
    for namespace in ("phone", "email", "member"):
        assert hashes["a", namespace] == hashes["b", namespace]
    assert len(set(hashes.values())) == 4


def test_two_spellings_on_one_record_are_one_identifier_seen_from_first_to_last(spark: SparkSession):
    shape = "source string, source_key string, namespace string, raw string, first_seen_at timestamp, last_seen_at timestamp"
    df = spark.createDataFrame(
        [
            ("crm", "1", "phone", "040 123 4567", None, None),
            ("crm", "1", "phone", "+358401234567", None, None),
            ("crm", "2", "phone", "0401234567", None, None),  # another record
            ("crm", "1", "email", "aino@x.fi", None, None),
            ("crm", "1", "email", AINO_SHA, None, None),  # the same address, by its hash
        ],
        shape,
    ).withColumns(
        {
            # the length of the text is the day of January, or of February, on which it was seen
            "first_seen_at": F.make_timestamp(F.lit(2026), F.lit(1), F.least(F.length("raw"), F.lit(30)), *[F.lit(0)] * 3),
            "last_seen_at": F.make_timestamp(F.lit(2026), F.lit(2), F.least(F.length("raw"), F.lit(28)), *[F.lit(0)] * 3),
        }
    )  # fmt: skip
    rows = identifiers(df, namespaces=NAMESPACES, key=KEY).collect()
    found = {
        (row.source_key, row.namespace): (row.level, row.first_seen_at.day, row.last_seen_at.day)
        for row in rows
    }
    assert len(rows) == len(found)
    assert found == {
        ("1", "phone"): ("identified", 12, 13),
        ("2", "phone"): ("identified", 10, 10),
        ("1", "email"): ("identified", 9, 28),
    }


def test_one_value_is_read_without_spark_as_all_are_with_it(spark: SparkSession):
    raws = [("phone", text) for text in PHONES]
    raws += [
        ("email", text)
        for text in (
            " Aino@Posti.FI ",
            "mailto:a.b@x.fi",
            "a@b",
            "ei ole",
            "",
            "Å@ä.fi",
            "ab" * 32,
            "AB" * 32,
        )
    ]
    raws += [("member", text) for text in (" M1 ", "", "m1", "Ä")] + [("cookie", "C0")]
    frame = spark.createDataFrame(
        [(n, *raw) for n, raw in enumerate(raws)], "n int, namespace string, raw string"
    )
    rows = normalised(frame, namespaces=NAMESPACES, key=KEY).collect()
    found = {row.n: (row.value, row.value_hmac) for row in rows}
    here = {}
    for n, (namespace, raw) in enumerate(raws):
        value = normal_form(namespace, raw)
        if value is not None:
            here[n] = (value, hash_of(namespace, value, key=KEY))
    assert here == found
    assert 5 < len(found) < len(raws)

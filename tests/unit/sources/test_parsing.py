"""From lines to records: every fault has its reason and column, and a good row keeps its values word for word."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from stdnum.fi import hetu

from identity.config import Feed
from identity.sources.parsing import masked, parse_lines, typed
from identity.tables import read_lines

Fault = tuple[str, str | None] | None


def feed(format_: str, **columns: str) -> Feed:
    """A feed: `id="string!"` is a required column."""
    return Feed.model_validate(
        {
            "pattern": "*",
            "format": format_,
            "columns": {
                name: {"type": type_.rstrip("!"), "required": type_.endswith("!")}
                for name, type_ in columns.items()
            },
        }
    )


CSV = feed(
    "csv",
    id="string!",
    sold_on="date",
    amount="decimal(10,2)",
    at="timestamp",
    is_open="boolean",
    note="string",
)
HEADER = tuple(CSV.columns)
JSON = feed(
    "json",
    id="string!",
    at="timestamp!",
    score="int",
    emails="array<string>",
    address="struct<city:string,no:int>",
)
LOG = feed(
    "combined_log", host="string", login="string", time="timestamp!", request="string!", status="int!",
    bytes="bigint", referrer="string", user_agent="string", cookie="string",
)  # fmt: skip

VALID_CODE = "131052-308T"  # the example of the Finnish population register


def numbered(spark: SparkSession, lines: list[str], first: int) -> DataFrame:
    return spark.createDataFrame(
        [(first + i, line) for i, line in enumerate(lines)], "row_no bigint, line string"
    )


def fault(row: Row) -> Fault:
    return None if row["fault"] is None else (row["fault"]["reason"], row["fault"]["column_name"])


def parsed(spark: SparkSession, lines: list[str], of: Feed, header: tuple[str, ...] = HEADER) -> list[Row]:
    """Parse lines that follow a header, if the format has one; the rows in the lines' order."""
    df = numbered(spark, lines, 2 if of.format == "csv" else 1)
    return parse_lines(df, of, header=header if of.format == "csv" else ()).orderBy("row_no").collect()


def verdicts(spark: SparkSession, cases: dict[str, Fault], of: Feed) -> dict[str, Fault]:
    return {row["line"]: fault(row) for row in parsed(spark, list(cases), of)}


# CSV

CSV_CASES: dict[str, Fault] = {
    # good rows
    "1,2026-01-31,12.50,2026-01-31T10:00:00Z,true,hello": None,
    "1,,,,,": None,  # only the required value
    '1,,,,,"a, b and ""c"""': None,  # separator and quotes inside quotes
    "1,,-0.01,2026-01-31 10:00:00,false,Åsa": None,
    "1, 2026-01-31 , 5 ,,,": None,  # blanks around a value of a type do no harm
    # broken rows
    '1,,,,,"never closed': ("broken_row", None),
    '1,,,,,a "quote': ("broken_row", None),
    '"1,,,,,': ("broken_row", None),
    "1,,,,": ("broken_row", None),  # a field too few
    "1": ("broken_row", None),
    "1,,,,,,": ("broken_row", None),  # a field too many
    # missing and wrong values
    ",,,,,": ("missing_value", "id"),
    "  ,2026-01-31,,,,": ("missing_value", "id"),
    '"",,,,,': ("missing_value", "id"),
    "1,31.1.2026,,,,": ("wrong_type", "sold_on"),
    "1,2026-02-30,,,,": ("wrong_type", "sold_on"),  # no such day
    '1,,"12,50",,,': ("wrong_type", "amount"),
    "1,,123456789.00,,,": ("wrong_type", "amount"),  # more digits than the type holds
    "1,,12.505,,,": ("wrong_type", "amount"),  # more decimals: it would be rounded
    "1,,1e-3,,,": ("wrong_type", "amount"),
    "1,,12.5000,,,": None,
    "1,,-0.05,,,": None,
    "1,,,yesterday,,": ("wrong_type", "at"),
    "1,,,2026-01-31T25:00:00Z,,": ("wrong_type", "at"),
    "1,,,,maybe,": ("wrong_type", "is_open"),
    # the gravest fault is named, then the first column
    ",31.1.2026,x,,,": ("missing_value", "id"),
    "1,31.1.2026,x,,,": ("wrong_type", "sold_on"),
    # a personal identity code is graver than a missing or wrong value, and stands in any field
    f"{VALID_CODE},,,,,": ("personal_identity_code", None),
    f",{VALID_CODE},,,,": ("personal_identity_code", None),
    f"1,,,,,born {VALID_CODE.lower()}.": ("personal_identity_code", None),
    f'1,,,,,"{VALID_CODE}"': ("personal_identity_code", None),
    "1,,,,,131052-308U": None,  # the check character is wrong: an order number
    "1,,,,,990199-308T": None,  # no such month
    f"1,,,,,X{VALID_CODE}": None,  # part of a longer word
}


def test_csv_rows_get_the_verdict_their_contract_gives(spark: SparkSession):
    assert verdicts(spark, CSV_CASES, CSV) == CSV_CASES


def test_a_time_without_a_day_is_no_timestamp(spark: SparkSession):
    assert verdicts(spark, {"1,,,12:30:00,,": None}, CSV) == {"1,,,12:30:00,,": ("wrong_type", "at")}


def test_csv_values_are_kept_word_for_word(spark: SparkSession):
    (row,) = parsed(spark, ['1, 2026-01-31 ,012.50,,,"a ""b"", ä"'], CSV)
    assert json.loads(row["record"]) == {
        "id": "1", "sold_on": " 2026-01-31 ", "amount": "012.50", "note": 'a "b", ä',
    }  # fmt: skip


def test_csv_columns_are_read_by_the_files_own_header(spark: SparkSession):
    header = ("note", "at", "id", "is_open", "amount", "sold_on")
    rows = parsed(spark, ["hello,,1,true,12.50,2026-01-31", "hello,,,,,"], CSV, header)
    assert json.loads(rows[0]["record"]) == {
        "id": "1", "sold_on": "2026-01-31", "amount": "12.50", "is_open": "true", "note": "hello",
    }  # fmt: skip
    assert [fault(row) for row in rows] == [None, ("missing_value", "id")]


def test_the_header_is_no_record(spark: SparkSession):
    lines = numbered(spark, [",".join(HEADER), "1,,,,,", "2,,,,,"], 1)
    rows = parse_lines(lines, CSV, header=HEADER).orderBy("row_no").collect()
    assert [(row["row_no"], json.loads(row["record"])["id"]) for row in rows] == [(2, "1"), (3, "2")]


def test_accepted_records_open_into_typed_columns(spark: SparkSession):
    df = numbered(spark, ["1, 2026-01-31 ,012.50,2026-01-31T12:00:00+02:00,TRUE,", "2,,,,,"], 2)
    rows = typed(parse_lines(df, CSV, header=HEADER).select("row_no", "record"), CSV).orderBy("row_no")
    kinds = {field.name: field.dataType.simpleString() for field in rows.schema}
    assert kinds == {"row_no": "bigint", **{name: column.type for name, column in CSV.columns.items()}}
    one, two = rows.select("id", *(F.col(c).cast("string") for c in HEADER[1:])).collect()
    assert tuple(one) == ("1", "2026-01-31", "12.50", "2026-01-31 10:00:00", "true", None)
    assert tuple(two) == ("2", None, None, None, None, None)


# JSON

GOOD = '{"id": "1", "at": "2026-01-31T10:00:00Z", "score": 5, "emails": ["a@b.fi"], "address": {"city": "Oulu", "no": 1}}'
JSON_CASES: dict[str, Fault] = {
    GOOD: None,
    '{"at": "2026-01-31T10:00:00Z", "id": "1"}': None,  # other order, optional values left out
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "emails": [], "address": null}': None,
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "colour": "red"}': None,  # judged by `keys`, the whole file at once
    # broken
    GOOD[:60]: ("broken_row", None),  # truncated
    GOOD[:-1]: ("broken_row", None),
    "not json": ("broken_row", None),
    # missing
    '{"at": "2026-01-31T10:00:00Z"}': ("missing_value", "id"),
    '{"id": null, "at": "2026-01-31T10:00:00Z"}': ("missing_value", "id"),
    '{"id": " ", "at": "2026-01-31T10:00:00Z"}': ("missing_value", "id"),
    '{"id": "1"}': ("missing_value", "at"),
    '{"id": "1", "at": null}': ("missing_value", "at"),
    # wrong
    '{"id": "1", "at": "yesterday"}': ("wrong_type", "at"),
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "score": "five"}': ("wrong_type", "score"),
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "score": 5.5}': ("wrong_type", "score"),
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "emails": "a@b.fi"}': ("wrong_type", "emails"),
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "address": "Oulu"}': ("wrong_type", "address"),
    '{"id": "1", "at": "2026-01-31T10:00:00Z", "address": {"no": "a"}}': (
        "wrong_type",
        None,
    ),  # inside a struct
    # identity code
    f'{{"id": "1", "at": "2026-01-31T10:00:00Z", "address": {{"city": "{VALID_CODE}"}}}}': (
        "personal_identity_code",
        None,
    ),
    f'{{"id": "1", "at": "2026-01-31T10:00:00Z", "{VALID_CODE}": 1}}': ("personal_identity_code", None),
}


def test_json_rows_get_the_verdict_their_contract_gives(spark: SparkSession):
    assert verdicts(spark, JSON_CASES, JSON) == JSON_CASES


@pytest.mark.parametrize("text", ["[1, 2]", "[]", "5", '"text"', "null", "true"])
def test_json_that_is_no_object_is_a_fault(spark: SparkSession, text: str):
    assert verdicts(spark, {text: None}, JSON)[text] is not None


@pytest.mark.parametrize(
    "text", [rf"Hei!\n{VALID_CODE}", rf"Hei!\r\n{VALID_CODE}", rf"Hei!\t{VALID_CODE}", r"131052\u002d308T"]
)
def test_an_identity_code_in_escaped_json_is_found(spark: SparkSession, text: str):
    line = f'{{"id": "1", "at": "2026-01-31T10:00:00Z", "address": {{"city": "{text}"}}}}'
    assert json.loads(line)["address"]["city"].split()[-1] == VALID_CODE  # so it would read in silver
    assert verdicts(spark, {line: None}, JSON)[line] == ("personal_identity_code", None)


def test_json_is_kept_as_it_came_and_tells_its_keys(spark: SparkSession):
    lines = [GOOD, '{"id": "1", "at": "2026-01-31T10:00:00Z", "colour": {"name": "red"}}']
    rows = parsed(spark, lines, JSON)
    assert [row["record"] for row in rows] == lines
    assert [set(row["keys"]) - set(JSON.columns) for row in rows] == [set(), {"colour"}]


def test_json_records_open_into_typed_columns(spark: SparkSession):
    row = (
        typed(numbered(spark, [GOOD], 1).withColumnRenamed("line", "record"), JSON).collect()[0].asDict(True)
    )
    assert row.pop("at").isoformat() == "2026-01-31T10:00:00"
    assert row == {
        "row_no": 1,
        "id": "1",
        "score": 5,
        "emails": ["a@b.fi"],
        "address": {"city": "Oulu", "no": 1},
    }


# The server log

LINE = (
    '192.0.2.1 - u42 [31/Jan/2026:12:00:00 +0200] "GET /SKU-1 HTTP/1.1" 200 10 "https://a.fi/" '
    '"Mozilla/5.0 (X)" "cid=0123456789abcdef"'
)
LOG_CASES: dict[str, Fault] = {
    LINE: None,
    LINE.replace(' "cid=0123456789abcdef"', ""): None,  # the plain combined format
    LINE.replace("Mozilla/5.0 (X)", r"a \"quoted\" agent"): None,
    LINE.replace(" 10 ", " - ").replace("https://a.fi/", "-"): None,
    LINE[:70]: ("broken_row", None),  # truncated in the request
    LINE[:-1]: ("broken_row", None),  # truncated in the last field
    LINE.replace(" 200 ", " OK "): ("broken_row", None),
    LINE.replace("Jan", "Foo"): ("wrong_type", "time"),
    LINE.replace("31/Jan", "31/Feb"): ("wrong_type", "time"),
    LINE.replace("GET /SKU-1 HTTP/1.1", "-"): ("missing_value", "request"),  # a client that sent nothing
    LINE.replace("/SKU-1", f"/haku?q={VALID_CODE}"): ("personal_identity_code", None),
}


def test_log_lines_get_the_verdict_their_contract_gives(spark: SparkSession):
    assert verdicts(spark, LOG_CASES, LOG) == LOG_CASES


def test_what_a_log_line_says(spark: SparkSession):
    anonymous = (
        LINE.replace("u42", "-").replace("cid=0123456789abcdef", "-").replace("Mozilla/5.0 (X)", r"\"x\"")
    )
    other = LINE.replace("cid=0123456789abcdef", "theme=dark; cid=FFFF0000FFFF0000; lang=fi")
    one, two, three = (json.loads(row["record"]) for row in parsed(spark, [LINE, anonymous, other], LOG))
    assert one == {
        "host": "192.0.2.1",
        "login": "u42",
        "time": "2026-01-31T10:00:00Z",  # UTC
        "request": "GET /SKU-1 HTTP/1.1",
        "status": "200",
        "bytes": "10",
        "referrer": "https://a.fi/",
        "user_agent": "Mozilla/5.0 (X)",
        "cookie": "0123456789abcdef",
    }
    assert two == {name: one[name] for name in one if name not in ("login", "cookie")} | {
        "user_agent": r"\"x\""
    }
    assert three["cookie"] == "FFFF0000FFFF0000"


# Identity codes against python-stdnum


def codes(count: int) -> list[str]:
    """Codes of real days and persons, every other with a wrong check character."""
    chance = random.Random(20260131)
    made = []
    for i in range(count):
        day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(0, 99)
        number = chance.randint(2, 899)
        check = hetu._calc_checksum(f"{day:02}{month:02}{year:02}{number:03}")
        if i % 2:
            check = chance.choice([c for c in "0123456789ABCDEFHJKLMNPRSTUVWXY" if c != check])
        made.append(f"{day:02}{month:02}{year:02}{chance.choice('-+ABCDEFYXWVU')}{number:03}{check}")
    return made


def test_identity_codes_are_told_as_stdnum_tells_them(spark: SparkSession):
    made = codes(200)
    expected = {code: hetu.is_valid(code) for code in made}
    assert 90 <= sum(expected.values()) <= 110  # both kinds are there
    rows = parsed(spark, [f"1,,,,,{code}" for code in made], CSV)
    found = {row["line"].rsplit(",", 1)[1]: fault(row) == ("personal_identity_code", None) for row in rows}
    assert found == expected


def test_temporary_identity_codes_count_too(spark: SparkSession):
    code = "010190-900" + hetu._calc_checksum("010190900")
    assert hetu.is_valid(code, allow_temporary=True)
    assert fault(parsed(spark, [f"1,,,,,{code}"], CSV)[0]) == ("personal_identity_code", None)


# Files: bytes that are no UTF-8, and row numbers


def test_bytes_that_are_no_utf8_are_the_gravest_fault(spark: SparkSession, tmp_path: Path):
    path = tmp_path / "lines.csv"
    path.write_bytes(",".join(HEADER).encode() + b"\n1,,,,,H\xe4m\xe4l\xe4inen\n1,,,,,H\xc3\xa4m\n,\xff,\n")
    rows = parse_lines(read_lines(spark, [str(path)]), CSV, header=HEADER).orderBy("row_no").collect()
    assert [(row["row_no"], fault(row)) for row in rows] == [
        (2, ("invalid_utf8", None)),
        (3, None),
        (4, ("invalid_utf8", None)),
    ]


def test_rows_are_numbered_from_one_file_by_file_and_split_by_split(spark: SparkSession, tmp_path: Path):
    contents = {
        "short.csv": ["one"],
        "with a blank & ä%20.csv": [f"line {i} " + "ä" * (i % 7) for i in range(60)],
        "blank lines.csv": ["a", "", "", "b", ""],
    }
    for name, lines in contents.items():
        (tmp_path / name).write_bytes("".join(line + "\r\n" for line in lines).encode())
    key = "spark.sql.files.maxPartitionBytes"
    before: Any = spark.conf.get(key)
    spark.conf.set(key, "100")  # the second file takes a dozen splits
    try:
        rows = read_lines(spark, [str(tmp_path / name) for name in contents]).collect()
    finally:
        spark.conf.set(key, before)
    found = sorted((Path(row["path"]).name, row["row_no"], row["line"]) for row in rows)
    assert found == sorted(
        (name, i, line) for name, lines in contents.items() for i, line in enumerate(lines, 1)
    )


# The shape of a bad row


def test_a_masked_text_keeps_no_letter_or_digit(spark: SparkSession):
    texts = [
        "Matti Meikäläinen, 040-123 4567; matti@meikalainen.fi",
        "Жанна 漢字 عربى ٣٤٥ ²½ Ⅷ ß ſ ﬁ ª",
        "".join(map(chr, range(0x20, 0x250))),
        '{"id": "é"}\t\\n',
        "a" * 2000,
        "",
    ]
    df = spark.createDataFrame([(text,) for text in texts], "text string")
    shapes = [row[0] for row in df.select(masked(F.col("text"))).collect()]
    for text, shape in zip(texts, shapes, strict=True):
        assert not [c for c in shape if (c.isalpha() or c.isnumeric()) and c not in "x9"]
        assert len(shape) == min(len(text), 500)
    assert shapes[0] == "xxxxx xxxxxxxxxxx, 999-999 9999; xxxxx@xxxxxxxxxxx.xx"


@pytest.mark.parametrize("contract", [CSV, JSON, LOG], ids=["csv", "json", "log"])
def test_a_blank_line_is_no_record(spark: SparkSession, contract: Feed):
    assert parsed(spark, ["", "  ", "\t"], contract) == []

"""From delivered lines to records: by format, judged by the feed's contract, one reason code for a bad row.

Every parser returns the same shape: the line's columns plus `record` (the record as JSON, values word for word),
`keys` (field names the record has), `fault` (`reason` and `column_name`; null for a good row).
"""

from collections.abc import Collection, Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Feed

# The Apache/NCSA combined format; the first-party cookie may follow as one more quoted field.
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
COMBINED_LOG = (
    rf"^(\S+) \S+ (\S+) \[([^\]]+)\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}(?: {_QUOTED})?\s*$"
)
_LOG_TIME = "dd/MMM/yyyy:HH:mm:ss Z"

# Finnish personal identity code: ddmmyy, century sign, individual number, check character.
IDENTITY_CODE = r"\b((?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{2}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y])\b"
_CHECK_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def parse_lines(lines: DataFrame, feed: Feed, *, header: tuple[str, ...]) -> DataFrame:
    """Parse and judge the lines of a feed's files that share a header.

    Args:
        lines: At least `row_no` and `line`.
        feed: The feed's contract.
        header: Column names in file order (CSV only); line 1 is then no record.

    Returns:
        The lines' columns and `record`, `keys`, `fault`.
    """
    lines = lines.where("line rlike '\\\\S'")  # a blank line holds nobody: an erasure leaves one
    if feed.format == "csv":
        parsed = _parse_csv(lines.where(F.col("row_no") > 1), header)
    elif feed.format == "json":
        parsed = _parse_json(lines, feed)
    else:
        parsed = _parse_combined_log(lines)
    is_json = feed.format == "json"
    written = ", ".join(f"r.`{name}`" for name in feed.columns)
    return parsed.selectExpr(
        *lines.columns,
        "line as record" if is_json else f"to_json(struct({written})) as record",
        "json_object_keys(line) as keys" if is_json else "cast(null as array<string>) as keys",
        _first_fault(feed),
    )


def typed(records: DataFrame, feed: Feed) -> DataFrame:
    """Open accepted `record`s into the contract's typed columns, beside the columns that say where they came from."""
    schema = ", ".join(
        f"`{name}` {column.type if feed.format == 'json' else 'string'}"
        for name, column in feed.columns.items()
    )
    kept = [f"`{name}`" for name in records.columns if name != "record"]
    cast = (f"cast(r.`{name}` as {column.type}) as `{name}`" for name, column in feed.columns.items())
    # As SQL: one call to the JVM, where Column objects take a few for every column.
    return records.selectExpr(*kept, f"from_json(record, '{schema}') as r").selectExpr(*kept, *cast)


def unlinked(record: Column, feed: Feed) -> Column:
    """A `record` without what identifies somebody; all else as it was."""
    return reduced(record, feed, [name for name, column in feed.columns.items() if not column.identifier])


def reduced(record: Column, feed: Feed, columns: Collection[str]) -> Column:
    """A `record` with some of its columns alone, as they were."""
    read = opened(record, feed)
    return F.to_json(F.struct(*(read[name].alias(name) for name in feed.columns if name in columns)))


def opened(record: Column, feed: Feed) -> Column:
    """A `record` as a structure of all columns of its feed; those of a text file are text."""
    schema = ", ".join(
        f"`{name}` {c.type if feed.format == 'json' else 'string'}" for name, c in feed.columns.items()
    )
    return F.from_json(record, schema)


def masked(text: Column) -> Column:
    """The shape of a text without its content: letters as x, digits as 9, at most 500 characters."""
    shape = F.regexp_replace(F.regexp_replace(text, r"\p{L}", "x"), r"\p{N}", "9")
    return F.substring(shape, 1, 500)


def _holds_identity_code(text: str) -> str:
    """Whether a text holds a Finnish personal identity code whose check character is right, as SQL.

    The check character is the remainder of ddmmyy and the individual number, as one number, divided by 31
    (Digital and Population Data Services Agency). Tested against `stdnum.fi.hetu`.
    """
    number = "cast(concat(substring(code, 1, 6), substring(code, 8, 3)) as bigint)"
    expected = f"substring('{_CHECK_CHARACTERS}', cast({number} % 31 + 1 as int), 1)"
    candidates = f"regexp_extract_all(upper({text}), '{_sql(IDENTITY_CODE)}', 1)"
    return f"exists({candidates}, code -> substring(code, 11, 1) = {expected})"


def _parse_csv(lines: DataFrame, header: tuple[str, ...]) -> DataFrame:
    schema = ", ".join(f"`{name}` string" for name in header) + ", `_broken` string"
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_broken", "quote": '"', "escape": '"'}
    quotes = F.length("line") - F.length(F.replace("line", F.lit('"'), F.lit("")))
    row = lines.withColumn("r", F.from_csv("line", schema, options))
    return row.withColumn("is_broken", F.col("r._broken").isNotNull() | (quotes % 2 == 1))


def _parse_json(lines: DataFrame, feed: Feed) -> DataFrame:
    schema = (
        ", ".join(f"`{name}` {column.type}" for name, column in feed.columns.items()) + ", `_broken` string"
    )
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_broken"}
    row = lines.withColumn("r", F.from_json("line", schema, options))
    not_json = F.col("r._broken").isNotNull() & F.try_parse_json("line").isNull()
    return row.withColumn("is_broken", F.col("r").isNull() | not_json)


def _parse_combined_log(lines: DataFrame) -> DataFrame:
    # One pass of the pattern: the groups, parted by a character no log line holds.
    parts = F.split(
        F.regexp_replace("line", COMBINED_LOG, "$1\x01$2\x01$3\x01$4\x01$5\x01$6\x01$7\x01$8\x01$9"), "\x01"
    )
    row = lines.withColumn("parts", parts)

    def group(number: int) -> Column:
        text = F.get("parts", F.lit(number - 1))
        return F.when((text != "") & (text != "-"), text)

    time = F.try_to_timestamp(group(3), F.lit(_LOG_TIME))
    cookie = F.regexp_extract(F.coalesce(group(9), F.lit("")), r"cid=([0-9a-fA-F]{8,64})", 1)
    values = {
        "host": group(1),
        "login": group(2),
        "time": F.coalesce(F.date_format(time, "yyyy-MM-dd'T'HH:mm:ss'Z'"), group(3)),
        "request": group(4),
        "status": group(5),
        "bytes": group(6),
        "referrer": group(7),
        "user_agent": group(8),
        "cookie": F.when(cookie != "", cookie),
        "_broken": F.when(F.size("parts") != 9, "broken"),
    }
    return row.withColumn("r", F.struct(*(value.alias(name) for name, value in values.items()))).withColumn(
        "is_broken", F.size("parts") != 9
    )


def _first_fault(feed: Feed) -> str:
    """The first thing that is wrong with a row, gravest first, as SQL; null for a good row.

    One flat CASE in SQL: nested choices cost Spark's search for common subexpressions exponential time, and
    building the same out of Column objects costs a call to the JVM each.
    """
    # The cheap look goes first: almost no line has the shape of a code.
    # In JSON a line break before a code ends in a letter, and a sign may be escaped: there the values are looked at too.
    text = "concat_ws(' ', line, cast(r as string))" if feed.format == "json" else "line"
    code = f"{text} rlike '(?i){_sql(IDENTITY_CODE)}' and {_holds_identity_code(text)}"
    cases: list[tuple[str, str, str | None]] = [
        ("not is_valid_utf8(line)", "invalid_utf8", None),
        ("is_broken", "broken_row", None),
        (code, "personal_identity_code", None),
    ]
    for name, column in feed.columns.items():
        if column.required and (column.type == "string" or feed.format != "json"):
            cases.append((f"coalesce(trim(r.`{name}`), '') = ''", "missing_value", name))
    if feed.format == "json":
        cases += _json_type_cases(feed)
    else:
        cases += [
            (f"r.`{name}` is not null and {_unread(name, column.type)}", "wrong_type", name)
            for name, column in feed.columns.items()
            if column.type != "string"
        ]
    whens = " ".join(
        f"when {condition} then named_struct('reason', '{reason}', 'column_name', cast({_literal(name)} as string))"
        for condition, reason, name in cases
    )
    return f"case {whens} end as fault"


def _unread(name: str, kind: str) -> str:
    text = f"trim(r.`{name}`)"
    also = ""
    if kind == "timestamp":  # Spark would read a time without a day as that time today
        also = f" or {text} not rlike '^[0-9]{{4}}-'"
    elif kind.startswith("decimal"):  # and round what has more decimals than the type
        scale = kind.rstrip(")").split(",")[1].strip()
        also = f" or {text} rlike '[.][0-9]{{{scale}}}[0-9]*[1-9]|[eE]'"
    return f"(try_cast({text} as {kind}) is null{also})"


def _json_type_cases(feed: Feed) -> Iterable[tuple[str, str, str | None]]:
    """A value of another type reads as null and marks the row; which column it was is asked of marked rows only."""
    for name, column in feed.columns.items():
        said = f"get_json_object(line, '$.{name}') is not null"
        yield f"r._broken is not null and r.`{name}` is null and {said}", "wrong_type", name
        if column.required and column.type != "string":
            yield f"r.`{name}` is null", "missing_value", name
    yield "r._broken is not null", "wrong_type", None


def _sql(text: str) -> str:
    """A text as it must stand inside a quoted SQL literal."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _literal(text: str | None) -> str:
    return "null" if text is None else f"'{text}'"

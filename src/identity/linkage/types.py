"""What the columns of an unknown table are: told by their names, in the languages of Europe, or by what is in them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
import yaml

from identity.linkage import text
from identity.linkage.fields import TYPES

_SAMPLE: Final = 2000  # distinct values looked at
_MOSTLY: Final = 0.8
_NEARLY_ALL: Final = 0.98  # share of one value above which a column tells nobody from anybody
_MANY_VALUES: Final = 0.5  # share of distinct values above which a column names rather than sorts

_PATTERNS: Final[list[tuple[str, re.Pattern[str]]]] = [
    (kind, re.compile("|".join(f"({name})" for name in names)))
    for kind, names in yaml.safe_load(
        Path(__file__).with_name("column_names.yaml").read_text(encoding="utf-8")
    ).items()
]
# Not of the person, or of no use to tell persons apart.
_IGNORED: Final = re.compile(
    r".*(created|updated|modified|inserted|deleted|timestamp|registered|signup|last_(visit|order|login)|record_?id|uuid|guid).*"
    r"|(.*_)?(unit|apt|apartment|flat)(_(number|num|no))?"
)
# Of somebody or something else.
_OTHERS: Final = re.compile(
    r"(employer|company|school|spouse|partner|parent|mother|father|guardian|emergency|referr(er|al)|agent|store|shop|branch)s?_.+"
)
_YEARS: Final = re.compile(r"year|survey_date|as_of|as_of_date|snapshot|snapshot_date|vuosi|jahr")
_DATE: Final = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|(19|20)\d{6}"
)
_BRITISH: Final = re.compile(r"[A-Za-z]{1,2}\d[A-Za-z\d]? ?\d[A-Za-z]{2}")
_PHONE: Final = re.compile(r"[+(]?\d[\d\s().\-/]{6,}\d(\s*(x|ext\.?)\s*\d+)?")
_ADDRESS: Final = re.compile(r"\d+\s*[A-Za-z]?,?\s+[^\W\d].*|[^\W\d][^\d]*\s\d+\s*[A-Za-z]?(,.*)?")
_SEX: Final = frozenset(
    {"m", "f", "male", "female", "man", "woman", "other", "unknown", "x", "u", "non binary"}
)


class Guess(NamedTuple):
    """A column's type, and what told it: `name`, `content` or `given`."""

    kind: str
    by: str


def guess_types(records: pd.DataFrame, given: Mapping[str, str] | None = None) -> dict[str, Guess]:
    """Type of every column; what is of no use is `ignore`.

    Args:
        records: The table; cells are texts or null.
        given: Types that are known.
    """
    found = {column: Guess(kind, "given") for column, kind in (given or {}).items()}
    rest = [column for column in records.columns if column not in found]
    for column in rest:
        found[column] = _guess(column, records[column])
    named = {guess.kind for guess in found.values() if guess.by != "content"}
    kinds = {guess.kind for guess in found.values()}
    for column in rest:
        if found[column] == Guess("date_of_birth", "content") and "date_of_birth" in named:
            found[column] = Guess("ignore", "content")  # a date of something else
        name = _folded(column)
        if found[column].kind == "full_address" and "house_number" in kinds and "street" not in kinds:
            found[column] = Guess("street", "name")  # the number stands apart, so the rest is the street
        if found[column].kind == "full_name" and {"given_name", "family_name"} & kinds:
            found[column] = Guess("ignore", "name")
        if _YEARS.fullmatch(name):
            found[column] = Guess("as_of" if "age" in kinds else "ignore", "name")
    _two_names(rest, found)
    return {column: found[column] for column in records.columns}


def _guess(column: str, values: pd.Series) -> Guess:
    name = _folded(column)
    sample = pd.Series(sorted(values.dropna().astype(str).unique())[:_SAMPLE], dtype=object)
    is_others = _OTHERS.fullmatch(name) is not None
    if _IGNORED.fullmatch(name) or (is_others and not name.endswith("_name")):
        return Guess("ignore", "name")
    if not len(sample):
        return Guess("ignore", "content")
    for kind, pattern in _PATTERNS:
        if pattern.fullmatch(name) and not is_others:
            return Guess(kind, "name")
    for kind, holds in _CONTENTS.items():
        if sample.map(holds).mean() >= _MOSTLY:
            return Guess(kind, "content")
    return Guess(_category(values), "content")


def _folded(column: str) -> str:
    """`firstName`, `First name` and `FIRST-NAME` are `first_name`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return (text.words(parted) or "").replace(" ", "_")


def _is_sex(value: str) -> bool:
    return (text.words(value) or "") in _SEX


_CONTENTS: Final[dict[str, Callable[[str], bool]]] = {
    "email": lambda value: re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value) is not None,
    "sex": _is_sex,
    "date_of_birth": lambda value: _DATE.fullmatch(value) is not None,
    "postcode": lambda value: _BRITISH.fullmatch(value) is not None,
    "phone": lambda value: _PHONE.fullmatch(value) is not None and not value.isdigit(),
    "full_address": lambda value: _ADDRESS.fullmatch(value) is not None and len(value) > 6,
}


def _category(values: pd.Series) -> str:
    """A few values that many share sort people; many values name something, or are numbers of no use."""
    there = values.dropna().astype(str)
    counts = there.value_counts()
    distinct = len(counts)
    if distinct > _MANY_VALUES * len(there) or counts.iloc[0] > _NEARLY_ALL * len(there):
        return "ignore"
    if distinct > max(100, 0.02 * len(there)):
        return "noisy_category" if there.str.contains(r"[^\W\d]{3}").mean() >= _MOSTLY else "ignore"
    return "category"


def _two_names(columns: list[str], found: dict[str, Guess]) -> None:
    """`name1` and `name2` are a given and a family name, where nothing else is."""
    if {"given_name", "family_name", "full_name"} & {guess.kind for guess in found.values()}:
        return
    numbered = {
        _folded(column): column for column in columns if re.fullmatch(r".*name_?[12]", _folded(column))
    }
    for first, column in numbered.items():
        second = re.sub("1$", "2", first)
        if first.endswith("1") and second in numbered:
            found[column] = Guess("given_name", "name")
            found[numbered[second]] = Guess("family_name", "name")


def check_types(given: Mapping[str, str], columns: list[str]) -> list[str]:
    """What is wrong with types somebody gave, a sentence a fault."""
    unknown = [
        f"no column {column}; there are {', '.join(columns)}" for column in given if column not in columns
    ]
    wrong = [
        f"{column}: no type {kind}; there are {', '.join(TYPES)}"
        for column, kind in given.items()
        if kind not in TYPES
    ]
    return unknown + wrong

"""The fields that are compared: whatever columns a table has, in one set of names; exact about shape, not about meaning."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any, Final

import jellyfish
import numpy as np
import pandas as pd
from nicknames import NickNamer

from identity.linkage import dates, text

# What a column may be told or guessed to be.
TYPES: Final = (
    "given_name", "middle_name", "family_name", "full_name", "date_of_birth", "birth_year", "birth_month", "birth_day",
    "age", "as_of", "email", "phone", "national_id", "house_number", "street", "street_2", "full_address", "postcode",
    "city", "sex", "category", "noisy_category", "source", "ignore",
)  # fmt: skip

Columns = Mapping[str, list[pd.Series]]


def standardise(records: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """Bring the columns of a table into fields.

    Args:
        records: A row a record, in any order; every cell a text or null.
        types: Semantic type by column; several columns of one type fill each other's gaps, in the table's order.

    Returns:
        A row a record in the same order, with `unique_id` (its place), `source`, and the fields that the types give;
        fields without a single value are left out.
    """
    columns: dict[str, list[pd.Series]] = {}
    for column in records.columns:
        kind = types.get(column, "ignore")
        if kind != "ignore":
            columns.setdefault(kind, []).append(records[column])
    fields = pd.DataFrame({"unique_id": np.arange(len(records))})
    source = columns.get("source", [pd.Series("", index=records.index)])[0]
    fields["source"] = source.fillna("").astype(str).to_numpy(object)
    for part in (_names, _births, _contacts, _places, _rest):
        for name, values in part(columns, fields["source"]).items():
            fields[name] = (
                values if name == "born_about" else values.astype(object).where(values.notna(), None)
            )
    if {"email_name", "tokens"} <= set(fields.columns):
        fields["email_beyond"] = _beyond_names(fields["email_name"], fields["tokens"])
    empty = [name for name in fields.columns[2:] if fields[name].isna().all()]
    return fields.drop(columns=empty)


def _first(columns: Columns, kind: str, clean: text.Cleaner) -> pd.Series | None:
    """Columns of one type as one: a gap in the first is filled from the next."""
    found = [text.each(column, clean).reset_index(drop=True) for column in columns.get(kind, [])]
    return _coalesced(found)


def _coalesced(columns: Iterable[pd.Series]) -> pd.Series | None:
    whole: pd.Series | None = None
    for column in columns:
        whole = column if whole is None else whole.where(whole.notna(), column)
    return whole


def _names(columns: Columns, source: pd.Series) -> dict[str, pd.Series]:
    kinds = ("given_name", "middle_name", "family_name", "full_name")
    written = [_first(columns, kind, text.name) for kind in kinds]
    if all(column is None for column in written):
        return {}
    nothing = pd.Series([None] * len(source), dtype=object)
    frame = pd.concat([nothing if column is None else column for column in written], axis=1).astype(object)
    frame = frame.where(frame.notna(), None)
    split = {row: _split(*row) for row in set(frame.itertuples(index=False, name=None))}
    rows = [split[row] for row in frame.itertuples(index=False, name=None)]
    names = pd.DataFrame(rows, columns=["given", "middle", "family", "tokens"], dtype=object)
    return {
        **{name: names[name] for name in names.columns},
        "nicknames": text.each(names["given"], _nicknames),
        "given_sound": text.each(names["given"], _sound),
        "family_sound": text.each(names["family"], _sound),
    }


def _split(
    given: str | None, middle: str | None, family: str | None, full: str | None
) -> tuple[str | None, str | None, str | None, list[str] | None]:
    """First given name, other names, family name, and all of their words; a full name fills what is missing."""
    first, others, last = (given or "").split(), (middle or "").split(), (family or "").split()
    whole = (full or "").split()
    if whole and not first and not last:
        first, last = whole[:1], whole[1:][-1:]
    if not others:
        others = [word for word in whole if word not in first and word not in last]
    others, first = first[1:] + others, first[:1]
    tokens = sorted({*first, *others, *last})
    return " ".join(first) or None, " ".join(others) or None, " ".join(last) or None, tokens or None


@cache
def _nicknamer() -> NickNamer:
    return NickNamer()


def _nicknames(given: str) -> list[str]:
    known = _nicknamer()
    return sorted({given, *known.nicknames_of(given), *known.canonicals_of(given)})


def _sound(name: str) -> str | None:
    """Metaphone of the letters: names that an English speaker says alike."""
    return jellyfish.metaphone("".join(c for c in name if "a" <= c <= "z")) or None


def _births(columns: Columns, source: pd.Series) -> dict[str, pd.Series]:
    born: dict[str, pd.Series] = {}
    if "date_of_birth" in columns:
        found = [dates.parts_of(column.reset_index(drop=True), source) for column in columns["date_of_birth"]]
        for part in ("year", "month", "day"):
            born[part] = _present(_coalesced(frame[part] for frame in found), source)
    elif "birth_year" in columns:
        for part, width in (("year", 4), ("month", 2), ("day", 2)):
            written = _first(columns, f"birth_{part}", partial(_number, width=width))
            born[part] = _present(written, source)
    if born:
        born["born"] = _joined(born, "year", "month", "day")
        born["birthday"] = _joined(born, "month", "day")
    age, as_of = _first(columns, "age", _number), _first(columns, "as_of", _year)
    if age is not None and as_of is not None:
        by_age = pd.to_numeric(as_of, errors="coerce") - pd.to_numeric(age, errors="coerce")
        year = pd.to_numeric(_present(born.get("year"), source), errors="coerce")
        born["born_about"] = year.fillna(by_age).astype(float)
    return born


def _present(column: pd.Series | None, like: pd.Series) -> pd.Series:
    return pd.Series([None] * len(like), dtype=object) if column is None else column


def _number(value: str, width: int = 1) -> str | None:
    """A whole number of a fixed width; `7.0` is 7."""
    found = "".join(c for c in value.split(".", maxsplit=1)[0] if c.isdigit())
    return found.zfill(width) if found else None


def _year(value: str) -> str | None:
    numbers = [n for n in "".join(c if c.isdigit() else " " for c in value).split() if len(n) == 4]
    return numbers[0] if numbers else None


def _joined(columns: Mapping[str, pd.Series], *names: str, by: str = "-") -> pd.Series:
    """Texts put together where all are there."""
    rows = zip(*(columns[name] for name in names), strict=True)
    return pd.Series(
        [by.join(row) if all(isinstance(x, str) for x in row) else None for row in rows], dtype=object
    )


def _contacts(columns: Columns, source: pd.Series) -> dict[str, pd.Series]:  # noqa: ARG001 - one shape for all parts
    found: dict[str, Any] = {
        "phone": _first(columns, "phone", text.digits),
        "national_id": _first(columns, "national_id", text.code),
        "email": _first(columns, "email", text.email),
    }
    if found["email"] is not None:
        found["email_name"] = text.each(found["email"], lambda address: address.split("@")[0] or None)
        found["email_digits"] = text.each(found["email"], text.digits)
    return {name: values for name, values in found.items() if values is not None}


def _beyond_names(email_names: pd.Series, tokens: pd.Series) -> pd.Series:
    """What stands before the @ where it is more than the person's names, which are compared already; else null.

    Namesakes would have their names counted twice: `mika.virtanen@…` and `mikavirtanen7@…` say no more than the names.
    """
    rows = zip(email_names, tokens, strict=True)
    return pd.Series(
        [
            e if isinstance(e, str) and not (isinstance(t, list) and _only_names(e, t)) else None
            for e, t in rows
        ],
        dtype=object,
    )


def _only_names(email_name: str, names: list[str]) -> bool:
    words = "".join(c if c.isalpha() else " " for c in email_name).split()
    whole = "".join(words)
    in_parts = all(any(word.startswith(name) or name.startswith(word) for name in names) for word in words)
    return in_parts or any(whole in (a + b, a[:1] + b) for a in names for b in names)


def _places(columns: Columns, source: pd.Series) -> dict[str, pd.Series]:  # noqa: ARG001
    found: dict[str, Any] = {
        "number": _first(columns, "house_number", text.number),
        "street": _first(columns, "street", text.street),
        "street_2": _first(columns, "street_2", text.street),
        "postcode": _first(columns, "postcode", text.code),
        "city": _first(columns, "city", text.words),
    }
    whole = _first(columns, "full_address", text.street)
    if whole is not None:
        numbers, streets = text.each(whole, _house_number), text.each(whole, _without_number)
        for name, column in (("number", numbers), ("street", streets)):
            found[name] = _coalesced(part for part in (found[name], column) if part is not None)
    if found["street"] is not None and found["number"] is not None:
        found["address"] = _joined(found, "number", "street", by=" ")
    if found["postcode"] is not None:
        is_british = found["postcode"].dropna().str.match(r"^[a-z]{1,2}\d").mean() > 0.5
        found["district"] = text.each(
            found["postcode"], lambda code: _district(code, is_british=bool(is_british))
        )
    return {name: values for name, values in found.items() if values is not None}


def _house_number(address: str) -> str | None:
    return next((word for word in address.split() if word[0].isdigit()), None)


def _without_number(address: str) -> str | None:
    first, _, rest = address.partition(" ")
    return (rest if first[0].isdigit() else address) or None


def _district(postcode: str, *, is_british: bool) -> str | None:
    """A British code's outward part; of any other all but the last two."""
    if len(postcode) <= 3:
        return None
    return postcode[:-3] if is_british else postcode[: max(2, len(postcode) - 2)]


def _rest(columns: Columns, source: pd.Series) -> dict[str, pd.Series]:  # noqa: ARG001
    found = {}
    written = _first(columns, "sex", text.sex)
    if written is not None:
        found["sex"] = written
    for kind in ("category", "noisy_category"):
        for place, column in enumerate(columns.get(kind, [])):
            values = text.each(column.reset_index(drop=True), text.words)
            if values.nunique() > 1:
                found[f"{kind}_{place}"] = values
    return found

"""What Splink compares of the fields a table has, from the strongest agreement down; the only place that words it."""

from collections.abc import Collection
from typing import Any

Level = dict[str, Any]
Comparison = dict[str, Any]

# What people of one household or company share: agreement here speaks for one person less than it seems.
_SHARED = ("family", "place", "phone", "email")
_LEAST_U = 1e-6


def is_shared(comparison: str) -> bool:
    """Whether members of one household or company agree on it."""
    return comparison in _SHARED or "category" in comparison


def is_near_in_households(comparison: str) -> bool:
    """Whether members of one household are nearer to each other than strangers are, as couples and twins are in age."""
    return comparison == "born"


def has_place(fields: Collection[str]) -> bool:
    """Whether the table knows where people live, closer than by the city."""
    return not {"address", "postcode"}.isdisjoint(fields)


def comparisons(fields: Collection[str], *, years_missing: bool = False) -> list[Comparison]:
    """The comparisons in Splink's settings format, for DuckDB.

    Args:
        fields: Columns of `fields.standardise` that hold something.
        years_missing: Whether dates of birth without a year are worth a level.
    """
    has = set(fields)
    made = [
        _given(has), _family(has), _middle(has), _born(has, years_missing=years_missing), _place(has),
        _identifier("national_id", has), _email(has), _identifier("phone", has), _plain("sex", has, frequencies=False),
    ]  # fmt: skip
    made += [_category(name, has) for name in sorted(has) if "category" in name]
    return [
        {"output_column_name": name, "comparison_levels": [*levels, _level("ELSE", "all else")]}
        for name, levels in made
        if levels
    ]


def _level(sql: str, label: str) -> Level:
    return {"sql_condition": sql, "label_for_charts": label}


def _missing(*columns: str) -> Level:
    """Null when not one of these columns can be compared."""
    sql = " and ".join(f"({c}_l is null or {c}_r is null)" for c in columns)
    return {"sql_condition": sql, "label_for_charts": "missing", "is_null_level": True}


def _equal(column: str, *, frequencies: bool = True) -> Level:
    level = _level(f"{column}_l = {column}_r", f"{column} equal")
    if frequencies:
        level |= {"tf_adjustment_column": column, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": _LEAST_U}
    return level


def _similar(column: str, at_least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {at_least}"


def _slips(column: str, at_most: int) -> str:
    """At most so many slips, a swap of neighbours counting as one.

    What cannot be is told first by cheaper means, twenty times as quick for random pairs: every slip changes the length
    by at most one, and is at most two of `levenshtein`, which does not know swaps.
    """
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(abs(length({left}) - length({right})) <= {at_most} and levenshtein({left}, {right}) <= {2 * at_most} "
        f"and damerau_levenshtein({left}, {right}) <= {at_most})"
    )


def _nearly(name: str, has: set[str]) -> str:
    """Similar, or said alike; names in other than Latin letters have no sound here."""
    sound = f"{name}_sound"
    return _similar(name, 0.92) + (f" or {sound}_l = {sound}_r" if sound in has else "")


def _begins(column: str) -> Level:
    sql = " or ".join(
        f"(length({column}_{a}) <= 3 and starts_with({column}_{b}, {column}_{a}))" for a, b in ("lr", "rl")
    )
    return _level(sql, "one begins the other")


# Levels across columns read copies of them (`_x`): Splink leaves a comparison that reads the column which a training
# pass blocks on out of that pass.
def _given(has: set[str]) -> tuple[str, list[Level]]:
    if "given" not in has:
        return "given", []
    among = "list_contains(tokens_x_r, given_l) or list_contains(tokens_x_l, given_r)"
    if "family" in has:
        among = " or ".join(
            f"(list_contains(tokens_x_{b}, given_{a}) and given_{a} != coalesce(family_x_{b}, ''))"
            for a, b in ("lr", "rl")
        )
    return "given", [
        _missing("given"), _equal("given"),
        _level(_nearly("given", has), "given nearly equal, or sounds equal"),
        _level("list_has_any(nicknames_l, nicknames_r)", "one a nickname of the other"),
        _level(f"{_turned('given', 'family', has)} or {among}", "among the other's names"),
        _begins("given"), _level(_similar("given", 0.78), "given similar"),
    ]  # fmt: skip


def _turned(name: str, other: str, has: set[str]) -> str:
    """Given and family name exchanged: both, if both are there, for a household shares one whatever column it stands in."""
    if not {name, other} <= has:
        return "false"
    one, two = f"{name}_l = {other}_x_r", f"{other}_x_l = {name}_r"
    nearly = [
        f"jaro_winkler_similarity({sides}) >= 0.78"
        for sides in (f"{other}_x_l, {name}_r", f"{name}_l, {other}_x_r")
    ]
    return f"({one} and coalesce({nearly[0]}, true)) or ({two} and coalesce({nearly[1]}, true))"


def _family(has: set[str]) -> tuple[str, list[Level]]:
    if "family" not in has:
        return "family", []
    part = "list_has_any(string_split(family_l, ' '), string_split(family_r, ' '))"
    return "family", [
        _missing("family"), _equal("family"),
        _level(_nearly("family", has), "family nearly equal, or sounds equal"),
        _level(f"{_turned('family', 'given', has)} or {part}", "a part of the other's names"),
        _begins("family"), _level(_similar("family", 0.78), "family similar"),
    ]  # fmt: skip


def _middle(has: set[str]) -> tuple[str, list[Level]]:
    if "middle" not in has:
        return "middle", []
    shared = "list_has_any(string_split(middle_l, ' '), string_split(middle_r, ' '))"
    return "middle", [
        _missing("middle"), _equal("middle"), _level(shared, "a middle name shared"),
        _level("substr(middle_l, 1, 1) = substr(middle_r, 1, 1)", "one initial"),
    ]  # fmt: skip


def _born(has: set[str], *, years_missing: bool) -> tuple[str, list[Level]]:
    if "born" not in has:
        return "born", _born_in(has)
    about = "born_about" in has
    null = "(year_l is null or year_r is null) and (birthday_l is null or birthday_r is null)"
    no_age = "(born_about_l is null or born_about_r is null)"
    no_date = "(born_l is null or born_r is null)"
    turned = "(year_l = year_r and month_l = day_r and day_l = month_r)"
    two = "(year_l = year_r and month_l = month_r) or birthday_l = birthday_r or (year_l = year_r and day_l = day_r)"
    apart = "abs(try_cast(year_l as int) - try_cast(year_r as int))"
    years = [
        _level(
            "(year_l is null or year_r is null) and birthday_l = birthday_r", "birthday equal, year missing"
        )
    ]
    ages = [
        _level(f"{no_date} and abs(born_about_l - born_about_r) <= {n}", f"by age, {n} years apart")
        for n in (1, 5)
    ]
    missing: Level = {
        "sql_condition": f"{null} and {no_age}" if about else null,
        "label_for_charts": "missing",
        "is_null_level": True,
    }
    return "born", [
        missing, _equal("born"), *(years if years_missing else []),
        _level(f"{turned} or {_slips('born', 1)}", "day and month turned, or one slip"),
        _level(two, "two of year, month, day"), _level(_slips("born", 2), "two slips"),
        _level("year_l = year_r", "year only"), *(ages if about else []),
        _level(f"{apart} <= 1 or {_slips('year', 1)}", "year nearly"), _level(f"{apart} <= 10", "ten years apart"),
    ]  # fmt: skip


def _born_in(has: set[str]) -> list[Level]:
    """Of a year alone, or of an age."""
    if "year" in has:
        apart = "abs(try_cast(year_l as int) - try_cast(year_r as int))"
        years = [_level(f"{apart} <= {n}", f"{n} years apart") for n in (1, 10)]
        return [_missing("year"), _equal("year"), *years]
    if "born_about" in has:
        apart = "abs(born_about_l - born_about_r)"
        return [
            _missing("born_about"),
            *(_level(f"{apart} <= {n}", f"by age, {n} years apart") for n in (1, 5)),
        ]
    return []


def _place(has: set[str]) -> tuple[str, list[Level]]:
    parts = [name for name in ("postcode", "address", "street", "city") if name in has]
    if not parts:
        return "place", []
    postcode, city, street, address = (name in has for name in ("postcode", "city", "street", "address"))
    turned = " or street_l = street_2_r or street_2_l = street_r" if "street_2" in has else ""
    similar = f"({_similar('street', 0.88)}{turned})"
    near = f"number_l = number_r and {similar}" if "number" in has else similar
    either = (
        f"number_l = number_r or {_similar('street', 0.88)}" if "number" in has else _similar("street", 0.88)
    )
    equal = "number_l = number_r or street_l = street_r" if "number" in has else "street_l = street_r"
    both = "address_l = address_r and postcode_l = postcode_r"
    at_postcode = f"postcode_l = postcode_r and ({either})"
    candidates = [
        (address and postcode, _level(both, "address and postcode equal")),
        (address, _equal("address")),
        (street and postcode, _level(at_postcode, "postcode equal, number equal or street similar")),
        (city and postcode, _level("postcode_l = postcode_r and city_l = city_r", "postcode and city equal")),
        (postcode, _equal("postcode")),
        (street, _level(near, "number equal, street similar")),
        (street and postcode, _level(f"{_slips('postcode', 1)} and ({equal})", "postcode nearly")),
        (city and postcode and not street, _level(f"{_slips('postcode', 1)} and city_l = city_r", "postcode nearly, city equal")),
        (city and postcode, _level("district_l = district_r and city_l = city_r", "district and city equal")),
        (city, _equal("city")),
        (street, _equal("street")),
        (street, _level(_similar("street", 0.9), "street similar")),
        (postcode, _level(_slips("postcode", 1), "postcode one slip")),
        (postcode and "district" in has, _equal("district")),
        (city, _level(_similar("city", 0.88), "city similar")),
    ]  # fmt: skip
    levels = [level for wanted, level in candidates if wanted]
    if "district" not in has:
        levels = [level for level in levels if "district" not in level["sql_condition"]]
    return "place", [_missing(*parts), *levels]


def _identifier(column: str, has: set[str]) -> tuple[str, list[Level]]:
    if column not in has:
        return column, []
    slips = [_level(_slips(column, n), f"{n} slips") for n in (1, 2)]
    return column, [_missing(column), _equal(column), *slips]


def _email(has: set[str]) -> tuple[str, list[Level]]:
    if "email" not in has:
        return "email", []
    digits = "email_digits" in has
    same = "email_name_l = email_name_r" + (" or email_digits_l = email_digits_r" if digits else "")
    close = _similar("email_name", 0.9) + (f" or {_slips('email_digits', 1)}" if digits else "")
    slips = _slips("email", 2)
    missing = _missing(*(["email", "email_digits"] if digits else ["email"]))
    if {"email_beyond", "given", "family"} <= has:
        named = " and ".join(f"{name}_{side} is not null" for name in ("given", "family") for side in "lr")
        # Addresses made of names that are compared already say nothing more, unless they are nearly equal.
        missing["sql_condition"] += (
            f" or ({named} and email_l != email_r and not {slips} and {_missing('email_beyond')['sql_condition']})"
        )
    return "email", [
        missing, _equal("email"), _level(slips, "two slips"),
        _level(same, "the part before the @, or its digits, equal"), _level(close, "the part before the @ similar"),
    ]  # fmt: skip


def _plain(column: str, has: set[str], *, frequencies: bool) -> tuple[str, list[Level]]:
    return column, [_missing(column), _equal(column, frequencies=frequencies)] if column in has else []


def _category(column: str, has: set[str]) -> tuple[str, list[Level]]:
    name, levels = _plain(column, has, frequencies=True)
    if column.startswith("noisy"):
        levels.append(_level(_similar(column, 0.85), "similar"))
    return name, levels

"""What Splink compares, field by field, from the strongest agreement down; the only place that words it."""

from typing import Any

# Splink's settings in its DuckDB dialect. Cross-column levels use copies of the names (`_x`): a comparison that
# reads the column a training pass blocks on would be left out of that pass.
_SWAPPED = "given_name_l = family_name_x_r and family_name_l = given_name_x_r"


def _exact(column: str, *, frequencies: bool) -> dict[str, Any]:
    level: dict[str, Any] = {
        "sql_condition": f"{column}_l = {column}_r",
        "label_for_charts": f"{column} equal",
    }
    if frequencies:
        level |= {"tf_adjustment_column": column, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": 0.00001}
    return level


def _level(sql: str, label: str) -> dict[str, Any]:
    return {"sql_condition": sql, "label_for_charts": label}


def _null(*columns: str) -> dict[str, Any]:
    missing = " or ".join(f"{c}_l is null or {c}_r is null" for c in columns)
    return {"sql_condition": missing, "label_for_charts": "missing", "is_null_level": True}


def _else() -> dict[str, Any]:
    return _level("ELSE", "all else")


def _similar(column: str, at_least: float) -> dict[str, Any]:
    return _level(
        f"jaro_winkler_similarity({column}_l, {column}_r) >= {at_least}", f"{column} similar, {at_least}"
    )


def _comparison(name: str, *levels: dict[str, Any]) -> dict[str, Any]:
    return {"output_column_name": name, "comparison_levels": [*levels, _else()]}


def comparisons() -> list[dict[str, Any]]:
    """The comparisons in Splink's settings format."""
    among = (
        "list_contains(string_split(coalesce(other_given_names_l, ''), ' '), given_name_r) or "
        "list_contains(string_split(coalesce(other_given_names_r, ''), ' '), given_name_l)"
    )
    begins = (
        "(length(given_name_l) <= 4 and starts_with(given_name_r, given_name_l)) or "
        "(length(given_name_r) <= 4 and starts_with(given_name_l, given_name_r))"
    )
    shared = "list_has_any(string_split(family_name_l, ' '), string_split(family_name_r, ' '))"
    year, month, day = (f"substr(birth_date_{{}}, {a}, {n})" for a, n in ((1, 4), (6, 2), (9, 2)))

    def same(part: str) -> str:
        return f"{part.format('l')} = {part.format('r')}"

    postal = "postal_code_l = postal_code_r"
    turned = f"{same(year)} and {month.format('l')} = {day.format('r')} and {day.format('l')} = {month.format('r')}"
    two_parts = f"({same(year)} and {same(month)}) or ({same(year)} and {same(day)}) or ({same(month)} and {same(day)})"
    return [
        _comparison(
            "given_name", _null("given_name"), _exact("given_name", frequencies=True), _similar("given_name", 0.92),
            _level(among, "one of the other's given names"), _level(_SWAPPED, "given and family name swapped"),
            _level(begins, "one begins the other"), _similar("given_name", 0.8),
        ),
        _comparison(
            "family_name", _null("family_name"), _exact("family_name", frequencies=True), _similar("family_name", 0.92),
            _level(shared, "one of two family names shared"), _level(_SWAPPED, "given and family name swapped"),
            _similar("family_name", 0.8),
        ),
        _comparison(
            "birth_date", _null("birth_date"), _exact("birth_date", frequencies=False),
            _level(f"({turned}) or damerau_levenshtein(birth_date_l, birth_date_r) <= 1", "one slip or day and month turned"),
            _level(two_parts, "two of year, month, day"), _level(same(year), "year only"),
        ),
        _comparison("emails", _null("emails"), _level("list_has_any(emails_l, emails_r)", "an e-mail shared")),
        _comparison("phones", _null("phones"), _level("list_has_any(phones_l, phones_r)", "a phone shared")),
        _comparison(
            "address", _null("postal_code"),
            _level(f"street_l = street_r and {postal}", "street and postal code equal"),
            _level(f"{postal} and (street_l is null or street_r is null)", "postal code equal, street missing"),
            _level(f"{postal} and jaro_winkler_similarity(street_l, street_r) >= 0.9", "postal code equal, street similar"),
            _level(postal, "postal code equal, street differs"),
            _level("city_l = city_r", "city equal"),
        ),
    ]  # fmt: skip

"""What of the health of golden ids a person should look at, in words, each with the command that shows more."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_NAMES: Final = {"given_name": "given names", "family_name": "family names", "birth_date": "birth dates"}
# One birth date too many is one person too many; of names a person may have two.
_MOST: Final = {"given_name": "more_than_two", "family_name": "more_than_two", "birth_date": "more_than_one"}
_MOST_CHURN: Final = 0.01
_MANY: Final = "11+"

Warnings = list[dict[str, str]]


def warnings(told: Mapping[str, Any], options: str = "") -> Warnings:
    """Warnings, the gravest first; none when there is nothing to look at.

    Args:
        told: What `health` returned.
        options: What the commands need besides, such as a configuration.

    Returns:
        `says`, and the `command` that shows an example.
    """
    rows = [*_over_limits(told), *_several_values(told), *_large(told), *_loose(told), *_churned(told)]
    return [{"says": says, "command": f"identity {verb} {options}".strip()} for says, verb in rows]


def _over_limits(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    why = "which nothing but a decision by a person or a changed limit explains"
    return [
        (
            f"{_ids(row['golden_ids'])} more than {row['most']} {row['namespace']}, {why}",
            _history(row["examples"]),
        )
        for row in told["limits"] or []
        if row["golden_ids"]
    ]


def _several_values(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for row in reversed(told["values"]):  # birth dates say most
        most = _MOST[row["field"]]
        count = row[most]["found"]
        if count:
            less = (
                "more than one birth date"
                if row["field"] == "birth_date"
                else f"more than two {_NAMES[row['field']]}"
            )
            found.append((f"{_ids(count)} {less}: several persons, or a slip?", _history(row["examples"])))
    return found


def _large(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    count = told["records_per_id"][_MANY]
    if not count:
        return []
    first = told["largest"][0]
    return [
        (
            f"{_ids(count)} more than ten records, the largest {first['records']:,}: one person, or several?",
            _history([first["golden_id"]]),
        )
    ]


def _loose(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    weak, unheld = told["weak_bridge"], told["weakest_link"]["no edge"]
    rows = []
    if weak["found"]:
        how = f"together somewhere by one compared pair below {weak['bits']:g} bits"
        rows.append((f"{_ids(weak['found'], 'hang', 'hangs')} {how}", _history(weak["golden_ids"])))
    if unheld:
        how = "not held together by edges throughout: groups were joined as wholes"
        rows.append((f"{_ids(unheld, 'are', 'is')} {how}", "review export --out questions.csv"))
    return rows


def _churned(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    if told["churn"] is None:
        return []
    ids = told["churn"]["persons"]
    changed = ids["merged"] + ids["split"] + ids["retired"]
    if not ids["before"] or changed / ids["before"] <= _MOST_CHURN:
        return []
    says = (
        f"{changed / ids['before']:.1%} of the persons' golden ids of {told['churn']['since']} were merged, split or "
        "retired since"
    )
    examples = told["churn"]["examples"]
    # Only retired ones: their records were deleted or withdrawn, which the ledger's causes tell.
    return [(says, _history(examples) if examples else "evaluate --json")]


def _ids(count: int, plural: str = "hold", singular: str = "holds") -> str:
    return f"1 golden id {singular}" if count == 1 else f"{count:,} golden ids {plural}"


def _history(examples: Sequence[str]) -> str:
    return f"history {examples[0]}"

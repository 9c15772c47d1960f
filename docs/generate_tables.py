"""Writes docs/tables.md from the contracts: `python docs/generate_tables.py`; prints nothing."""

from collections.abc import Callable, Iterable
from pathlib import Path

from identity.contracts import LAYERS, ColumnContract, TableContract, all_contracts

TARGET = Path(__file__).with_name("tables.md")

_HEAD = """\
# Tables

Generated from the contracts (`src/identity/contracts/*.yaml`) by `python docs/generate_tables.py`; do not edit.

All tables are Delta, in `<warehouse>/<layer>/<table>`. `_on` is a date, `_at` a time, in UTC; money is in currency
units. Purposes and retention hold for all columns of a table unless columns are named. Days are counted back from the
run date; [retention.md](retention.md) tells what every run and `identity maintain` do about them.

- **Key**: what makes a row unique. The gates check it for the tables of silver, id and gold and for
  `consent.effective`; the import checks `id.review_pair`.
- **Filled**: the column is never null; checked where the key is.
- **Personal**: personal data as such. Delta keeps no column statistics of these columns, and the gates ask no more
  of them than whether they are filled.
- **Category**: data category. A purpose lists the categories it may use (`conf/purposes.yaml`), and its profile has
  the columns of these and the `reference` columns.
"""

_LAYERS = {
    "bronze": "What was delivered and accepted, word for word. Personal data; restricted.",
    "silver": "Every source in one shape, standardised. Personal data; restricted.",
    "id": "Who is who: edges, golden ids, their history. Pseudonymous: no name, address or contact, but source keys.",
    "consent": "What may be done with whom. Pseudonymous.",
    "gold": "What purposes and analysts read. Pseudonymous: golden ids and keyed hashes.",
    "ops": "What runs did. No personal values.",
}

_TEMPLATES = {
    "bronze._source": ("bronze.<source>", "One table for every source in the configuration."),
    "gold.profile__purpose": (
        "gold.profile_<purpose>",
        "One table for every purpose that has a profile, dots in the name written `_`, with that purpose's columns.",
    ),
}


def render() -> str:
    """The whole page."""
    contracts = all_contracts()
    parts = [_HEAD]
    for layer in LAYERS:
        parts.append(f"## {layer}\n\n{_LAYERS[layer]}\n")
        parts += [_table(contract) for contract in contracts if contract.layer == layer]
    return "\n".join(parts)


def _table(contract: TableContract) -> str:
    name, note = _TEMPLATES.get(contract.name, (contract.name, ""))
    lines = [f"### `{name}`", "", _cell(contract.meaning.replace("{purpose}", "the purpose")), ""]
    if note:
        lines += [note, ""]
    purposes = _spread(
        contract, lambda column: ", ".join(column.purposes).replace("{purpose}", "the purpose")
    )
    lines += [f"Key: {_code(contract.key)}. Purposes: {purposes}. Retention: {contract.retention}.", ""]
    lines += ["| column | type | filled | personal | category | meaning |", "|---|---|---|---|---|---|"]
    lines += [_row(name, column, is_key=name in contract.key) for name, column in contract.columns.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, column: ColumnContract, *, is_key: bool) -> str:
    cells = (
        f"`{name}`",
        f"`{column.type}`",
        "yes" if column.required or is_key else "",
        "**yes**" if column.personal else "",
        column.category,
        _cell(column.meaning) + _limits(column),
    )
    return "| " + " | ".join(cells) + " |"


def _limits(column: ColumnContract) -> str:
    if column.values:
        return f" One of {_code(column.values)}."
    bounds = [
        f"{word} {limit:g}" for word, limit in (("from", column.min), ("to", column.max)) if limit is not None
    ]
    return f" {' '.join(bounds).capitalize()}." if bounds else ""


def _spread(contract: TableContract, tell: Callable[[ColumnContract], str]) -> str:
    """What most columns share, and after it the columns that differ."""
    by_text: dict[str, list[str]] = {}
    for name, column in contract.columns.items():
        by_text.setdefault(tell(column), []).append(name)
    shared = max(by_text, key=lambda text: len(by_text[text]))
    others = [f"{text} for {_code(names)}" for text, names in by_text.items() if text != shared]
    return "; ".join([shared, *others])


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if text.endswith(".") else f"{text}."


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")

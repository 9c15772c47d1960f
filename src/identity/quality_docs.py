"""What a gate expects and finds, and how that is told: as a row, as a part of an error, as a site to browse.

Nothing here knows Great Expectations; `quality.py` does, and hands over what it renders.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final, Literal, get_args

from identity.contracts import ColumnContract, TableContract

Gate = Literal["landing", "silver", "id", "gold"]

KEY_TO_BE_UNIQUE: Final = "expect_key_to_be_unique"
COLUMNS_TO_MATCH: Final = "expect_table_columns_to_match_ordered_list"


@dataclass(frozen=True)
class Expectation:
    """One demand on a table: Great Expectations' type and arguments, which come from the contract."""

    kind: str
    arguments: Mapping[str, Any] = field(compare=False)

    @property
    def column(self) -> str:
        """Column, or columns; the word `table` when it is about the whole table."""
        return ", ".join(self._columns) if self.needs else "table"

    @property
    def needs(self) -> set[str]:
        """The columns a frame must have for this to be evaluated."""
        return set() if self.kind == COLUMNS_TO_MATCH else set(self._columns)

    @property
    def _columns(self) -> list[str]:
        named = [
            self.arguments[name] for name in ("column", "column_A", "column_B") if name in self.arguments
        ]
        return named or list(self.arguments["column_list"])


@dataclass(frozen=True)
class CheckResult:
    """An expectation at a gate: whether it held and how many rows broke it; never which, nor with what value.

    Attributes:
        gate: Gate the table stood at.
        table: Table checked.
        demand: What was expected.
        success: Whether it held.
        checked: Rows looked at; None for facts, when it could not be evaluated, and where the number is hidden.
        unexpected: Rows that broke it; for a key the rows too many, for the columns of a table the positions
            that differ, for a fact the count itself; None when it could not be evaluated.
    """

    gate: Gate
    table: str
    demand: Expectation = field(repr=False)
    success: bool
    checked: int | None
    unexpected: int | None

    @property
    def expectation(self) -> str:
        """Great Expectations' type."""
        return self.demand.kind

    @property
    def column(self) -> str:
        """Column, or columns; the word `table` when it is about the whole table."""
        return self.demand.column

    def row(self, *, run_id: str, checked_at: dt.datetime) -> dict[str, Any]:
        """The result as a row of `ops.dq_result`."""
        return {
            "run_id": run_id,
            "checked_at": checked_at,
            "gate": self.gate,
            "table_name": self.table,
            "expectation": self.expectation,
            "column_name": self.column,
            "success": self.success,
            "checked": self.checked,
            "unexpected": self.unexpected,
        }

    def sentence(self) -> str:
        """The result as a part of an error."""
        count = "could not be evaluated" if self.unexpected is None else str(self.unexpected)
        of = "" if self.checked is None else f" of {self.checked}"
        return f"{self.table} {self.expectation}({self.column}): {count}{of}"

    def shown(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Type, arguments and counts for the docs; a key goes by the stock type, whose wording people know."""
        kind, arguments = self.expectation, dict(self.demand.arguments)
        checked, unexpected = self.checked or 0, self.unexpected or 0
        counts: dict[str, Any] = {"element_count": checked, "unexpected_count": unexpected}
        counts["unexpected_percent"] = 100.0 * unexpected / checked if checked else 0.0
        if kind == COLUMNS_TO_MATCH:
            counts = {"observed_value": "as expected" if self.success else f"{unexpected} positions differ"}
        elif self.unexpected is None:
            counts = {"observed_value": "could not be evaluated"}
        elif self.checked is None:
            counts = {"observed_value": unexpected} | ({} if unexpected else {"unexpected_percent": 0.0})
        if kind == KEY_TO_BE_UNIQUE:
            key = list(arguments["column_list"])
            if len(key) == 1:
                return "expect_column_values_to_be_unique", {"column": key[0]}, counts
            return "expect_compound_columns_to_be_unique", {"column_list": key}, counts
        return kind, arguments, counts


def expectations_of(contract: TableContract) -> list[Expectation]:
    """Read a contract as expectations.

    The columns are the contract's, in order; no key comes twice and none of its columns is empty; required
    columns are filled; values and bounds hold where the contract names them. A personal column gets no
    expectation about what is in it, only whether something is.
    """
    found = [
        Expectation(COLUMNS_TO_MATCH, {"column_list": list(contract.columns)}),
        Expectation(KEY_TO_BE_UNIQUE, {"column_list": list(contract.key)}),
    ]
    for name, column in contract.columns.items():
        found += _column_expectations(name, column, is_key=name in contract.key)
    return found


def _column_expectations(name: str, column: ColumnContract, *, is_key: bool) -> list[Expectation]:
    found = []
    if column.required or is_key:
        found.append(Expectation("expect_column_values_to_not_be_null", {"column": name}))
    if column.personal:
        return found
    if column.values:
        values = {"column": name, "value_set": list(column.values)}
        found.append(Expectation("expect_column_values_to_be_in_set", values))
    if column.min is not None or column.max is not None:
        bounds = {"column": name, "min_value": column.min, "max_value": column.max}
        found.append(Expectation("expect_column_values_to_be_between", bounds))
    return found


def write_site(
    results: Iterable[CheckResult],
    *,
    render: Callable[[str, Sequence[CheckResult]], str],
    folder: Path,
    title: str,
) -> Path:
    """Write a page a table, an index a gate, and an index of the gates in the folder, earlier ones included.

    Args:
        results: Results of one or more gates; the pages of these gates are replaced.
        render: Makes the body of a table's page.
        folder: Where the site goes.
        title: What the site is about, such as the run id.

    Returns:
        The index page.
    """
    gates: dict[Gate, dict[str, list[CheckResult]]] = {}
    for result in results:
        gates.setdefault(result.gate, {}).setdefault(result.table, []).append(result)
    for gate, tables in gates.items():
        _write_gate(folder / gate, tables, render=render, title=f"gate {gate}, {title}")
    links = "".join(
        f'<p><a href="{gate}/index.html">Gate {gate}</a></p>'
        for gate in get_args(Gate)
        if (folder / gate / "index.html").exists()
    )
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.html"
    index.write_text(_page(f"Quality gates, {title}", links), encoding="utf-8")
    return index


def _write_gate(
    folder: Path,
    tables: Mapping[str, Sequence[CheckResult]],
    *,
    render: Callable[[str, Sequence[CheckResult]], str],
    title: str,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.html"):
        old.unlink()
    rows = ""
    for table, results in tables.items():
        body = '<p><a href="index.html">all tables of the gate</a></p>' + render(table, results)
        (folder / f"{table}.html").write_text(_page(f"{table}, {title}", body), encoding="utf-8")
        failed = sum(not result.success for result in results)
        mark = "fas fa-times" if failed else "fas fa-check-circle"
        link = f'<i class="{mark}"></i> <a href="{escape(table)}.html">{escape(table)}</a>'
        rows += f"<tr><td>{link}</td><td>{len(results)}</td><td>{failed}</td></tr>"
    head = "<tr><th>Table</th><th>Expectations</th><th>Failed</th></tr>"
    body = f'<p><a href="../index.html">all gates</a></p><table>{head}{rows}</table>'
    (folder / "index.html").write_text(_page(title.capitalize(), body), encoding="utf-8")


def _page(title: str, body: str) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


# Great Expectations' own pages take style, scripts and icons from seven hosts on the network. These lines take
# their place; the class names are those of its markup.
_STYLE: Final = """
body { font: 15px/1.4 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.3em; }
h5 { font: 600 1em monospace; margin: 1.2em 0 .3em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3em .6em; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
th { font-weight: 600; color: #666; }
.table th:first-child, .table td:first-child { width: 4em; }
.table th:last-child, .table td:last-child { width: 14em; }
.badge { background: #eef; border-radius: 3px; padding: 0 .3em; font: .9em monospace; }
.fas { font-style: normal; font-weight: bold; }
.fa-check-circle::before { content: "\\2713"; color: #087f23; }
.fa-times::before { content: "\\2717"; color: #b00020; }
.text-danger { color: #b00020; }
"""

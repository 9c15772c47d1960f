"""Delivered lines by name: everything about a person in bronze and landing is told by them."""

from collections.abc import Collection, Mapping
from typing import Any

Line = tuple[str, int]  # file id, row number


def line_of(row: Mapping[str, Any]) -> Line:
    """The line of a row with `file_id` and `row_no`."""
    return row["file_id"], row["row_no"]


def by_file(lines: Collection[Line]) -> dict[str, list[int]]:
    """Row numbers by file, sorted."""
    found: dict[str, list[int]] = {}
    for file_id, row_no in sorted(lines):
        found.setdefault(file_id, []).append(row_no)
    return found

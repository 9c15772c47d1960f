"""No name, e-mail, phone or street of anybody in the world stands where only pseudonyms may."""

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.golden.conftest import WORLD, Published

# What may be searched for: long or odd enough not to be found by chance in a hash, a file name or English prose.
_LEAST = 9


def personal_values() -> set[str]:
    """Everything personal that was delivered, as delivered and lower-cased."""
    found: set[str] = set()
    for path in (WORLD / "landing").glob("*/crm/contacts*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            address = record.get("address") or {}
            found |= {
                *(record.get("emails") or []),
                *(record.get("phones") or []),
                address.get("street") or "",
            }
            found.add(f"{record.get('first_name')} {record.get('last_name')}")
            found.add(record.get("last_name") or "")
    for path in (WORLD / "landing").glob("*/loyalty/members*.csv"):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split(",")
            if len(fields) == 15:
                found |= {fields[2], f"{fields[1]} {fields[2]}", fields[4], fields[5], fields[6]}
    for path in (WORLD / "landing").glob("*/tills/receipt_lines*.csv"):
        found |= {
            line.split(",")[-1] for line in path.read_text(encoding="utf-8").splitlines() if "@" in line
        }
    return {value.lower() for value in found if len(value) >= _LEAST}


def readable(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file's text: Parquet by its cells and statistics, all else by its bytes, checksums included."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield path, path.read_bytes().decode("utf-8", errors="ignore")
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield (
                path,
                "\n".join(str(column.to_pylist()) for column in file.read().columns) + str(file.metadata),
            )


def leaked(texts: Iterable[tuple[Path, str]], values: Collection[str]) -> set[str]:
    """Names of the files in which a value stands; looked up by how it begins, for there are thousands of values."""
    beginnings: dict[str, list[str]] = {}
    for value in values:
        beginnings.setdefault(value[:_LEAST], []).append(value)
    found = set()
    for path, text in texts:
        low = text.lower()
        met = {low[at : at + _LEAST] for at in range(len(low) - _LEAST + 1)} & beginnings.keys()
        if any(value in low for beginning in met for value in beginnings[beginning]):
            found.add(path.name)
    return found


@pytest.mark.parametrize("layer", ["gold", "id", "consent", "ops", "logs", "data_docs", "reports"])
def test_no_personal_value_stands_in(published: Published, layer: str) -> None:
    values = personal_values()
    assert len(values) > 1000
    files = list(readable(published.warehouse / layer))
    assert files
    assert leaked(files, values) == set()


def test_the_search_finds_what_is_there(published: Published) -> None:
    value = "pekka.nieminen@sahkoposti.example"
    assert value in personal_values()
    assert leaked(readable(published.warehouse / "silver"), [value])


def test_silver_logs_hold_no_personal_value(published: Published) -> None:
    values = personal_values()
    logs = [
        p.read_text(encoding="utf-8").lower()
        for p in (published.warehouse / "silver").glob("*/_delta_log/*.json")
    ]
    assert len(logs) > 20
    assert not [value for value in values if any(value in log for log in logs)]


def test_nothing_personal_was_printed(published: Published) -> None:
    said = published.said.getvalue().lower()
    assert "resolve" in said
    assert not [value for value in personal_values() if value in said]

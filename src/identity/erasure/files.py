"""Landing files: blanking lines where they lie, so that every other line keeps its number."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from identity.erasure.needles import Needles
from identity.errors import PlatformError, SourceError

_DRAFT = ".erasing"
# Of a blanked line that had none: a file of no bytes is no delivery, and would stop every run.
_END = b"\n"


def origins(register: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By checksum of today, the checksum that a file was taken with: bronze knows it by that one.

    Args:
        register: ops.file.
    """
    rows = list(register)
    taken = {(r["batch_id"], r["file"]): r["file_id"] for r in rows if r["status"] == "taken"}
    found = {file_id: file_id for file_id in taken.values()}
    for r in rows:
        if r["status"] == "rewritten" and (r["batch_id"], r["file"]) in taken:
            found[r["file_id"]] = taken[r["batch_id"], r["file"]]
    return found


def landing_files(landing: Path, origin_of: Mapping[str, str]) -> Iterator[tuple[Path, bytes, str | None]]:
    """Every landing file: path, bytes, and the checksum it was taken with; None when it never was."""
    for path in sorted(p for p in landing.rglob("*") if p.is_file() and not p.name.startswith((".", "_"))):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
        yield path, data, origin_of.get(hashlib.sha256(data).hexdigest())


def blanked(data: bytes, rows: Collection[int], unlink: Mapping[str, Iterable[str]]) -> bytes:
    """A file without some lines' content, and with some columns of other lines (CSV, JSON) empty.

    Args:
        data: The file.
        rows: Line numbers, from 1.
        unlink: Columns to empty, by line number as JSON has it; of a line that is JSON they leave.
    """
    if not rows and not unlink:
        return data
    lines = data.splitlines(keepends=True)
    gone = set(rows)
    header = next(csv.reader([lines[0].decode("utf-8-sig", errors="replace")])) if unlink else []
    for place, line in enumerate(lines, 1):
        end = line[len(line.rstrip(b"\r\n")) :]
        if place in gone:
            lines[place - 1] = end or _END
        elif str(place) in unlink:
            lines[place - 1] = _without(line, header, set(unlink[str(place)])) + end
    return b"".join(lines)


def lines_that_hold(data: bytes, needles: Needles, except_rows: Collection[int]) -> set[int]:
    """Numbers of lines that hold a value, of those that bronze does not know; the first line of CSV never does."""
    # Bytes end their lines where Spark does; texts end them in more places.
    lines = [line.decode("utf-8", errors="replace") for line in data.splitlines()]
    return {
        number for number, line in enumerate(lines, 1) if number not in except_rows and needles.found(line)
    }


def without_named(data: bytes, needles: Needles, *, is_accounting: bool) -> bytes:
    """A file that no run has taken, without the lines that hold a value.

    Args:
        data: The file.
        needles: The values.
        is_accounting: Its lines (CSV) belong to the books: only the fields that hold a value are emptied.
    """
    lines = data.splitlines(keepends=True)
    for place, line in enumerate(lines):
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if needles.found(text):
            end = line[len(line.rstrip(b"\r\n")) :]
            fields = next(csv.reader([text])) if is_accounting else []
            left = ["" if needles.found(field) else field for field in fields]
            lines[place] = _row(left) + end if left else end or _END
    return b"".join(lines)


def without_columns(record: str, columns: Iterable[str]) -> str:
    """A record as JSON without some columns."""
    left = {name: value for name, value in json.loads(record).items() if name not in set(columns)}
    return json.dumps(left, ensure_ascii=False, separators=(",", ":"))


def draft(path: Path, data: bytes) -> None:
    """Write what a file is to become beside it; deliveries do not see it.

    Raises:
        PlatformError: The folder cannot be written.
    """
    target = _draft_of(path)
    try:
        target.write_bytes(data)
        shutil.copymode(path, target)
    except OSError as error:
        raise PlatformError(
            f"{path}: cannot be rewritten: {error.strerror}; an erasure blanks lines in landing where they lie: make it "
            "writable, then `identity erase --resume`"
        ) from None


def put(path: Path) -> None:
    """Put the draft in the file's place, in one step."""
    if _draft_of(path).is_file():
        _draft_of(path).replace(path)


def remove_drafts(landing: Path) -> None:
    """Remove what an erasure that died left behind."""
    for path in landing.rglob(f".*{_DRAFT}"):
        path.unlink()


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{_DRAFT}")


def _without(line: bytes, header: list[str], columns: set[str]) -> bytes:
    text = line.decode("utf-8").rstrip("\r\n")
    if text.lstrip().startswith("{"):
        return without_columns(text, columns).encode()
    row = next(csv.reader([text]))
    return _row("" if name in columns else value for name, value in zip(header, row, strict=True))


def _row(fields: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    return out.getvalue().encode()

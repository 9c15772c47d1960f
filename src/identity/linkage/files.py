"""Tables of persons as files: CSV or Parquet in, Parquet and texts out, all of it or nothing."""

import codecs
import csv
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd
import pyarrow as pa

from identity.errors import PlatformError, SourceError
from identity.linkage.pairs import database

_SEPARATORS: Final = ",;\t|"
# Nothing is left to DuckDB's guess: of a file with a broken line among the first it would take all for one column, and
# lines that begin with # for comments.
_CSV: Final = "auto_detect = false, header = true, skip = 0, comment = '', quote = '\"', escape = '\"'"
_LINE: Final = re.compile(r"CSV Error on Line: (\d+)")
_NESTED: Final = frozenset({"list", "array", "struct", "map", "union"})
_LONGEST_HEADER: Final = 1_000_000  # bytes
_PARTIAL: Final = ".partial"


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Read files as one table of texts; of several without a column `source`, each is a source of its own.

    Columns that a file does not have are null in its rows.

    Raises:
        SourceError: A file is not there, empty, or no table; the message quotes nothing of it.
    """
    tables = [_read(path) for path in paths]
    if len(tables) > 1 and not any("source" in table.column_names for table in tables):
        tables = [
            table.append_column("source", pa.array([path.stem] * len(table), pa.string()))
            for table, path in zip(tables, paths, strict=True)
        ]
    whole = pa.concat_tables(tables, promote_options="default")
    # Column by column, each freed as it is turned: the texts are not held twice.
    del tables
    frame: pd.DataFrame = whole.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty")
    try:
        return _read_parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else _read_csv(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or 'input or output error'}") from None


def _read_parquet(path: Path) -> pa.Table:
    with database() as connection:
        try:
            table = connection.read_parquet(str(path))
            kinds = zip(table.columns, table.types, strict=True)
            nested = [column for column, kind in kinds if kind.id in _NESTED]
            if nested:
                raise SourceError(
                    f"{path}: {', '.join(nested)}: lists and structures cannot be compared; make them plain columns"
                )
            return table.select("columns(*)::varchar").to_arrow_table()
        except duckdb.Error:
            raise SourceError(f"{path}: cannot be read as Parquet; mend the file and run again") from None


def _read_csv(path: Path) -> pa.Table:
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    # Nothing but UTF-16 with a mark is told apart from UTF-8 with certainty.
    encoding = "utf-16" if start.startswith(codecs.BOM_UTF16_LE) else "utf-8"
    text = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if "\ufffd" in first:
        raise _not_utf8(path, "1")
    separator = max(_SEPARATORS, key=first.count)
    header = next(csv.reader([first], delimiter=separator), [])
    columns = ", ".join(f"'{place}': 'varchar'" for place in range(len(header)))
    how = f"{_CSV}, delim = '{separator}', encoding = '{encoding}', columns = {{{columns}}}"
    with database() as connection:
        try:
            table = connection.sql(f"from read_csv(?, {how})", params=[str(path)]).to_arrow_table()
        except duckdb.Error as error:
            # What DuckDB says quotes the line; its number is enough to find it.
            found = _LINE.search(str(error))
            if "unicode" in str(error).partition("Possible")[0]:
                raise _not_utf8(path, found and found[1]) from None
            where = f", line {found[1]}" if found else ""
            raise SourceError(
                f"{path}{where}: cannot be read as CSV with {len(header)} columns; mend the file and run again"
            ) from None
    return table.rename_columns(_distinct(header))


def _not_utf8(path: Path, line: str | None) -> SourceError:
    where = f", line {line}" if line else ""
    return SourceError(
        f"{path}{where}: not in UTF-8; convert it first, such as with `iconv -f WINDOWS-1252 -t UTF-8`"
    )


def _distinct(header: Sequence[str]) -> list[str]:
    """Names of columns: an empty one is numbered, of two alike the second is."""
    names: list[str] = []
    for place, written in enumerate(header):
        name = written.strip() or f"column_{place + 1}"
        names.append(name if name not in names else f"{name}_{place + 1}")
    return names


def require_writable(out: Path) -> None:
    """See that a folder can be written, and leave it as it was.

    Raises:
        PlatformError: It cannot, or it is a file.
    """
    with _partial(out):
        pass


def write_all(out: Path, tables: Mapping[str, pd.DataFrame], texts: Mapping[str, str]) -> None:
    """Write every file, or, when one cannot be written, none; files of other names stay.

    Raises:
        PlatformError: The folder cannot be written.
    """
    with _partial(out) as partial:
        for name, table in tables.items():
            table.to_parquet(partial / name, index=False)
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        taken = [name for name in (*tables, *texts) if (out / name).is_dir()]
        if taken:
            raise PlatformError(f"{out} cannot be written: {taken[0]} is a folder")
        for file in sorted(partial.iterdir()):
            file.replace(out / file.name)


@contextmanager
def _partial(out: Path) -> Iterator[Path]:
    """A folder inside `out` that is gone in the end; so are, if something fails, folders made for it."""
    made = list(takewhile(lambda folder: not folder.exists(), (out, *out.parents)))
    partial = out / _PARTIAL
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
    except OSError as error:
        raise PlatformError(f"{out} cannot be written: {error.strerror or 'input or output error'}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

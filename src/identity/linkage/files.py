"""Tables of persons as files: CSV or Parquet in, Parquet and JSON out, all of it or nothing."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from identity.errors import PlatformError, SourceError

# The separator is found out; what a quote is, is not, for a guess would take an open quote for a letter.
_CSV = "all_varchar = true, header = true, encoding = 'utf-8', quote = '\"', escape = '\"'"
_LINE = re.compile(r"[Ll]ine:? (\d+)")


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Read files as one table of texts; of several without a column `source`, each is a source of its own.

    Raises:
        SourceError: A file is not there, empty, or no table; the message quotes nothing of it.
    """
    tables = [_read(path) for path in paths]
    if len(tables) > 1 and not any("source" in table.columns for table in tables):
        tables = [table.assign(source=path.stem) for table, path in zip(tables, paths, strict=True)]
    whole = pd.concat(tables, ignore_index=True)
    return whole.astype(object).where(whole.notna(), None)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty")
    is_parquet = path.suffix.lower() in {".parquet", ".pq"}
    reader = "read_parquet(?)" if is_parquet else f"read_csv(?, {_CSV})"
    with duckdb.connect(":memory:") as connection:
        try:
            return connection.execute(f"select columns(*)::varchar from {reader}", [str(path)]).df()
        except duckdb.Error as error:
            # What DuckDB says quotes the line; its number is enough to find it.
            line = _LINE.search(str(error))
            where = f", line {line[1]}" if line else ""
            kind = "Parquet" if is_parquet else "CSV in UTF-8"
            raise SourceError(
                f"{path}{where}: cannot be read as {kind}; mend the file and run again"
            ) from None


def write_all(out: Path, tables: Mapping[str, pd.DataFrame], texts: Mapping[str, str]) -> None:
    """Write every file, or, when one cannot be written, none.

    Raises:
        PlatformError: The folder cannot be written.
    """
    partial = out / ".partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, table in tables.items():
            table.to_parquet(partial / name, index=False)
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        for file in sorted(partial.iterdir()):
            file.replace(out / file.name)
        partial.rmdir()
    except OSError as error:
        raise PlatformError(f"{out} cannot be written: {error.strerror}") from None

"""What will be left of others: a value that stands there, too, proves nothing and is not looked for."""

from collections import defaultdict
from typing import Final

import pyarrow as pa

from identity.contracts import contract_of
from identity.erasure import files as landing
from identity.erasure.line import Line, by_file
from identity.erasure.lines import Found
from identity.erasure.needles import Needles, is_searchable
from identity.erasure.own_words import own_words
from identity.erasure.scan import text_of
from identity.erasure.subjects import Subjects
from identity.run import Run
from identity.tables import columns_at, rows_at

_LINES: Final = ["file_id", "row_no"]


def kept_landing(run: Run, found: Found) -> tuple[list[str], set[Line]]:
    """What landing will hold of others, and lines that bronze never took and that hold what is theirs alone.

    Args:
        run: The run.
        found: The persons' lines, and texts of others that name them.

    Returns:
        Texts, a file each; and the lines, by the checksum that their file was taken with.
    """
    rows = rows_at(run.config.warehouse, "ops.file")
    accepted = _accepted(run)
    # Nobody has read whose such a line is; in a file of her source it is hers if it holds what her record is called by.
    strong = {
        source: Needles(v for v in found.strong | found.names.get(source, set()) if is_searchable(v))
        for source in run.config.sources
    }
    delete, unlink = by_file(found.delete), found.unlink
    kept: list[str] = []
    extra: set[Line] = set()
    source_of = {row["file_id"]: row["source"] for row in rows}
    for _, data, origin in landing.landing_files(run.config.landing, landing.origins(rows)):
        if origin is None:
            continue  # what names them there goes too, and what else stands there is not looked for
        theirs = landing.lines_that_hold(data, strong[source_of[origin]], accepted.get(origin, set()))
        extra |= {(origin, row_no) for row_no in theirs}
        here = {str(row): columns for (file_id, row), columns in unlink.items() if file_id == origin}
        after = landing.blanked(data, [*delete.get(origin, ()), *theirs], here)
        kept.append(after.decode("utf-8", errors="replace"))
    return kept, extra


def kept_tables(run: Run, found: Found, who: Subjects) -> list[str]:
    """What the tables will hold of others, and what every table and page says of itself.

    Args:
        run: The run.
        found: The persons' lines, and texts of others that name them.
        who: The persons.
    """
    warehouse = run.config.warehouse
    kept = own_words(run)
    for source in run.config.sources:
        table = columns_at(warehouse, f"bronze.{source}", [*_LINES, "record"])
        rows = zip(*(table[name].to_pylist() for name in (*_LINES, "record")), strict=True)
        records = [
            landing.without_columns(record, found.unlink[file_id, row_no])
            if (file_id, row_no) in found.unlink
            else record
            for file_id, row_no, record in rows
            if (file_id, row_no) not in found.delete
        ]
        kept.append("\n".join(records))
    for name in ("silver.person_record", "silver.identifier"):
        table = columns_at(warehouse, name, list(contract_of(name).columns))
        keys = zip(table["source"].to_pylist(), table["source_key"].to_pylist(), strict=True)
        others = table.filter(pa.array([key not in who.records for key in keys], pa.bool_()))
        kept += [text for column in others.columns for chunk in column.chunks for text in text_of(chunk)]
    return kept


def _accepted(run: Run) -> dict[str, set[int]]:
    """Line numbers in bronze by file; the header of CSV counts as one of them."""
    found: dict[str, set[int]] = defaultdict(set)
    for source in run.config.sources:
        table = columns_at(run.config.warehouse, f"bronze.{source}", _LINES)
        for file_id, row_no in zip(*(table[name].to_pylist() for name in _LINES), strict=True):
            found[file_id].add(row_no)
    return found

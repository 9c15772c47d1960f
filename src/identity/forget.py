"""Only the newest version of every table stays; what older ones held is gone from the disk."""

from pathlib import Path

from identity.contracts import contract_of
from identity.tables import Tables, forget_history, replace_at, rows_at


def begin_forgetting(warehouse: Path) -> None:
    """Note that rows are about to leave, or hashes; until `end_forgetting`, gold or an older version may have them."""
    _note(warehouse).touch()


def must_forget(warehouse: Path) -> bool:
    """Whether whoever took them died before `end_forgetting`: what is made of bronze is to be made and published anew."""
    return _note(warehouse).is_file()


def end_forgetting(tables: Tables) -> None:
    """`forget_older`, after all that is made of bronze was made and published anew."""
    forget_older(tables)
    _note(tables.root).unlink(missing_ok=True)


def forget_older(tables: Tables) -> int:
    """Leave of every table its newest version alone, which is the one that is published.

    Args:
        tables: The tables; the caller holds the warehouse's lock and has just published.

    Returns:
        How many tables there are.
    """
    published = rows_at(tables.root, "ops.publication")
    newest = max(published, key=lambda row: row["publication_no"])
    replace_at(
        tables.root, [{**newest, "versions": dict(newest["versions"])}], contract_of("ops.publication")
    )
    tables.clear_staging()
    return forget_history(tables.root)


def _note(warehouse: Path) -> Path:
    return warehouse / ".forgetting"

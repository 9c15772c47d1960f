"""Only the newest version of every table stays; what older ones held is gone from the disk."""

from identity.contracts import contract_of
from identity.tables import Tables, forget_history, replace_at, rows_at


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

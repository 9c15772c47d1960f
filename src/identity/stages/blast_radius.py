"""Blast radius of a run: measured before the id tables are written, and the run stopped when it is too large."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.errors import BlastRadiusError
from identity.resolve.blast_radius import fates, totals
from identity.resolve.golden_id import Inheritance
from identity.run import BLAST_RADIUS, Run

_ROWS = f"{BLAST_RADIUS}rows "


def measure(run: Run, today: Inheritance, open_members: DataFrame) -> dict[str, int]:
    """What the run would change, as counts of its stage; which ids these are stays in staging.

    Empty in the first run of a warehouse, which has nothing to change.
    """
    if not run.tables.exists("id.golden_member"):
        return {}
    ids = run.tables.staged(fates(today, open_members), "blast_radius")
    minted = today.minted.agg(F.count("*").alias("new"))
    row = totals(ids).crossJoin(F.broadcast(minted)).head()
    assert row is not None
    counts = {f"{BLAST_RADIUS}{name}": int(n) for name, n in row.asDict().items()}
    if row["changed"]:
        changed = ids.where("is_changed").select("golden_id")
        counts |= {f"{_ROWS}{name}": n for name, n in _published_rows(run, changed).items()}
    return counts


def require_within_limit(run: Run, counts: dict[str, int]) -> None:
    """Stop a run that changes more ids than the limit, unless somebody said yes to it.

    Raises:
        BlastRadiusError: It does.
    """
    told = {name.removeprefix(BLAST_RADIUS): n for name, n in counts.items()}
    changed, persons = told.get("changed", 0), told.get("persons_before", 0)
    limit = run.config.publication
    too_many = changed > limit.changed_ids_never_stopped and changed > limit.max_changed_ids_share * persons
    if not too_many or run.accept_blast_radius:
        return
    rows = sum(n for name, n in counts.items() if name.startswith(_ROWS))
    raise BlastRadiusError(
        f"the run would change {changed:,} of {persons:,} golden ids of persons ({changed / persons:.1%}, limit "
        f"{limit.max_changed_ids_share:.1%}), and with them {rows:,} gold rows; {told['moved_matching']:,} records would "
        f"get another id; nothing was written; look why, and go on with --accept-blast-radius if it is right"
    )


def counts_to_keep(run: Run, counts: Mapping[str, int]) -> dict[str, int | None]:
    """The counts as they are kept: a small number of a table's rows is hidden, for it may be all that a profile has."""
    is_few = run.config.publication.is_few
    return {name: None if name.startswith(_ROWS) and is_few(n) else n for name, n in counts.items()}


def _published_rows(run: Run, ids: DataFrame) -> dict[str, int]:
    """Rows of the gold tables in force that carry one of these ids, by table; tables without any are left out."""
    publications = run.tables.rows("ops.publication")
    newest = max(publications, key=lambda row: row["publication_no"], default=None)
    versions = {} if newest is None else newest["versions"]
    tables = {name: run.tables.read(name, version=version) for name, version in sorted(versions.items())}
    carried = [
        table.join(F.broadcast(ids), on="golden_id", how="left_semi").select(F.lit(name).alias("name"))
        for name, table in tables.items()
        if "golden_id" in table.columns
    ]
    if not carried:
        return {}
    rows = reduce(DataFrame.unionByName, carried).groupBy("name").count().collect()
    return {row["name"]: row["count"] for row in rows}

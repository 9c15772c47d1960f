"""What the resolve stage knows of records that may be joined, read and put together."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Config
from identity.consent.gates import link_permission
from identity.resolve.decisions import usable
from identity.resolve.edges import Evidence
from identity.resolve.identifiers import shared_identifier_edges
from identity.resolve.records import KEY, comparable_records
from identity.run import Run
from identity.tables import Tables


def evidence_of(run: Run, permission: DataFrame) -> Evidence:
    """What speaks for and against joining the records of a run date.

    Args:
        run: The run.
        permission: Gate L: `source`, `source_key`, `link_permission`.
    """
    matching, tables = run.config.matching, run.tables
    persons = tables.read("silver.person_record")
    identifiers = permitted_identifiers(run, permission)
    may = persons.join(_permitted(permission), on=[*KEY], how="left_semi")
    shared = shared_identifier_edges(identifiers, may, namespaces=run.config.namespaces)
    compared = comparable_records(persons, permission, sources=matching.sources)
    # Edges are judged by the eve of the run date, so that a repeat judges them as the first time.
    eve = (F.col("valid_from_on") < F.lit(run.on)) & (
        F.coalesce("valid_to_on", F.lit(run.on)) >= F.lit(run.on)
    )
    before = tables.read("id.golden_member").where(eve if run.unsettled is None else "valid_to_on is null")
    if run.unsettled is not None:
        free = tables.spark.createDataFrame([(g,) for g in sorted(run.unsettled)], "golden_id string")
        before = before.join(F.broadcast(free), on="golden_id", how="left_anti")
    return Evidence(
        shared=tables.staged(shared, "shared_edge"),
        records=compared if matching.probabilistic else None,
        decisions=usable(tables.read("id.review_pair"), permission, on=run.on),
        identifiers=identifiers,
        before=before,
        is_settled=run.unsettled is not None,
    )


def permission_of(
    tables: Tables, config: Config, records: DataFrame, carried: DataFrame, *, on: dt.date
) -> DataFrame:
    """Gate L on a date: `source`, `source_key`, `link_permission` of records.

    Args:
        tables: The warehouse.
        config: What linking needs, and the identifier hierarchy.
        records: Rows of silver.person_record, perhaps with devices among them.
        carried: The identifiers they carry, as in silver.identifier.
        on: The date.
    """
    return link_permission(
        records,
        carried,
        tables.read("silver.consent_event"),
        purpose=config.purposes["identity.link"],
        notices=config.notices,
        namespaces=config.namespaces,
        on=on,
    )


def permitted_identifiers(run: Run, permission: DataFrame) -> DataFrame:
    """silver.identifier rows of records that may be joined."""
    return run.tables.read("silver.identifier").join(_permitted(permission), on=[*KEY], how="left_semi")


def _permitted(permission: DataFrame) -> DataFrame:
    return permission.where("link_permission = 'permitted'").select(*KEY)

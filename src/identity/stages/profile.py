"""profile: silver, id and consent → what gold will be, in staging."""

import datetime as dt
from functools import partial
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.consent.restrictions import in_force, restricted_ids, unnamed, without
from identity.contracts import TableContract, conform, contract_of, purpose_contract, unexpired
from identity.profile.golden_record import golden_records, known_records, permitted_attributes
from identity.profile.purchases import (
    identified_lines,
    purchase_fact,
    purchase_metrics,
    receipts,
    unnamed_before,
)
from identity.profile.touchpoints import owned_views, touchpoints, visits
from identity.publish.coverage import consent_kpi, coverage, customers_of, decided_cells
from identity.publish.purposes import (
    allowed_categories,
    contact_points,
    measured,
    permitted_parts,
    profiles,
    usable_parts,
    used_since,
    with_detail,
)
from identity.run import Run
from identity.standardise.identifiers import hash_key
from identity.tables import in_parallel

_PART: Final = ["golden_id", "part"]
_BY: Final = ["purpose", "golden_id"]


def gold_contracts(run: Run) -> dict[str, TableContract]:
    """The contracts of all gold tables of this configuration, by table."""
    fixed = (
        "gold.profile_core",
        "gold.purchase_fact",
        "gold.touchpoint",
        "gold.customer_metrics",
        "gold.consent_kpi",
        "gold.coverage",
    )
    by_purpose = [
        purpose_contract(n, categories=p.categories) for n, p in run.config.profile_purposes.items()
    ]
    return {contract.name: contract for contract in [*map(contract_of, fixed), *by_purpose]}


def profile(run: Run) -> None:
    """Compute every gold table into staging."""
    with run.stage("profile") as stage:
        frames = _frames(run)
        contracts = gold_contracts(run)
        run.tables.stage_all(
            (unexpired(frame, contracts[name], on=run.on), contracts[name]) for name, frame in frames.items()
        )
        stage.counts["tables"] = len(frames)


def _frames(run: Run) -> dict[str, DataFrame]:
    tables, key, purposes = run.tables, hash_key(run.key), run.config.profile_purposes
    members = tables.read("id.golden_member").where("valid_to_on is null")
    # Whose processing is restricted is left out of what was found, not of where it is looked: else an e-mail that two
    # share would become the other's alone, and the receipts with it.
    restricted = restricted_today(run)
    effective = without(tables.read("consent.effective"), restricted)
    lines_found = identified_lines(
        tables.read("silver.sale_line"),
        members,
        tables.read("silver.identifier"),
        tables.read("silver.product"),
    )
    views_found = owned_views(
        tables.read("silver.web_view"), members, tables.read("id.device_owner"), key=key
    )
    made = {
        "known_record": without(known_records(members, tables.read("silver.person_record")), restricted),
        "identified_line": unnamed(lines_found, restricted),
        "owned_view": without(views_found, restricted),
    }
    known, lines, views = in_parallel([partial(tables.staged, frame, name) for name, frame in made.items()])
    opened = tables.read("silver.interaction").join(
        members.select("source", "source_key", "golden_id", "part"), on=["source", "source_key"], how="left"
    )
    contacts = without(opened, restricted)
    complaints = contacts.where(
        "interaction_type = 'complaint' and status = 'open' and golden_id is not null"
    )
    permitted = permitted_parts(effective)
    kinds = known.select("golden_id", "subject_kind").distinct()
    of_today = usable_parts(permitted, kinds, complaints, purposes=purposes)
    usable = tables.staged(with_detail(of_today, permitted, purposes=run.config.purposes), "usable_part")
    analytics = usable.where("purpose = 'analytics'").drop("purpose")
    analysed_since = run.on - dt.timedelta(days=run.config.purposes["analytics"].retention_days)
    bought = receipts(lines)
    customers = known.where("subject_kind = 'customer'").select("golden_id", "part").distinct()
    described = customers.join(analytics, on=_PART, how="left_semi")
    carried = members.join(tables.read("silver.identifier"), on=["source", "source_key"], how="inner").select(
        *_PART, F.col("value_hmac").alias("contact_point")
    )
    wide = measured(
        golden_records(known.join(usable, on=_PART, how="inner"), on=run.on, by=_BY),
        _measures(run.on, complaints, bought, visits(views), usable, used_since(purposes, on=run.on)),
        contact_points(effective, carried),
        purposes=purposes,
    )
    counted = customers_of(known)
    min_cell = run.config.publication.min_cell
    cells = decided_cells(effective, counted, purposes=run.config.purposes, min_cell=min_cell)
    covered = coverage(cells, counted, lines, permitted, purposes=purposes, min_cell=min_cell, on=run.on)
    return {
        "gold.consent_kpi": _after_earlier_days(run, "gold.consent_kpi", consent_kpi(cells, on=run.on)),
        "gold.coverage": _after_earlier_days(run, "gold.coverage", covered),
        "gold.profile_core": permitted_attributes(
            known, allowed_categories(permitted, purposes=run.config.purposes), on=run.on
        ),
        "gold.purchase_fact": purchase_fact(unnamed_before(lines, analysed_since), analytics),
        "gold.touchpoint": touchpoints(views, lines, contacts, analytics, key=key).where(
            F.col("occurred_at").cast("date") >= F.lit(analysed_since)
        ),
        "gold.customer_metrics": purchase_metrics(
            bought.where(F.col("sold_on") >= F.lit(analysed_since)).join(
                described, on=_PART, how="left_semi"
            ),
            on=run.on,
        ),
        **profiles(tables.staged(wide, "measured"), purposes=purposes),
    }


def restricted_today(run: Run) -> DataFrame | None:
    """Golden ids whose processing is restricted on the run date; None where nobody's is."""
    records = in_force(run.tables.rows("consent.restriction"), on=run.on)
    if not records:
        return None
    restricted = run.tables.spark.createDataFrame(records, "source string, source_key string")
    members = run.tables.read("id.golden_member").where("valid_to_on is null")
    return restricted_ids(members, restricted)


def _after_earlier_days(run: Run, name: str, frame: DataFrame) -> DataFrame:
    """What a table told on earlier run dates, and after it what it tells today; the same date again replaces itself."""
    contract = contract_of(name)
    earlier = run.tables.read(name).where(F.col("as_of_on") < F.lit(run.on))
    return conform(earlier, contract).unionByName(conform(frame, contract))


def _measures(
    run_on: dt.date,
    complaints: DataFrame,
    bought: DataFrame,
    visited: DataFrame,
    usable: DataFrame,
    since: Column,
) -> list[DataFrame]:
    """What each purpose may count of a golden id, by `purpose` and `golden_id`: nothing older than its retention."""

    def of_purpose(rows: DataFrame, day: str) -> DataFrame:
        return rows.join(usable, on=_PART, how="inner").where(F.col(day).cast("date") >= since)

    metrics = purchase_metrics(of_purpose(bought, "sold_on"), on=run_on, by=_BY)
    # A buyer in several currencies is described by the one bought in last.
    shown = F.struct("recency_days", "purchases", "monetary_amount", "currency")
    newest = F.min_by(shown, F.struct("recency_days", "currency")).alias("m")
    return [
        of_purpose(complaints, "opened_at").groupBy(*_BY).agg(F.count("*").alias("open_complaints")),
        metrics.groupBy(*_BY).agg(newest).select(*_BY, "m.*"),
        of_purpose(visited, "visited_on")
        .groupBy(*_BY)
        .agg(F.count_distinct("session_id").alias("visits"), F.max("visited_on").alias("last_visit_on")),
    ]

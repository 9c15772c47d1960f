"""profile: silver, id and consent → what gold will be, in staging."""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.contracts import TableContract, contract_of, purpose_contract
from identity.profile.golden_record import golden_records, permitted_attributes
from identity.profile.purchases import identified_lines, purchase_fact, purchase_metrics
from identity.profile.touchpoints import owned_views, touchpoints, visits
from identity.publish.purposes import allowed_categories, measured, permitted, profiles
from identity.run import Run
from identity.standardise.identifiers import hash_key
from identity.tables import in_parallel


def gold_contracts(run: Run) -> dict[str, TableContract]:
    """The contracts of all gold tables of this configuration, by table."""
    fixed = ("gold.profile_core", "gold.purchase_fact", "gold.touchpoint", "gold.customer_metrics")
    by_purpose = [
        purpose_contract(n, categories=p.categories) for n, p in run.config.profile_purposes.items()
    ]
    return {contract.name: contract for contract in [*map(contract_of, fixed), *by_purpose]}


def profile(run: Run) -> None:
    """Compute every gold table into staging."""
    with run.stage("profile") as stage:
        frames = _frames(run)
        contracts = gold_contracts(run)
        run.tables.stage_all((frame, contracts[name]) for name, frame in frames.items())
        stage.counts["tables"] = len(frames)


def _frames(run: Run) -> dict[str, DataFrame]:
    tables, key = run.tables, hash_key(run.key)
    members = tables.read("id.golden_member").where("valid_to_on is null")
    effective = tables.read("consent.effective")
    made = {
        "golden_record": golden_records(members, tables.read("silver.person_record"), on=run.on),
        "identified_line": identified_lines(
            tables.read("silver.sale_line"),
            members,
            tables.read("silver.identifier"),
            tables.read("silver.product"),
        ),
        "owned_view": owned_views(
            tables.read("silver.web_view"), members, tables.read("id.device_owner"), key=key
        ),
    }
    records, lines, views = in_parallel([partial(tables.staged, frame, name) for name, frame in made.items()])
    contacts = tables.read("silver.interaction").join(
        members.select("source", "source_key", "golden_id"), on=["source", "source_key"], how="left"
    )
    complaints = contacts.where(
        "interaction_type = 'complaint' and status = 'open' and golden_id is not null"
    )
    analytics = permitted(effective, "analytics")
    metrics = purchase_metrics(lines, on=run.on)
    customers = records.where("subject_kind = 'customer'").join(analytics, on="golden_id", how="left_semi")
    # A buyer in several currencies is described by the one bought in last.
    shown = F.struct("recency_days", "purchases", "monetary_amount", "currency")
    newest = F.min_by(shown, F.struct("recency_days", "currency")).alias("m")
    measures = [
        complaints.groupBy("golden_id").agg(F.count("*").alias("open_complaints")),
        metrics.groupBy("golden_id").agg(newest).select("golden_id", "m.*"),
        visits(views),
    ]
    wide = tables.staged(measured(records, measures), "measured")
    return {
        "gold.profile_core": permitted_attributes(
            records, allowed_categories(effective, run.config.purposes)
        ),
        "gold.purchase_fact": purchase_fact(lines, analytics, detail=run.config.purposes["analytics"].detail),
        "gold.touchpoint": touchpoints(views, lines, contacts, analytics, key=key),
        "gold.customer_metrics": metrics.join(customers.select("golden_id"), on="golden_id", how="left_semi"),
        **profiles(wide, effective, purposes=run.config.profile_purposes),
    }

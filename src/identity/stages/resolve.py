"""resolve: silver → edges, clusters, golden ids, and what each of them permits."""

from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import LEVELS
from identity.consent.decide import effective
from identity.consent.gates import link_permission
from identity.consent.reach import contact_points, held, subjects
from identity.contracts import contract_of
from identity.errors import RunDateError
from identity.linkage.model import read_model
from identity.resolve import devices, golden_id
from identity.resolve.decisions import usable
from identity.resolve.edges import Evidence, Resolved, resolve_edges
from identity.resolve.households import households
from identity.resolve.identifiers import blocked_values, shared_identifier_edges
from identity.resolve.ledger import ledger, replay
from identity.resolve.records import FIELDS, comparable_records
from identity.resolve.spread import over_executors
from identity.run import Run
from identity.stages.blast_radius import measure, require_within_limit
from identity.stages.gates import TableGate, id_facts
from identity.standardise.identifiers import hash_key, value_hash
from identity.tables import Contracted, by_table, in_parallel

_KEY = ["source", "source_key"]
_CHECKED = ("golden_member", "edge", "crosswalk", "golden_history", "household")


def resolve(run: Run) -> None:
    """Join what may be joined, keep every id that was, and decide what may be done with each.

    Raises:
        ModelError: The model file does not fit.
        QualityGateError: An id table breaks its contract.
        BlastRadiusError: More golden ids would change than the limit allows.
        RunDateError: Golden ids are already kept as of a later date.
    """
    with run.stage("resolve") as stage:
        config, tables = run.config, run.tables
        persons = tables.read("silver.person_record")
        identifiers = tables.read("silver.identifier")
        events = tables.read("silver.consent_event")
        views = tables.staged(_device_views(run), "device_view")
        records, carried = _with_devices(persons, identifiers, views)
        permission = tables.staged(
            link_permission(
                records,
                carried,
                events,
                purpose=config.purposes["identity.link"],
                namespaces=config.namespaces,
                on=run.on,
            ),
            "link_permission",
        )
        before = tables.read("id.golden_member")
        _require_not_before(run, before)
        is_open = before.where("valid_to_on is null")
        # Edges are judged by the eve of the run date, so that a repeat judges them as the first time.
        eve = before.where(
            (F.col("valid_from_on") < F.lit(run.on))
            & (F.coalesce("valid_to_on", F.lit(run.on)) >= F.lit(run.on))
        )
        permitted = identifiers.join(_permitted(permission), on=_KEY, how="left_semi")
        edges, joined, stage.counts["components_cut"] = _resolved(run, persons, permitted, permission, eve)
        clusters, owners = _clusters(run, records, carried, permission, joined, views)
        today = golden_id.inherit(clusters, is_open, _born(run), key=hash_key(run.key), on=run.on)
        found = {"members": today.members, "merged": today.merged, "minted": today.minted}
        today = golden_id.Inheritance(*in_parallel([partial(tables.staged, f, n) for n, f in found.items()]))
        # What is replaced is read by what replaces it: everything is staged before anything is written.
        with TableGate(run, "id") as gate:
            ids, permissions, radius = in_parallel(
                [
                    partial(_staged_ids, run, gate, edges, today, before, owners, permitted),
                    partial(_staged_permissions, run, gate, today, carried, persons, events),
                    partial(measure, run, today, is_open),
                ]
            )
            staged = ids | permissions
            members, kept, crosswalk, fresh, homes = (staged[f"id.{n}"][0] for n in _CHECKED)
            replayed = replay(tables.read("id.golden_history").unionByName(fresh), on=run.on)
            facts = id_facts(members, kept, crosswalk, persons, replayed, homes)
            stage.counts.update(gate.settle(facts))
        stage.counts.update(radius)
        require_within_limit(run, radius)
        tables.commit_as_one(
            {name: "append" if name == "id.golden_history" else "overwrite" for name in staged}
        )


def _staged_ids(
    run: Run,
    gate: TableGate,
    edges: DataFrame,
    today: golden_id.Inheritance,
    before: DataFrame,
    owners: DataFrame,
    permitted: DataFrame,
) -> dict[str, Contracted]:
    """The id tables as they will be, and the events to add to the ledger."""
    config, tables = run.config, run.tables
    persons = tables.read("silver.person_record")
    is_open = before.where("valid_to_on is null")
    used, edge = gate.stage(edges, contract_of("id.edge"))
    history = run.tables.read("id.golden_history")
    frames = {
        "id.golden_history": ledger(
            today, is_open, used, history, run_id=run.id, recorded_at=run.started_at, on=run.on
        ),
        "id.golden_member": golden_id.membership(today.members, before, on=run.on),
        "id.crosswalk": golden_id.crosswalk(tables.read("id.crosswalk"), today, on=run.on),
        "id.device_owner": _device_owner(run, owners, today.members),
        "id.blocked_value": blocked_values(
            permitted, persons, tables.read("id.blocked_value"), namespaces=config.namespaces, on=run.on
        ),
    }
    # One after the other, for the permissions, which take longer, need a core of their own.
    staged = by_table(
        [(used, edge), *(gate.stage(frame, contract_of(name)) for name, frame in frames.items())]
    )
    homes = households(
        today.members,
        persons,
        tables.read("silver.loyalty_card"),
        tables.read("id.household"),
        staged["id.crosswalk"][0],
        limits=config.matching.household,
        key=hash_key(run.key),
        on=run.on,
    )
    return staged | by_table([gate.stage(homes, contract_of("id.household"))])


def _staged_permissions(
    run: Run,
    gate: TableGate,
    today: golden_id.Inheritance,
    carried: DataFrame,
    persons: DataFrame,
    events: DataFrame,
) -> dict[str, Contracted]:
    """consent.effective as it will be."""
    config = run.config
    holdings = run.tables.staged(held(today.members, carried, persons), "held")
    speaking = subjects(holdings, namespaces=config.namespaces)
    decided = effective(
        run.tables.staged(speaking, "subjects"),
        events,
        contact_points(holdings),
        purposes=config.purposes,
        namespaces=config.namespaces,
        on=run.on,
    )
    return by_table([gate.stage(decided, contract_of("consent.effective"))])


def _device_views(run: Run) -> DataFrame:
    """Views of people on devices, the device by its keyed hash."""
    key = hash_key(run.key)
    return (
        run.tables.read("silver.web_view")
        .where("device is not null and not is_bot")
        .select(
            F.col("device_namespace").alias("namespace"),
            value_hash(F.col("device_namespace"), F.col("device"), key=key).alias("value_hmac"),
            "login_id",
            "occurred_at",
        )
    )


def _with_devices(
    persons: DataFrame, identifiers: DataFrame, views: DataFrame
) -> tuple[DataFrame, DataFrame]:
    """Records and identifiers, devices among them: a device is a record of its own namespace, known by its hash."""
    seen = views.groupBy("namespace", "value_hmac").agg(F.min("occurred_at").alias("first_seen_at"))
    records = persons.select(*_KEY, "linkage", "first_seen_at").unionByName(
        seen.select(
            F.col("namespace").alias("source"), F.col("value_hmac").alias("source_key"),
            F.lit("allowed").alias("linkage"), "first_seen_at",
        )
    )  # fmt: skip
    level = F.when(F.col("namespace") == "cookie", "cookie").otherwise("mobile")
    carried = identifiers.select("namespace", "value_hmac", *_KEY, "level").unionByName(
        seen.select(
            "namespace", "value_hmac", F.col("namespace").alias("source"), F.col("value_hmac").alias("source_key"),
            level.alias("level"),
        )
    )  # fmt: skip
    return records, carried


def _permitted(permission: DataFrame) -> DataFrame:
    return permission.where("link_permission = 'permitted'").select(*_KEY)


def _resolved(
    run: Run, persons: DataFrame, permitted: DataFrame, permission: DataFrame, eve: DataFrame
) -> Resolved:
    """Every edge that something speaks for between records that may be joined, and the clusters that follow."""
    matching, namespaces = run.config.matching, run.config.namespaces
    may = persons.join(_permitted(permission), on=_KEY, how="left_semi")
    shared = shared_identifier_edges(permitted, may, namespaces=namespaces)
    compared = comparable_records(persons, permission, sources=matching.sources)
    evidence = Evidence(
        shared=run.tables.staged(shared, "shared_edge"),
        records=compared if matching.probabilistic else None,
        decisions=usable(run.tables.read("id.review_pair"), permission, on=run.on),
        identifiers=permitted,
        before=eve,
    )
    return resolve_edges(
        evidence,
        namespaces=namespaces,
        matching=matching,
        model=read_model(matching.model, FIELDS) if matching.probabilistic else None,
        spread=over_executors(run.tables.spark),
    )


def _clusters(
    run: Run,
    records: DataFrame,
    carried: DataFrame,
    permission: DataFrame,
    joined: DataFrame,
    views: DataFrame,
) -> tuple[DataFrame, DataFrame]:
    """Every record's cluster, singletons and devices included, and the intervals in which devices were whose."""
    alone = F.concat_ws("\x1f", *_KEY)
    persons = records.join(joined, on=_KEY, how="left").withColumn("cluster", F.coalesce("cluster", alone))
    found = devices.logins(views, permission, persons)
    owners = run.tables.staged(
        devices.owners(
            found, namespaces=run.config.namespaces, look_back_days=run.config.matching.device_look_back_days
        ),
        "device_owners",
    )
    attached = devices.sole_owner(owners).withColumnRenamed("cluster", "owner")
    level = carried.groupBy(*_KEY).agg(F.max(golden_id.strength()).alias("strength"))
    clusters = (
        persons.join(attached, on=_KEY, how="left")
        .join(permission, on=_KEY, how="left")
        .join(level, on=_KEY, how="left")
        .select(
            *_KEY,
            F.coalesce("owner", "cluster").alias("cluster"),
            _level().alias("level"),
            "link_permission",
            F.coalesce("confidence", F.lit(1.0)).alias("confidence"),
            "first_seen_at",
        )
    )
    return run.tables.staged(clusters, "clusters"), owners


def _device_owner(run: Run, owners: DataFrame, members: DataFrame) -> DataFrame:
    """id.device_owner: intervals with the owner's golden id; a device nobody logged in on owns itself."""
    is_device = members.where(
        F.col("source").isin(*(name for name, n in run.config.namespaces.items() if n.time_bounded))
    )
    by_cluster = members.select("cluster", "golden_id").distinct()
    owned = owners.join(by_cluster, on="cluster", how="inner").select(
        "namespace", "value_hmac", "golden_id", "from_at", "to_at", "is_shared"
    )
    unowned = is_device.select(
        F.col("source").alias("namespace"), F.col("source_key").alias("value_hmac"), "golden_id"
    )
    unowned = unowned.join(owned, on=["namespace", "value_hmac"], how="left_anti")
    return owned.unionByName(
        unowned.select(
            "*",
            F.lit("1970-01-01").cast("timestamp").alias("from_at"),
            F.lit(None).cast("timestamp").alias("to_at"),
            F.lit(False).alias("is_shared"),
        )
    )


def _born(run: Run) -> DataFrame:
    minted = run.tables.read("id.golden_history").where("event = 'minted'")
    return minted.groupBy("golden_id").agg(F.min("effective_on").alias("born_on"))


def _require_not_before(run: Run, members: DataFrame) -> None:
    row = members.agg(F.max(F.greatest("valid_from_on", "valid_to_on")).alias("newest")).head()
    newest = None if row is None else row["newest"]
    if newest is not None and newest > run.on:
        raise RunDateError(
            f"golden ids are kept as of {newest}; a run for {run.on} would rewrite their history"
        )


def _level() -> Column:
    names = F.array(*(F.lit(name) for name in reversed(LEVELS)))
    return F.element_at(names, F.coalesce("strength", F.lit(1)))

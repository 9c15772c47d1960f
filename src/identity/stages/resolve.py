"""resolve: silver → edges, clusters, golden ids, and what each of them permits."""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Matching
from identity.consent.decide import effective
from identity.consent.guardians import children
from identity.consent.history import changes, earlier, explained
from identity.consent.reach import carried_refusals, contact_points, held, subjects
from identity.consent.repermission import repermission
from identity.consent.restrictions import restrictions
from identity.contracts import contract_of
from identity.errors import RunDateError
from identity.linkage.model import Model
from identity.linkage.model_file import read_version
from identity.resolve import golden_id
from identity.resolve.edges import resolve_edges
from identity.resolve.households import households
from identity.resolve.identifiers import blocked_values
from identity.resolve.ledger import ledger, replay
from identity.resolve.records import FIELDS
from identity.resolve.spread import over_executors
from identity.run import Run
from identity.stages.blast_radius import counts_to_keep, measure, require_within_limit
from identity.stages.devices import clusters_with_devices, device_owner, device_views, with_devices
from identity.stages.evidence import evidence_of, permission_of, permitted_identifiers
from identity.stages.gates import TableGate, id_facts
from identity.standardise.identifiers import hash_key
from identity.tables import Contracted, by_table, in_parallel

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
        before = tables.read("id.golden_member")
        require_not_before(run, before)
        is_open = before.where("valid_to_on is null")
        persons = tables.read("silver.person_record")
        views = tables.staged(device_views(run), "device_view")
        records, carried = with_devices(persons, tables.read("silver.identifier"), views)
        permission = tables.staged(
            permission_of(tables, config, records, carried, on=run.on), "link_permission"
        )
        resolved = resolve_edges(
            evidence_of(run, permission),
            namespaces=config.namespaces,
            model=model_in_force(config.matching),
            spread=over_executors(tables.spark),
        )
        stage.counts["components_cut"] = resolved.cut
        clusters, owners = clusters_with_devices(run, records, carried, permission, resolved.clusters, views)
        today = golden_id.inherit(clusters, is_open, born_of(run), key=hash_key(run.key), on=run.on)
        found = {"members": today.members, "merged": today.merged, "minted": today.minted}
        today = golden_id.Inheritance(*in_parallel([partial(tables.staged, f, n) for n, f in found.items()]))
        is_again = bool(tables.read("consent.history").where(F.col("decided_on") >= F.lit(run.on)).head(1))
        # What is replaced is read by what replaces it: everything is staged before anything is written.
        with TableGate(run, "id") as gate:
            permissions, homes, ids, radius = in_parallel(
                [
                    partial(
                        _staged_permissions, run, gate, today, carried, resolved.edges, is_again=is_again
                    ),
                    partial(_staged_around, run, gate, today, permission, owners),
                    partial(_staged_ids, run, gate, today, resolved.edges),
                    partial(measure, run, today, is_open),
                ]
            )
            staged = ids | homes | permissions
            members, kept, crosswalk, fresh, household = (staged[f"id.{n}"][0] for n in _CHECKED)
            replayed = replay(tables.read("id.golden_history").unionByName(fresh), on=run.on)
            facts = id_facts(members, kept, crosswalk, persons, replayed, household)
            stage.counts.update(gate.settle(facts))
        stage.counts.update(counts_to_keep(run, radius))
        require_within_limit(run, radius)
        appended = {"id.golden_history"} if is_again else {"id.golden_history", "consent.history"}
        tables.commit_as_one({name: "append" if name in appended else "overwrite" for name in staged})


def _staged_ids(
    run: Run, gate: TableGate, today: golden_id.Inheritance, edges: DataFrame
) -> dict[str, Contracted]:
    """Edges, memberships and the crosswalk as they will be, and the events to add to the ledger."""
    before, history = (run.tables.read(f"id.{name}") for name in ("golden_member", "golden_history"))
    is_open = before.where("valid_to_on is null")
    used, edge = gate.stage(edges, contract_of("id.edge"))
    events = ledger(today, is_open, used, history, run_id=run.id, recorded_at=run.started_at, on=run.on)
    frames = {
        "id.golden_history": events,
        "id.golden_member": golden_id.membership(today.members, before, on=run.on),
        "id.crosswalk": golden_id.crosswalk(run.tables.read("id.crosswalk"), today, on=run.on),
    }
    # One after the other, here and below, for there are as many such lines of work as cores.
    return by_table([(used, edge), *(gate.stage(frame, contract_of(name)) for name, frame in frames.items())])


def _staged_around(
    run: Run, gate: TableGate, today: golden_id.Inheritance, permission: DataFrame, owners: DataFrame
) -> dict[str, Contracted]:
    """What stands around golden ids as it will be: households, owners of devices, values that join nobody."""
    config, tables = run.config, run.tables
    persons = tables.read("silver.person_record")
    frames = {
        "id.household": households(
            today.members,
            persons,
            tables.read("silver.loyalty_card"),
            tables.read("id.household"),
            golden_id.crosswalk(tables.read("id.crosswalk"), today, on=run.on),
            limits=config.matching.household,
            key=hash_key(run.key),
            on=run.on,
        ),
        "id.device_owner": device_owner(run, owners, today.members),
        "id.blocked_value": blocked_values(
            permitted_identifiers(run, permission),
            persons,
            tables.read("id.blocked_value"),
            namespaces=config.namespaces,
            on=run.on,
        ),
    }
    return by_table([gate.stage(frame, contract_of(name)) for name, frame in frames.items()])


def _staged_permissions(
    run: Run,
    gate: TableGate,
    today: golden_id.Inheritance,
    carried: DataFrame,
    edges: DataFrame,
    *,
    is_again: bool,
) -> dict[str, Contracted]:
    """What is permitted as it will be: refusals heard, decisions, conflicts to ask about again, restrictions.

    Of the history of decisions only what is to be added, unless this date has rows in it already (`is_again`): those are
    replaced.
    """
    config, tables = run.config, run.tables
    persons, events = tables.read("silver.person_record"), tables.read("silver.consent_event")
    holdings = tables.staged(held(today.members, carried, persons), "held")
    heard = gate.stage(
        carried_refusals(
            holdings,
            edges,
            events,
            tables.read("consent.carried_refusal"),
            namespaces=config.namespaces,
            on=run.on,
        ),
        contract_of("consent.carried_refusal"),
    )
    decided = effective(
        tables.staged(subjects(holdings, heard[0], on=run.on), "subjects"),
        events,
        contact_points(holdings),
        children(today.members, persons, tables.read("silver.loyalty_card"), on=run.on),
        purposes=config.purposes,
        notices=config.notices,
        namespaces=config.namespaces,
        on=run.on,
    )
    decisions = gate.stage(decided, contract_of("consent.effective"))
    asked_again = repermission(decisions[0], tables.read("consent.repermission"), on=run.on)
    waiting = gate.stage(asked_again, contract_of("consent.repermission"))
    before = tables.read("consent.history")
    told = changes(before, explained(decisions[0], events, today.members), on=run.on)
    if is_again:
        told = told.unionByName(earlier(before, on=run.on))
    ledger = gate.stage(told, contract_of("consent.history"))
    return by_table([heard, decisions, waiting, ledger, *_staged_restrictions(run, gate, today)])


def _staged_restrictions(run: Run, gate: TableGate, today: golden_id.Inheritance) -> list[Contracted]:
    """Who is restricted as it will be; nothing where nobody ever was."""
    tables, contract = run.tables, contract_of("consent.restriction")
    if not tables.rows(contract.name):
        return []
    crosswalk = golden_id.crosswalk(tables.read("id.crosswalk"), today, on=run.on)
    before, held_before = tables.read(contract.name), tables.read("id.golden_member")
    restricted = restrictions(before, today.members, held_before, crosswalk, on=run.on)
    return [gate.stage(restricted, contract)]


def model_in_force(matching: Matching) -> Model | None:
    """The configured model; None where nothing is compared.

    Raises:
        ModelError: The file does not fit, or is called otherwise than the model.
    """
    return read_version(matching.model, FIELDS) if matching.probabilistic else None


def born_of(run: Run) -> DataFrame:
    """Every golden id ever minted, and since when: `golden_id`, `born_on`."""
    minted = run.tables.read("id.golden_history").where("event = 'minted'")
    return minted.groupBy("golden_id").agg(F.min("effective_on").alias("born_on"))


def require_not_before(run: Run, members: DataFrame) -> None:
    """See that golden ids are kept as of no later date.

    Args:
        run: The run.
        members: id.golden_member.

    Raises:
        RunDateError: They are.
    """
    row = members.agg(F.max(F.greatest("valid_from_on", "valid_to_on")).alias("newest")).head()
    newest = None if row is None else row["newest"]
    if newest is not None and newest > run.on:
        raise RunDateError(
            f"golden ids are kept as of {newest}; a run for {run.on} would rewrite their history"
        )

"""Landing files, and the tables that no run remakes, without the erased, and without a condition in Delta's log."""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from identity.contracts import all_contracts, contract_of, purpose_contract
from identity.erasure import files as landing
from identity.erasure.line import Line
from identity.erasure.needles import Needles
from identity.erasure.plan import Plan, save_plan
from identity.rights.persons import memberships, own_keys
from identity.rights.requests import forget_golden_ids
from identity.run import Run
from identity.sources.landing import feed_of
from identity.standardise.identifiers import hash_key
from identity.tables import among, columns_at, rewrite_at, rows_at

_LINES: Final = ["file_id", "row_no"]
# Beside silver and gold; ops and the rest of id and consent are no run's to make anew.
_DECIDED: Final = ("consent.effective", "consent.repermission", "id.household", "id.device_owner")


def rewrite_landing(run: Run, plan: Plan) -> None:
    """Blank the lines; the register knows the new bytes before they are there."""
    folder = run.config.landing
    landing.remove_drafts(folder)
    register = rows_at(run.config.warehouse, "ops.file")
    taken = {r["file_id"]: r for r in register if r["status"] == "taken"}
    known = {(r["status"], r["file_id"]) for r in register}
    rows, paths, strong = {}, [], Needles(plan.strong)
    for path, data, origin in landing.landing_files(folder, landing.origins(register)):
        if origin is None:
            is_accounting = _is_accounting(run, path)
            after = landing.without_named(data, strong, is_accounting=is_accounting)
        else:
            after = landing.blanked(data, plan.delete.get(origin, ()), plan.unlink.get(origin, {}))
        if after == data:
            continue
        file_id = hashlib.sha256(after).hexdigest()
        landing.draft(path, after)
        paths.append(path)
        before = origin or hashlib.sha256(data).hexdigest()
        plan.files[path.relative_to(folder).as_posix()] = [before, file_id]
        if origin is not None and ("rewritten", file_id) not in known:
            row = {**taken[origin], "status": "rewritten", "file_id": file_id, "bytes": len(after)}
            rows[file_id] = row
    save_plan(plan, run.config.warehouse)
    if rows:
        run.tables.append_rows(rows.values(), contract_of("ops.file"))
    for path in paths:
        landing.put(path)
    plan.counts["landing files rewritten"] = len(plan.files)


def rewrite_tables(run: Run, plan: Plan) -> None:
    """Take their rows out of what no later step makes anew, and count those that the next step leaves out."""
    _count_remade(run, plan)
    warehouse = run.config.warehouse
    records = {(source, key) for source, key in plan.records}
    lines = {(file_id, row_no) for file_id, rows in plan.delete.items() for row_no in rows}
    hashes = {value_hmac for _, value_hmac in plan.suppress}
    # What was said by a member number is the member's word, whoever else carries the number.
    speaking = hashes | {value_hmac for _, value_hmac in plan.owner_only}
    for secret in run.retired:
        speaking |= {value_hmac for _, value_hmac in own_keys(records, key=hash_key(secret))}
    unlink = {(f, int(n)): columns for f, rows in plan.unlink.items() for n, columns in rows.items()}
    sides = [("source_l", "source_key_l"), ("source_r", "source_key_r")]

    def without(name: str, is_theirs: Callable[[dict[str, Any]], bool], columns: list[str]) -> None:
        _rewrite(run, plan, name, is_theirs, columns)

    # Before their memberships go, which tell by what golden ids they ever went. Whose request it was is told no more, also
    # where somebody else of such a golden id stays.
    keys = among("source_key", {key for _, key in records})
    held = {r["golden_id"] for r in memberships(warehouse, keys) if (r["source"], r["source_key"]) in records}
    forget_golden_ids(warehouse, held.union(plan.retired))
    for source in run.config.sources:
        _rewrite(
            run, plan, f"bronze.{source}", lambda r: (r["file_id"], r["row_no"]) in lines, _LINES,
            left=lambda batch: _unlink(batch, unlink),
        )  # fmt: skip
    without("ops.quarantine", lambda r: (r["file_id"], r["row_no"]) in lines, _LINES)
    for name in ("id.golden_member", "id.golden_history"):
        without(name, lambda r: (r["source"], r["source_key"]) in records, ["source", "source_key"])
    for name in ("id.edge", "id.review_pair"):
        without(
            name,
            lambda r: any((r[s], r[k]) in records for s, k in sides),
            [c for side in sides for c in side],
        )
    heard = ["source", "source_key", "value_hmac"]
    without(
        "consent.carried_refusal",
        lambda r: (r["source"], r["source_key"]) in records or r["value_hmac"] in speaking,
        heard,
    )
    without("id.blocked_value", lambda r: r["value_hmac"] in hashes, ["value_hmac"])
    for name in ("consent.restriction", "silver.correction"):
        without(name, lambda r: (r["source"], r["source_key"]) in records, ["source", "source_key"])
    without("consent.statement", lambda r: r["subject_hmac"] in speaking, ["subject_hmac"])
    forget_decisions(run, plan, speaking)
    # That something went out, and to whom, stays; what it was does not.
    rewrite_at(warehouse, "ops.data_use_log", lambda batch: without_contact_points(batch, hashes))
    _retire(run, plan)


def _rewrite(
    run: Run,
    plan: Plan,
    name: str,
    is_theirs: Callable[[dict[str, Any]], bool],
    columns: list[str],
    *,
    left: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda batch: batch,
) -> None:
    """Write a table without their rows, the others as `left` leaves them."""
    gone = 0

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        nonlocal gone
        keep = [not is_theirs(row) for row in batch.select(columns).to_pylist()]
        gone += len(keep) - sum(keep)
        return left(batch.filter(pa.array(keep, pa.bool_())))

    rewrite_at(run.config.warehouse, name, change)
    plan.counts[name] = max(gone, plan.counts.get(name, 0))


def _count_remade(run: Run, plan: Plan) -> None:
    """Rows about them in tables that are made anew from what is left: by record, and by golden ids that end with them."""
    records, retired = {(source, key) for source, key in plan.records}, set(plan.retired)
    made = [c for c in all_contracts() if c.layer in ("silver", "gold") or c.name in _DECIDED]
    made += [purpose_contract(name, categories=frozenset()) for name in run.config.profile_purposes]
    for contract in (c for c in made if run.tables.exists(c.name)):
        if {"source", "source_key"} <= contract.columns.keys():
            keys = columns_at(run.config.warehouse, contract.name, ["source", "source_key"]).to_pylist()
            count = sum((r["source"], r["source_key"]) in records for r in keys)
        elif "golden_id" in contract.columns:
            count = columns_at(
                run.config.warehouse, contract.name, ["golden_id"], among("golden_id", retired)
            ).num_rows
        else:
            continue
        # Begun again after a death, some are gone already.
        plan.counts[contract.name] = max(count, plan.counts.get(contract.name, 0))


def without_contact_points(batch: pa.RecordBatch, hashes: Collection[str]) -> pa.RecordBatch:
    """Rows of ops.data_use_log, those contact points null."""
    name = "contact_point_hmac"
    place = batch.schema.get_field_index(name)
    kept = [None if value in hashes else value for value in batch.column(place).to_pylist()]
    return batch.set_column(place, batch.schema.field(place), pa.array(kept, batch.schema.field(place).type))


def forget_decisions(run: Run, plan: Plan, hashes: Collection[str]) -> None:
    """Decisions of golden ids that end leave, and of their contact points; of others a statement of theirs is no more."""
    live_on = rows_at(run.config.warehouse, "id.crosswalk", among("live_golden_id", plan.retired))
    ended = {*plan.retired, *(row["golden_id"] for row in live_on)}
    _rewrite(
        run,
        plan,
        "consent.history",
        lambda r: r["golden_id"] in ended or r["contact_point"] in hashes,
        ["golden_id", "contact_point"],
    )
    rewrite_at(run.config.warehouse, "consent.history", lambda batch: _without_statements(batch, hashes))


def _without_statements(batch: pa.RecordBatch, hashes: Collection[str]) -> pa.RecordBatch:
    """Rows of consent.history without the winning statements that these identifiers made; the decision stays."""
    kept = pc.invert(pc.is_in(batch["winning_subject_hmac"], pa.array(sorted(hashes), pa.string())))
    for place, field in enumerate(batch.schema):
        if field.name.startswith("winning_"):
            left = pc.if_else(kept, batch.column(place), pa.scalar(None, field.type))
            batch = batch.set_column(place, field, left)
    return batch


def _unlink(batch: pa.RecordBatch, unlink: dict[Line, list[str]]) -> pa.RecordBatch:
    columns = [batch.column(name).to_pylist() for name in (*_LINES, "record")]
    records = [
        landing.without_columns(record, unlink[file_id, row_no]) if (file_id, row_no) in unlink else record
        for file_id, row_no, record in zip(*columns, strict=True)
    ]
    place = batch.schema.get_field_index("record")
    return batch.set_column(place, batch.schema.field(place), pa.array(records, pa.string()))


def _retire(run: Run, plan: Plan) -> None:
    """The ledger tells that an id ended, and nothing of whose it was."""
    known = {
        r["event_id"]
        for r in rows_at(run.config.warehouse, "id.golden_history", pc.field("event") == "retired")
    }
    rows = []
    for golden_id in plan.retired:
        event_id = hashlib.sha256(f"{plan.run_date}\x1ferased\x1f{golden_id}".encode()).hexdigest()[:32]
        if event_id not in known:
            rows.append({
                "event_id": event_id, "event": "retired", "golden_id": golden_id, "other_golden_id": None,
                "source": None, "source_key": None, "cause": "record_gone", "detail": None,
                "effective_on": run.on, "recorded_at": run.started_at, "run_id": run.id,
            })  # fmt: skip
    if rows:
        run.tables.append_rows(rows, contract_of("id.golden_history"))


def _is_accounting(run: Run, path: Path) -> bool:
    """Whether a landing file is of a feed whose lines belong to the books; one beside the deliveries is of none."""
    folders = path.relative_to(run.config.landing).parts[:-1]
    source = run.config.sources.get(folders[1]) if len(folders) > 1 else None
    feed = feed_of(path.name, source) if source else None
    return source is not None and feed is not None and source.feeds[feed].is_accounting

"""Erasing persons, step by step; every step may be repeated, and the plan tells where to go on.

plan → suppression → landing → tables → standardise to publish → older versions → scan → certificate.
"""

import datetime as dt
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from identity.contracts import contract_of
from identity.erasure import files as landing
from identity.erasure.certificate import write_certificate
from identity.erasure.lines import DEVICES, Found, Line, find_lines, unlinked
from identity.erasure.needles import Needles, is_searchable
from identity.erasure.plan import Plan, load_plan, remove_plan, save_plan
from identity.erasure.scan import scan, text_of
from identity.erasure.subjects import Subjects, subjects
from identity.errors import ErasureError, UnknownRecordError
from identity.pipeline import do_stages, require_not_before
from identity.run import Run, only_writer
from identity.standardise.identifiers import hash_key
from identity.tables import columns_at, forget_history, replace_at, rewrite_at, rows_at

_LINES: Final = ["file_id", "row_no"]


def erase(run: Run, identifiers: Sequence[str], *, requests: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Finish an erasure that was begun, then erase the persons that identifiers stand for; returns the certificates.

    Args:
        run: A run for the date to be published again.
        identifiers: Golden ids, records or identifiers; none only finishes what was begun.
        requests: Requests that are answered by it.

    Raises:
        UnknownRecordError: No identifier stands for anybody.
        ErasureError: An identifier stands for several persons, or values are left somewhere.
        LockError: A run holds the warehouse.
    """
    warehouse = run.config.warehouse
    certificates = []
    with only_writer(warehouse):
        begun = load_plan(warehouse)
        if begun is not None:
            run.console.print(f"[yellow]note[/] erasure {begun.id} was not finished; it is finished first")
            certificates.append(_carry_out(replace(run, on=dt.date.fromisoformat(begun.run_date)), begun))
        if identifiers:
            require_not_before(run)
            run.finish_commit()
            plan = _plan(run, identifiers, requests)
            save_plan(plan, warehouse)
            certificates.append(_carry_out(run, plan))
    return certificates


def _plan(run: Run, identifiers: Sequence[str], requests: Sequence[str]) -> Plan:
    config = run.config
    key = hash_key(run.key)
    who = subjects(
        run.tables.spark, config.warehouse, identifiers, namespaces=config.namespaces, key=key
    )  # fmt: skip
    if not who.records:
        raise UnknownRecordError("no identifier given stands for anybody here; nothing was erased")
    found = find_lines(run, who.records)
    who = _with_devices(config.warehouse, who, found)
    kept, extra = _kept_landing(run, found)
    kept += _kept_tables(run, found, who)
    values = {value for value in found.values if is_searchable(value)}
    hashes = {value_hmac for _, value_hmac in found.suppress}
    needles = Needles(values)
    shared = {hit for text in kept for hit in needles.found(text)}
    delete = _by_file(found.delete | extra)
    unlink: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for (file_id, row_no), columns in found.unlink.items():
        unlink[file_id][str(row_no)] = columns
    name = "\n".join(sorted("\x1f".join(record) for record in who.records)) + run.on.isoformat()
    return Plan(
        id=hmac.new(key, f"erasure\x1f{name}".encode(), hashlib.sha256).hexdigest()[:16],
        run_date=run.on.isoformat(),
        requests=list(requests),
        persons=who.persons,
        records=sorted([*record] for record in who.records),
        suppress=sorted([*identifier] for identifier in found.suppress),
        delete=delete,
        unlink=dict(unlink),
        retired=who.retired,
        needles=sorted((values - shared) | hashes),
        unsearchable=len(found.values) - len(values - shared),
        counts={
            "identifiers of nobody": who.unknown,
            "identifiers that others carry too": found.shared,
            "lines erased": len(found.delete | extra),
            "receipt lines unlinked": len(found.unlink),
            "identifiers suppressed": len(found.suppress),
        },
    )


def _with_devices(warehouse: Path, who: Subjects, found: Found) -> Subjects:
    """Devices that only their lines tell of go too, also where such a device was an id of its own."""
    devices = {(namespace, value) for namespace, value in found.suppress if namespace in DEVICES}
    rows = rows_at(warehouse, "id.golden_member", pc.field("valid_to_on").is_null())
    gone = who.records | {(r["source"], r["source_key"]) for r in rows} & devices
    left = {r["golden_id"] for r in rows if (r["source"], r["source_key"]) not in gone}
    touched = {r["golden_id"] for r in rows if (r["source"], r["source_key"]) in gone}
    return who._replace(records=gone, retired=sorted(touched - left))


def _carry_out(run: Run, plan: Plan) -> dict[str, Any]:
    warehouse = run.config.warehouse
    run = replace(run, accept_blast_radius=True, stages=[], checks=[])
    steps: list[tuple[Any, Callable[[Run, Plan], None]]] = [
        ("suppressed", _suppress),
        ("landing", _rewrite_landing),
        ("tables", _rewrite_tables),
        ("published", _publish),
        ("purged", _purge),
    ]
    for state, step in steps:
        if not plan.is_done(state):
            run.console.print(
                f"  erasure {plan.id}: {step.__name__.strip('_').replace('_', ' ')}", highlight=False
            )
            step(run, plan)
            plan.state = state
            save_plan(plan, warehouse)
    with run.console.status("residue scan …") as status:
        hashes = {value_hmac for _, value_hmac in plan.suppress}
        residue = scan(warehouse, run.config.landing, plan.needles, hashes, status.update)
    certificate = write_certificate(warehouse, plan, residue, _recipients(warehouse), run.key)
    if residue.hits:
        plan.state = "planned"
        save_plan(plan, warehouse)
        where = ", ".join(sorted(residue.hits)[:5])
        raise ErasureError(
            f"erasure {plan.id} left values in {len(residue.hits)} files ({where}); "
            "remove or take them, then `identity erase --resume`"
        )
    remove_plan(warehouse)
    return certificate


def _suppress(run: Run, plan: Plan) -> None:
    """Put what is theirs alone on the suppression list, before anything is deleted."""
    known = {(r["namespace"], r["value_hmac"]) for r in rows_at(run.config.warehouse, "consent.suppression")}
    rows = [
        {"namespace": namespace, "value_hmac": value_hmac, "reason": "erasure", "since_on": run.on}
        for namespace, value_hmac in plan.suppress
        if (namespace, value_hmac) not in known
    ]
    if rows:
        run.tables.append_rows(rows, contract_of("consent.suppression"))


def _rewrite_landing(run: Run, plan: Plan) -> None:
    """Blank the lines; the register knows the new bytes before they are there."""
    folder = run.config.landing
    landing.remove_drafts(folder)
    register = rows_at(run.config.warehouse, "ops.file")
    taken = {r["file_id"]: r for r in register if r["status"] == "taken"}
    known = {(r["status"], r["file_id"]) for r in register}
    rows, paths = {}, []
    for path, data, origin in landing.landing_files(folder, landing.origins(register)):
        if origin is None or (origin not in plan.delete and origin not in plan.unlink):
            continue
        after = _blanked(data, plan.delete.get(origin, ()), plan.unlink.get(origin, {}))
        if after == data:
            continue
        file_id = hashlib.sha256(after).hexdigest()
        landing.draft(path, after)
        paths.append(path)
        plan.files[path.relative_to(folder).as_posix()] = [origin, file_id]
        if ("rewritten", file_id) not in known:
            row = {**taken[origin], "status": "rewritten", "file_id": file_id, "bytes": len(after)}
            rows[file_id] = row
    save_plan(plan, run.config.warehouse)
    if rows:
        run.tables.append_rows(rows.values(), contract_of("ops.file"))
    for path in paths:
        landing.put(path)
    plan.counts["landing files rewritten"] = len(plan.files)


def _rewrite_tables(run: Run, plan: Plan) -> None:
    """Take their rows out of what no later step makes anew."""
    warehouse = run.config.warehouse
    records = {(source, key) for source, key in plan.records}
    lines = {(file_id, row_no) for file_id, rows in plan.delete.items() for row_no in rows}
    hashes = {value_hmac for _, value_hmac in plan.suppress}
    unlink = {(f, int(n)): columns for f, rows in plan.unlink.items() for n, columns in rows.items()}
    sides = [("source_l", "source_key_l"), ("source_r", "source_key_r")]

    def without(name: str, is_theirs: Callable[[dict[str, Any]], bool], columns: list[str]) -> None:
        _rewrite(run, plan, name, is_theirs, columns)

    for source in run.config.sources:
        without(f"bronze.{source}", lambda r: (r["file_id"], r["row_no"]) in lines, _LINES)
    if unlink:
        rewrite_at(warehouse, "bronze.tills", lambda batch: _unlink(batch, unlink))
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
        lambda r: (r["source"], r["source_key"]) in records or r["value_hmac"] in hashes,
        heard,
    )
    without("id.blocked_value", lambda r: r["value_hmac"] in hashes, ["value_hmac"])
    for name in ("consent.restriction", "silver.correction"):
        without(name, lambda r: (r["source"], r["source_key"]) in records, ["source", "source_key"])
    without("consent.statement", lambda r: r["subject_hmac"] in hashes, ["subject_hmac"])
    # That something went out, and to whom, stays; what it was does not.
    rewrite_at(warehouse, "ops.data_use_log", lambda batch: without_contact_points(batch, hashes))
    _retire(run, plan)


def _rewrite(
    run: Run, plan: Plan, name: str, is_theirs: Callable[[dict[str, Any]], bool], columns: list[str]
) -> None:
    gone = 0

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        nonlocal gone
        keep = [not is_theirs(row) for row in batch.select(columns).to_pylist()]
        gone += len(keep) - sum(keep)
        return batch.filter(pa.array(keep, pa.bool_()))

    rewrite_at(run.config.warehouse, name, change)
    plan.counts[name] = max(gone, plan.counts.get(name, 0))


def without_contact_points(batch: pa.RecordBatch, hashes: Collection[str]) -> pa.RecordBatch:
    """Rows of ops.data_use_log, those contact points null."""
    name = "contact_point_hmac"
    place = batch.schema.get_field_index(name)
    kept = [None if value in hashes else value for value in batch.column(place).to_pylist()]
    return batch.set_column(place, batch.schema.field(place), pa.array(kept, batch.schema.field(place).type))


def _unlink(batch: pa.RecordBatch, unlink: dict[Line, list[str]]) -> pa.RecordBatch:
    columns = [batch.column(name).to_pylist() for name in (*_LINES, "record")]
    records = [
        unlinked(record, unlink[file_id, row_no]) if (file_id, row_no) in unlink else record
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


def _publish(run: Run, plan: Plan) -> None:  # noqa: ARG001 - the signature is a step's
    """Resolve what is left, and publish it: the pointer flips once."""
    run.tables.clear_staging()
    do_stages(run, ["standardise", "resolve", "profile", "publish"])


def _purge(run: Run, plan: Plan) -> None:
    """Leave of every table its newest version alone, which is the one that is published."""
    warehouse = run.config.warehouse
    published = rows_at(warehouse, "ops.publication")
    newest = max(published, key=lambda row: row["publication_no"])
    replace_at(warehouse, [{**newest, "versions": dict(newest["versions"])}], contract_of("ops.publication"))
    run.tables.clear_staging()
    plan.counts["tables"] = forget_history(warehouse)


def _kept_landing(run: Run, found: Found) -> tuple[list[str], set[Line]]:
    """What landing will hold of others, and lines that bronze never took and that hold what is theirs alone."""
    rows = rows_at(run.config.warehouse, "ops.file")
    accepted = _accepted(run)
    strong = Needles(value for value in found.strong if is_searchable(value))
    delete, unlink = _by_file(found.delete), found.unlink
    kept: list[str] = []
    extra: set[Line] = set()
    for _, data, origin in landing.landing_files(run.config.landing, landing.origins(rows)):
        if origin is None:
            continue  # it will be taken, or refused, and the scan tells of it
        theirs = landing.lines_that_hold(data, strong, accepted.get(origin, set()))
        extra |= {(origin, row_no) for row_no in theirs}
        here = {str(row): columns for (file_id, row), columns in unlink.items() if file_id == origin}
        after = _blanked(data, [*delete.get(origin, ()), *theirs], here)
        kept.append(after.decode("utf-8", errors="replace"))
    return kept, extra


def _kept_tables(run: Run, found: Found, who: Subjects) -> list[str]:
    """What the tables will hold of others, and what every table and page says of itself."""
    warehouse = run.config.warehouse
    kept = [
        path.read_text(encoding="utf-8")
        for path in map(Path, map(str, resources("identity.contracts").iterdir()))
        if path.suffix == ".yaml"
    ]
    for source in run.config.sources:
        table = columns_at(warehouse, f"bronze.{source}", [*_LINES, "record"])
        rows = zip(*(table[name].to_pylist() for name in (*_LINES, "record")), strict=True)
        records = [
            unlinked(record, found.unlink[file_id, row_no]) if (file_id, row_no) in found.unlink else record
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


def _blanked(data: bytes, rows: Iterable[int], unlink: dict[str, list[str]]) -> bytes:
    return landing.blanked(data, set(rows), {int(row): columns for row, columns in unlink.items()})


def _by_file(lines: Collection[Line]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for file_id, row_no in sorted(lines):
        found[file_id].append(row_no)
    return dict(found)


def _recipients(warehouse: Path) -> list[str]:
    """Who was given data of customers and is to be told (art. 19)."""
    return sorted({str(r["recipient"]) for r in rows_at(warehouse, "ops.data_use_log") if r.get("recipient")})

"""Erasing persons, step by step; every step may be repeated, and the plan tells where to go on.

plan → suppression → landing → tables → standardise to publish → older versions → scan → certificate.
"""

import datetime as dt
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from identity.contracts import contract_of
from identity.erasure import files as landing
from identity.erasure.certificate import ANSWER, answered_by, write_certificate
from identity.erasure.kept import kept_landing, kept_tables
from identity.erasure.line import by_file
from identity.erasure.lines import Found, find_lines, with_corrections
from identity.erasure.mentions import with_mentions
from identity.erasure.needles import Needles, is_searchable
from identity.erasure.plan import Plan, load_plan, remove_plan, save_plan
from identity.erasure.rewrite import rewrite_landing, rewrite_tables
from identity.erasure.scan import Sought, scan
from identity.erasure.subjects import Subjects, subjects, touched
from identity.errors import ErasureError, UnknownRecordError
from identity.forget import forget_older
from identity.keys import require_keys
from identity.pipeline import do_stages, require_not_before
from identity.rights.persons import DEVICES, OWN_KEYS
from identity.rights.requests import close, receive
from identity.rights.uses import uses_of
from identity.run import Run, only_writer
from identity.sources.landing import require_landing
from identity.stages.ingest import recover
from identity.standardise.identifiers import hash_key
from identity.tables import forget_history_of, replace_at, rows_at


def erase(run: Run, identifiers: Sequence[str], *, requests: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Finish an erasure that was begun, then erase the persons that identifiers stand for; returns the certificates.

    Args:
        run: A run for the date to be published again.
        identifiers: Golden ids, records or identifiers; none only finishes what was begun.
        requests: Requests that are answered by it; registered where they are not, and closed when it is done. Where one
            certificate answered all of them for the same identifiers, it is returned: a repeat does nothing. So it is
            where the persons are gone, and it answered all of them or the same identifiers.

    Raises:
        SubjectError: A request's name is no name, or another's.
        UnknownRecordError: No identifier stands for anybody, and no certificate answers the requests.
        ErasureError: An identifier stands for several persons, or values are left somewhere.
        SourceError: The landing folder is not there.
        PlatformError: The warehouse is hashed with another key.
        LockError: A run holds the warehouse.
    """
    warehouse = run.config.warehouse
    certificates: list[dict[str, Any]] = []
    with only_writer(warehouse):
        require_keys(warehouse, (run.key, *run.retired))
        # A begun erasure may have died in the midst of the id tables: it clears what is staged.
        run.finish_commit()
        begun = load_plan(warehouse)
        if begun is not None:
            run.console.print(f"[yellow]note[/] erasure {begun.id} was not finished; it is finished first")
            certificates.append(_carry_out(_as_begun(run, begun), begun))
        if identifiers:
            told = _erased_or_answered(run, identifiers, requests)
            certificates = [each for each in certificates if each["erasure"] != told["erasure"]] + [told]
    return certificates


def _erased_or_answered(run: Run, identifiers: Sequence[str], requests: Sequence[str]) -> dict[str, Any]:
    """The certificate of an erasure that is carried out now, or that answered the same before."""
    asked, *older = (_asked(key, identifiers) for key in (run.key, *run.retired))
    answered = answered_by(run.config.warehouse, requests, {asked, *older})
    # What named her may name somebody else today: a request that was answered is not asked anew.
    if answered is None or not requests or answered.get("asked") not in (asked, *older):
        require_landing(run.config.landing)
        require_not_before(run)
        recover(run)
        try:
            plan = _plan(run, identifiers, requests, asked)
        except UnknownRecordError:
            if answered is None:
                raise
        else:
            for name in requests:
                receive(run.config.warehouse, name, "erasure", (), run.on)
            save_plan(plan, run.config.warehouse)
            return _carry_out(run, plan)
    run.console.print("[yellow]note[/] they were erased before; this is the certificate of it")
    return answered


def finish_begun(run: Run) -> None:
    """Finish an erasure that was begun and not finished, if there is one, before anything else is done.

    Raises:
        ErasureError: Values are left somewhere.
        SourceError: The landing folder where it began is not there.
        PlatformError: The warehouse is hashed with another key.
        LockError: A run holds the warehouse.
    """
    if load_plan(run.config.warehouse) is not None:
        erase(run, [])


def _as_begun(run: Run, plan: Plan) -> Run:
    """The run that a plan was made for, in the landing folder where its lines are."""
    config = run.config.model_copy(update={"landing": Path(plan.landing)})
    return replace(run, config=config, on=dt.date.fromisoformat(plan.run_date))


def _asked(key: bytes, identifiers: Sequence[str]) -> str:
    """Names a question, so that its repeat is known when those it names no longer are."""
    text = "\n".join(sorted(set(identifiers)))
    return hmac.new(hash_key(key), f"asked\x1f{text}".encode(), hashlib.sha256).hexdigest()


def _plan(run: Run, identifiers: Sequence[str], requests: Sequence[str], asked: str) -> Plan:
    config = run.config
    key = hash_key(run.key)
    who = subjects(
        run.tables.spark, config.warehouse, identifiers, namespaces=config.namespaces, key=key
    )  # fmt: skip
    if not who.records:
        raise UnknownRecordError("no identifier given stands for anybody here; nothing was erased")
    found = with_corrections(config.warehouse, find_lines(run, who.records), who.records, key=key)
    who = _with_devices(config.warehouse, who, found)
    own, found = found, with_mentions(run, found)
    kept, extra = kept_landing(run, found)
    kept += kept_tables(run, found, who)
    values = {value for value in found.values if is_searchable(value)}
    hashes = {value_hmac for _, value_hmac in found.suppress}
    needles = Needles(values)
    shared = {hit for text in kept for hit in needles.found(text)}
    strong = {value for value in found.strong if is_searchable(value)}
    delete = by_file(found.delete | extra)
    unlink: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for (file_id, row_no), columns in found.unlink.items():
        unlink[file_id][str(row_no)] = columns
    name = "\n".join(sorted("\x1f".join(record) for record in who.records)) + run.on.isoformat()
    return Plan(
        id=hmac.new(key, f"erasure\x1f{name}".encode(), hashlib.sha256).hexdigest()[:16],
        run_date=run.on.isoformat(),
        landing=str(config.landing),
        asked=asked,
        requests=list(requests),
        persons=who.persons,
        records=sorted([*record] for record in who.records),
        suppress=sorted([*identifier] for identifier in found.suppress),
        owner_only=sorted([*identifier] for identifier in found.owner_only),
        delete=delete,
        unlink=dict(unlink),
        retired=who.retired,
        touched=touched(config.warehouse, who.records),
        needles=sorted((values - shared) | hashes),
        strong=sorted(strong - shared),
        recipients=sorted(
            {str(row["recipient"]) for row in uses_of(config.warehouse, who.records, points=hashes)}
        ),
        unsearchable=len(found.values) - len(values - shared),
        counts={
            "identifiers of nobody": who.unknown,
            "identifiers that others carry too": found.shared,
            "lines erased": len(own.delete | extra),
            "receipt lines unlinked": len(own.unlink),
            "texts of others that named them": len(found.delete - own.delete)
            + sum(len({*columns} - {*own.unlink.get(line, ())}) for line, columns in found.unlink.items()),
            "identifiers suppressed": len(found.suppress),
            "identifiers suppressed on lines of their own only": len(found.owner_only),
        },
    )


def _with_devices(warehouse: Path, who: Subjects, found: Found) -> Subjects:
    """Devices and payment cards that only their lines tell of go too, also where such a one was an id of its own."""
    devices = {(namespace, value) for namespace, value in found.suppress if namespace in DEVICES}
    rows = rows_at(warehouse, "id.golden_member", pc.field("valid_to_on").is_null())
    tills = OWN_KEYS["payment_token"]
    cards = {(tills, value) for value in found.strong}
    gone = who.records | {(r["source"], r["source_key"]) for r in rows} & (devices | cards)
    left = {r["golden_id"] for r in rows if (r["source"], r["source_key"]) not in gone}
    touched = {r["golden_id"] for r in rows if (r["source"], r["source_key"]) in gone}
    return who._replace(records=gone, retired=sorted(touched - left))


def _carry_out(run: Run, plan: Plan) -> dict[str, Any]:
    warehouse = run.config.warehouse
    way = f"erasure {plan.id} began in it: bring it back, then `identity erase --resume`"
    require_landing(run.config.landing, way=way)
    run = replace(run, accept_blast_radius=True, stages=[], checks=[])
    steps: list[tuple[Any, Callable[[Run, Plan], None]]] = [
        ("suppressed", _suppress),
        ("landing", rewrite_landing),
        ("tables", rewrite_tables),
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
        taken = landing.origins(rows_at(warehouse, "ops.file"))
        sought = Sought(plan.needles, hashes, plan.strong, taken)
        residue = scan(warehouse, run.config.landing, sought, status.update)
    certificate = write_certificate(warehouse, plan, residue, run.key)
    if residue.hits:
        plan.state = "planned"
        save_plan(plan, warehouse)
        where = ", ".join(sorted(residue.hits)[:5])
        raise ErasureError(
            f"erasure {plan.id} left values in {len(residue.hits)} files ({where}); "
            "remove them, or what they hold, then `identity erase --resume`"
        )
    for name in plan.requests:
        close(warehouse, name, outcome=ANSWER + plan.id, on=run.on)
    forget_history_of(warehouse, "ops.subject_request")
    remove_plan(warehouse)
    return certificate


def _suppress(run: Run, plan: Plan) -> None:
    """Put what is theirs alone on the suppression list, and what their records are called by, before anything is deleted."""
    contract = contract_of("consent.suppression")
    known = {(r["namespace"], r["value_hmac"]): r for r in rows_at(run.config.warehouse, contract.name)}
    listed = dict(known)
    new = {"key_fingerprint": run.key_fingerprint, "reason": "erasure", "since_on": run.on}
    for is_owner_only, identifiers in ((True, plan.owner_only), (False, plan.suppress)):
        for namespace, value_hmac in identifiers:
            row = known.get((namespace, value_hmac))
            # Who else carried it may have been erased since: then it is nobody's on any line.
            if row is None or row["is_owner_only"] > is_owner_only:
                told = {"namespace": namespace, "value_hmac": value_hmac, **(row or new)}
                listed[namespace, value_hmac] = {**told, "is_owner_only": is_owner_only}
    if listed != known:
        replace_at(run.config.warehouse, listed.values(), contract)


def _publish(run: Run, plan: Plan) -> None:
    """Resolve what is left of whom they touched, all others staying as they are, and publish it: the pointer flips once."""
    run.tables.clear_staging()
    do_stages(
        replace(run, unsettled=frozenset(plan.touched)), ["standardise", "resolve", "profile", "publish"]
    )


def _purge(run: Run, plan: Plan) -> None:
    """Leave of every table its newest version alone, which is the one that is published."""
    plan.counts["tables"] = forget_older(run.tables)

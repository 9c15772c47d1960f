"""Maintenance: expired rows leave, what is left is published, and older versions of every table go.

Every step may be repeated. Of a process that died, a repeat does the rest; a run, which publishes anew, does what has
to follow what it took: see `forget.begin_forgetting`.
"""

from dataclasses import replace
from typing import Any, Final

from identity.contracts import contract_of
from identity.erasure.plan import writing
from identity.errors import RunDateError
from identity.forget import begin_forgetting, end_forgetting
from identity.keys import require_keys
from identity.pipeline import do_stages, require_not_before
from identity.retention.bronze import aged, is_expired, newly_reduced
from identity.retention.registers import (
    age_corrections,
    age_files_register,
    age_ids,
    age_landing,
    age_pages,
    age_registers,
)
from identity.run import Run
from identity.sources.landing import require_landing
from identity.stages.ingest import recover
from identity.tables import columns_at, compact

_REGISTER = contract_of("ops.maintenance")
# Whoever maintains monthly, after the daily run, is never so far from what is known; a mistyped year is.
_FAR_DAYS: Final = 60


def maintain(
    run: Run, *, dry_run: bool = False, keep_landing: bool = False, accept_run_date: bool = False
) -> list[dict[str, Any]]:
    """Remove what is expired on a date, everywhere, and publish what is left for that date.

    Args:
        run: A run for the date.
        dry_run: Only count.
        keep_landing: Leave landing files to whoever owns them.
        accept_run_date: A person said yes to a date far after all that is known.

    Returns:
        A row of ops.maintenance a table that ages: `table_name`, `kept_from`, `gone`, `reduced`.

    Raises:
        RunDateError: A later date is published, or the date is far after all that is known.
        SourceError: The landing folder is not there.
        LockError: A run holds the warehouse.
    """
    config = run.config
    with writing(config.warehouse, finish=run.finish_commit):
        require_keys(config.warehouse, (run.key, *run.retired))
        if not keep_landing:
            require_landing(config.landing)
        recover(run)
        require_not_before(run)
        if not (dry_run or accept_run_date):
            _require_near(run)
        is_published = run.tables.exists("ops.publication")
        if is_published and not dry_run:
            begin_forgetting(config.warehouse)
        told = _age_bronze(run, dry_run=dry_run)
        if not keep_landing:
            # A file that the register forgot, and that lies there still, would be taken again.
            told.append(age_landing(config, on=run.on, dry_run=dry_run))
            told.append(age_files_register(config, on=run.on, dry_run=dry_run))
        told += age_registers(config.warehouse, on=run.on, dry_run=dry_run)
        told.append(age_corrections(config.warehouse, on=run.on, dry_run=dry_run))
        told += age_ids(config.warehouse, on=run.on, dry_run=dry_run)
        told.append(age_pages(config.warehouse, on=run.on, dry_run=dry_run))
        told = [{"reduced": 0, **row} for row in told]
        if is_published and not dry_run:
            _publish(run)
            register = [{**row, "run_on": run.on, "maintained_at": run.started_at} for row in told]
            run.tables.append_rows(register, _REGISTER)
            compact(config.warehouse)
            end_forgetting(run.tables)
    return told


def _require_near(run: Run) -> None:
    """See that the date is not far after the newest of publications and deliveries; there is no clock to ask."""
    known = [
        day
        for name, column in (("ops.publication", "published_for"), ("ops.file", "delivered_on"))
        for day in columns_at(run.config.warehouse, name, [column])[column].to_pylist()
    ]
    days = (run.on - max(known, default=run.on)).days
    if days > _FAR_DAYS:
        raise RunDateError(
            f"{run.on} is {days} days after {max(known)}, the newest publication or delivery; what leaves for being "
            "older cannot be brought back: mend --run-date, or confirm it with --accept-run-date"
        )


def _age_bronze(run: Run, *, dry_run: bool) -> list[dict[str, Any]]:
    """Stage what stays of every source's table, then commit all as one."""
    tables, told, changed = run.tables, [], []
    for name, source in sorted(run.config.sources.items()):
        contract = contract_of(f"bronze.{name}")
        kept_from = source.kept_from(None, run.on)
        row = {"table_name": contract.name, "kept_from": kept_from, "gone": 0, "reduced": 0}
        told.append(row)
        bronze = tables.read(contract.name)
        if not bronze.where(is_expired(source, on=run.on)).head(1):
            continue
        stays, _ = tables.stage(aged(bronze, source, on=run.on), contract)
        row |= {
            "gone": bronze.count() - stays.count(),
            "reduced": newly_reduced(stays, bronze).count(),
        }
        if row["gone"] or row["reduced"]:
            changed.append(contract.name)
    if changed and not dry_run:
        tables.commit_as_one(dict.fromkeys(changed, "overwrite"))
    tables.clear_staging()
    return told


def _publish(run: Run) -> None:
    """Resolve and publish what is left; ids that stood on expired lines alone are meant to retire."""
    run = replace(run, accept_blast_radius=True, stages=[], checks=[])
    do_stages(run, ["standardise", "resolve", "profile", "publish"])

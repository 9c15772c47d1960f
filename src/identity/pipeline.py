"""The straight line: every arrow in its order, the registers written at the end whether it went well or not."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from identity import quality
from identity.contracts import contract_of
from identity.erasure.plan import writing
from identity.errors import IdentityError, RunDateError
from identity.forget import end_forgetting, must_forget
from identity.keys import require_keys
from identity.pages.report import write_report
from identity.run import Run
from identity.stages.ingest import ingest, something_to_take
from identity.stages.profile import profile
from identity.stages.publish import publish
from identity.stages.resolve import resolve
from identity.stages.standardise import standardise
from identity.summary import Summary, stage_rows, summarise
from identity.tables import prepare_warehouse

STAGES: Mapping[str, Callable[[Run], None]] = {
    "ingest": ingest,
    "standardise": standardise,
    "resolve": resolve,
    "profile": profile,
    "publish": publish,
}


def run_line(run: Run, *, again: bool = False) -> Summary:
    """Run every stage for one run date.

    When nothing was delivered since this date was published under this configuration, and no maintenance was left
    unfinished, nothing is done and the summary of then is returned with `is_repeat`.

    Args:
        run: The run.
        again: Do everything even so; it ends in the same tables.

    Raises:
        IdentityError: Any error a user can mend; gold stays as it was.
    """
    return run_stages(run, list(STAGES), again=again)


def run_stages(run: Run, names: Sequence[str], *, again: bool = True) -> Summary:
    """Run some stages in order; a run that publishes closes with its summary, any other with what it did.

    Raises:
        RunDateError: A later date is already published.
        PlatformError: The warehouse is hashed with another key.
        ErasureError: An erasure is not finished.
        IdentityError: Any error a user can mend; gold stays as it was.
    """
    prepare_warehouse(run.config.warehouse)
    with writing(run.config.warehouse, finish=run.finish_commit):
        require_keys(run.config.warehouse, (run.key, *run.retired))
        published = _published(run)
        done = published.get(run.id, {})
        # Published with the key before, it is to be published anew.
        is_done = done.get("key_fingerprint") == run.key_fingerprint
        # Rows left bronze and perhaps nothing else yet.
        is_left = must_forget(run.config.warehouse)
        if not again and is_done and not is_left and not something_to_take(run):
            return {**json.loads(done["summary"]), "is_repeat": True}
        _require_not_before(run, published)
        summary = do_stages(run, names)
        if is_left and list(names) == list(STAGES):
            end_forgetting(run.tables)
        return summary


def do_stages(run: Run, names: Sequence[str]) -> Summary:
    """Run stages for one who holds the warehouse already; closes as `run_stages` does.

    Raises:
        IdentityError: Any error a user can mend; gold stays as it was.
    """
    with _registers(run) as closing:
        for name in names:
            STAGES[name](run)
        if "publish" in names:
            closing["summary"] = summarise(run)
    if "summary" in closing:
        write_report(closing["summary"], run.report_file)
    done = {
        "run_id": run.id,
        "stages": [{"stage": s.name, "seconds": s.seconds, **s.counts} for s in run.stages],
    }
    return {**done, **closing.get("summary", {})}


def _published(run: Run) -> dict[str, dict[str, Any]]:
    """The newest published row of ops.run by run id."""
    rows = [row for row in run.tables.rows("ops.run") if row["outcome"] == "published"]
    return {row["run_id"]: row for row in sorted(rows, key=lambda row: row["started_at"])}


def require_not_before(run: Run) -> None:
    """See that no later date is published.

    Raises:
        RunDateError: One is.
    """
    _require_not_before(run, _published(run))


def _require_not_before(run: Run, published: Mapping[str, Mapping[str, Any]]) -> None:
    later = [row["run_on"] for row in published.values() if row["run_on"] > run.on]
    if later:
        raise RunDateError(f"{max(later)} is already published; a run for {run.on} would rewrite history")


@contextmanager
def _registers(run: Run) -> Iterator[dict[str, Any]]:
    """Write ops.run_stage, ops.dq_result, the Data Docs and, when it published or failed, ops.run."""
    closing: dict[str, Any] = {}
    exit_code: int | None = 1
    try:
        yield closing
        exit_code = 0 if "summary" in closing else None
    except IdentityError as error:
        exit_code = error.exit_code
        raise
    finally:
        _write_registers(run, closing.get("summary"), exit_code)


def _write_registers(run: Run, summary: Summary | None, exit_code: int | None) -> None:
    rows: dict[str, list[Any]] = {
        "ops.run_stage": stage_rows(run),
        "ops.dq_result": [check.row(run_id=run.id, checked_at=run.started_at) for check in run.checks],
    }
    if exit_code is not None:
        model = run.config.matching.model.stem if run.config.matching.probabilistic else None
        rows["ops.run"] = [
            {
                "run_id": run.id,
                "run_on": run.on,
                "config_hash": run.config_hash,
                "key_fingerprint": run.key_fingerprint,
                "model_version": model,
                "outcome": "failed" if exit_code else "published",
                "exit_code": exit_code,
                "summary": None if summary is None else json.dumps(summary),
                "started_at": run.started_at,
                "seconds": (dt.datetime.now(dt.UTC) - run.started_at).total_seconds(),
            }
        ]
    for name, some in rows.items():
        if some:
            run.tables.append_rows(some, contract_of(name))
    if run.checks:
        quality.write_docs(results=run.checks, folder=run.config.warehouse / "data_docs", title=run.id)

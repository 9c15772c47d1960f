"""The jobs, each by a real spark-submit as a process of its own, end in the same tables as `identity run`."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.golden.conftest import ROOT, WORLD, Published, World

BIN = Path(sys.executable).parent
# What only says when and how long, or names a place of its own.
LEFT_OUT = {"ops.run", "ops.run_stage", "ops.dq_result"}
SAYS_WHEN = "recorded_at"


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def jars() -> str:
    told = [sys.executable, "-m", "identity.bootstrap", "--jars"]
    return subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip()


def submit(jars: str, job: str, *arguments: str, landing: Path | None, warehouse: Path) -> str:
    """Run a job by spark-submit, as a cluster's scheduler does; returns what it printed."""
    command = [str(BIN / "spark-submit"), "--master", "local[2]", "--driver-memory", "2g", "--jars", jars]
    command += [str(ROOT / "jobs" / f"{job}.py"), *arguments, "--conf", str(ROOT / "conf" / "local.yaml")]
    command += ["--warehouse", str(warehouse)] + (["--landing", str(landing)] if landing else [])
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{job} {arguments}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def told(printed: str) -> Any:
    """The one line of JSON among what Spark itself prints."""
    return json.loads([line for line in printed.splitlines() if line.startswith(("{", "["))][-1])


def test_jobs_end_in_the_same_tables(published: Published, tmp_path: Path, jars: str) -> None:
    warehouse = tmp_path / "warehouse"
    for day in ("2026-01-31", "2026-02-01"):
        for job in ("ingest", "standardise", "resolve", "profiles", "publish"):
            submit(jars, job, "--run-date", day, landing=WORLD / "landing", warehouse=warehouse)
    by_jobs = World(published.spark, WORLD / "landing", warehouse, published.said)
    assert by_jobs.names() == published.names()
    for name in by_jobs.names():
        if name not in LEFT_OUT:
            found, expected = (world.tables.read(name).drop(SAYS_WHEN) for world in (by_jobs, published))
            assert sorted(map(str, found.collect())) == sorted(map(str, expected.collect())), name


def test_rights_erasure_audience_and_maintenance_are_jobs_too(
    copied: World, tmp_path: Path, jars: str
) -> None:
    day = ["--run-date", "2026-02-01", "--json"]
    run = partial(submit, jars, warehouse=copied.warehouse)
    who = "record=crm:C00000001"
    found = told(run("rights", "find", who, "--json", landing=None))
    assert "crm:C00000001" in found["records"]
    out = tmp_path / "everything.json"
    run("rights", "export", who, "--out", str(out), "--request", "R-1", *day, landing=None)
    assert json.loads(out.read_text(encoding="utf-8"))["golden_ids"] == found["golden_ids"]
    changed = told(run("rights", "object", who, "--request", "R-2", *day, landing=None))
    assert changed["changed"] > 0
    listed = told(run("rights", "requests", "--json", landing=None))
    assert {row["request_id"] for row in listed} == {"R-1", "R-2"}
    mails = tmp_path / "mails.csv"
    asked = ["--purpose", "marketing.email", "--recipient", "test", "--out", str(mails)]
    used = told(run("audience", *asked, *day, landing=None))
    assert used["logged"] == used["contact_points"] == len(mails.read_text(encoding="utf-8").splitlines()) - 1
    erased = ["erase", "record=crm:C00000001", "--request", "R-3"]
    certificate = told(run(*erased, *day, landing=copied.landing))
    assert [(row["persons"], row["residue"]) for row in certificate] == [(1, 0)]
    suppressed = told(run("suppression", "list", "--json", landing=None))["suppressed"]
    assert {(row["reason"], row["since_on"]) for row in suppressed} == {("erasure", "2026-02-01")}
    lifted = ["lift", "crm_contact=C00000001", "--reason", "signed up again"]
    assert told(run("suppression", *lifted, *day, landing=None)) == {"lifted": 1}
    kept = told(run("maintain", *day, landing=copied.landing))
    assert not any(row["gone"] for row in kept["tables"])
    assert copied.frame("ops.maintenance")["gone"].sum() == 0

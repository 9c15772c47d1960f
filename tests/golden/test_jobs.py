"""The jobs, each by a real spark-submit as a process of its own, end in the same tables as `identity run`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.conftest import ROOT, WORLD, Published, World

BIN = Path(sys.executable).parent
# What only says when and how long, or names a place of its own.
LEFT_OUT = {"ops.run", "ops.run_stage", "ops.dq_result"}
SAYS_WHEN = "recorded_at"


@pytest.mark.long
def test_jobs_end_in_the_same_tables(published: Published, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse"
    jars = subprocess.run(
        [sys.executable, "-m", "identity.bootstrap", "--jars"], check=True, capture_output=True, text=True
    ).stdout.strip()
    for day in ("2026-01-31", "2026-02-01"):
        for job in ("ingest", "standardise", "resolve", "profiles", "publish"):
            submit = [
                str(BIN / "spark-submit"),
                "--master",
                "local[2]",
                "--driver-memory",
                "2g",
                "--jars",
                jars,
            ]
            submit += [
                str(ROOT / "jobs" / f"{job}.py"),
                "--conf",
                str(ROOT / "conf" / "local.yaml"),
                "--run-date",
                day,
            ]
            submit += ["--landing", str(WORLD / "landing"), "--warehouse", str(warehouse)]
            environment = {
                **os.environ,
                "PYSPARK_PYTHON": sys.executable,
                "PYSPARK_DRIVER_PYTHON": sys.executable,
            }
            done = subprocess.run(submit, capture_output=True, text=True, env=environment, check=False)
            assert done.returncode == 0, f"{job} {day}: {done.stdout[-2000:]}"
    by_jobs = World(published.spark, WORLD / "landing", warehouse, published.said)
    assert by_jobs.names() == published.names()
    for name in by_jobs.names():
        if name not in LEFT_OUT:
            found, expected = (world.tables.read(name).drop(SAYS_WHEN) for world in (by_jobs, published))
            assert sorted(map(str, found.collect())) == sorted(map(str, expected.collect())), name

"""Seconds and peak memory of the main job on the committed world, both days, and the ratio to the run before.

`python -m benchmarks.main_job [--runs N]`; the last result is kept in `.bench/main_job.json`, which is not committed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAST = ROOT / ".bench" / "main_job.json"
DAYS = ("2026-01-31", "2026-02-01")


def one_run() -> dict[str, float]:
    """Run both days in one process into an empty warehouse; seconds, and megabytes of the largest process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).parent / "identity"),
            "run",
            "--conf",
            str(ROOT / "conf" / "local.yaml"),
        ]
        command += ["--warehouse", folder, "--json", *(part for day in DAYS for part in ("--run-date", day))]
        began = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"the run ended with exit code {done.returncode}")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # kilobytes, of all children so far
    return {"seconds": round(seconds, 1), "peak_mb": round(largest / 1024)}


def main() -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="counted runs (default 3)")
    runs = [one_run() for _ in range(parser.parse_args().runs)]
    now = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    print(
        f"main job, committed world, both days: {now['seconds']} s, {now['peak_mb']} MB (median of {len(runs)})"
    )
    if LAST.exists():
        before = json.loads(LAST.read_text(encoding="utf-8"))
        print(f"ratio to the run before: {now['seconds'] / before['seconds']:.2f} of its seconds")
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(now), encoding="utf-8")


if __name__ == "__main__":
    main()

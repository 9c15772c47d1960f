"""Seconds, peak memory and scores of the main job over two days, and the ratio to the run before.

`python -m benchmarks.main_job` runs the committed world; with `--persons N --seed S` a generated one. Memory is that
of all processes of the run together (Python, Java and Spark's Python workers), each shared page counted once. The last
result is kept in `.bench/`, which is not committed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import watch

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".bench"
DAYS = ("2026-01-31", "2026-02-01")


def one_run(world: Path) -> dict[str, Any]:
    """Run both days in one process into an empty warehouse, and score the result."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "identity"), "run", "--json"]
        command += ["--conf", str(ROOT / "conf" / "local.yaml"), "--landing", str(world / "landing")]
        command += ["--warehouse", folder, "--truth", str(world / "truth")]
        command += [part for day in DAYS for part in ("--run-date", day)]
        run = watch(command)
    scores = json.loads(run.said)["evaluation"]
    found = {name: scores[name]["pairwise"] for name in ("deterministic", "whole")}
    return {"seconds": round(run.seconds, 1), "peak_mb": round(run.peak_mb), "pairwise": found}


def main() -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=1, help="counted runs (default 1)")
    parser.add_argument(
        "--persons", type=int, help="size of a generated world; without it, the committed one"
    )
    parser.add_argument("--seed", type=int, default=77, help="seed of a generated world (default 77)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world, name = ROOT / "data_samples" / "world", "committed world"
        if asked.persons:
            world, name = Path(folder), f"{asked.persons:,} persons, seed {asked.seed}"
            _generate(world, asked.persons, asked.seed)
        runs = [one_run(world) for _ in range(asked.runs)]
    now = {key: statistics.median(run[key] for run in runs) for key in ("seconds", "peak_mb")}
    print(f"main job, {name}, both days: {now['seconds']} s, {now['peak_mb']} MB (median of {len(runs)})")
    for kind, score in runs[0]["pairwise"].items():
        print(f"  {kind:<14} pairwise precision {score['precision']:.4f}, recall {score['recall']:.4f}")
    last = KEPT / f"main_job_{asked.persons or 'committed'}.json"
    if last.exists():
        before = json.loads(last.read_text(encoding="utf-8"))
        print(f"  ratio to the run before: {now['seconds'] / before['seconds']:.2f} of its seconds")
    last.parent.mkdir(exist_ok=True)
    last.write_text(json.dumps(now), encoding="utf-8")


def _generate(world: Path, persons: int, seed: int) -> None:
    command = [sys.executable, "-m", "data_samples.generate", "--persons", str(persons), "--days", "2"]
    subprocess.run([*command, "--seed", str(seed), "--out", str(world)], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()

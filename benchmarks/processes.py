"""A command watched from outside: what it prints, how long it takes, how much memory it and its children hold."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_EVERY = 0.5  # seconds between two looks at the memory


class Watched(NamedTuple):
    """What became of a command.

    Attributes:
        said: Its standard output.
        seconds: From start to end.
        peak_mb: The most memory that it and all that came of it held at once.
    """

    said: str
    seconds: float
    peak_mb: float


def watch(command: Sequence[str]) -> Watched:
    """Run a command to its end.

    Raises:
        SystemExit: It fails.
    """
    began, peak = time.monotonic(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        while run.poll() is None:
            peak = max(peak, sum(map(_kilobytes, _family(run.pid))))
            time.sleep(_EVERY)
        assert run.stdout is not None
        said = run.stdout.read()
    if run.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with exit code {run.returncode}")
    return Watched(said, time.monotonic() - began, peak / 1024)


def _family(process: int) -> list[int]:
    """A process and all that came of it."""
    try:
        lists = Path(f"/proc/{process}/task").glob("*/children")
        children = " ".join(path.read_text(encoding="ascii") for path in lists)
    except OSError:  # it has just ended
        return []
    return [process, *(one for child in children.split() for one in _family(int(child)))]


def _kilobytes(process: int) -> int:
    """Memory of a process; a page shared by n processes counts a nth in each (`Pss`)."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

"""A run: its date and id, one writer at a time, what every stage counted and how long it took.

Clocks are read here and nowhere else; they say how long work took, never what its result is.
"""

import datetime as dt
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from identity.config import Config
from identity.errors import IdentityError, LockError
from identity.keys import fingerprint
from identity.quality_docs import CheckResult
from identity.tables import Tables, write_json_line

BLAST_RADIUS: Final = "blast_radius."
"""Counts of a stage that begin so are the run's blast radius."""


@dataclass
class Stage:
    """A stage of a run: its rows by table or kind (None where the number is hidden), and its seconds."""

    name: str
    started_at: dt.datetime
    seconds: float = 0.0
    counts: dict[str, int | None] = field(default_factory=dict)


@dataclass
class Run:
    """What the stages of a run share.

    Attributes:
        on: Run date, passed in; nothing is newer than it.
        key: Secret of hashes and golden ids.
        retired: Secrets before it, which alone some of the suppressed are known by.
        stages: Stages done so far, in order.
        checks: Results of the gates so far.
        accept_blast_radius: A person said yes to however many golden ids change.
        unsettled: Golden ids of today that comparing may change; None for all of them.
    """

    config: Config
    tables: Tables
    on: dt.date
    key: bytes
    console: Console
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    stages: list[Stage] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    accept_blast_radius: bool = False
    retired: tuple[bytes, ...] = ()
    unsettled: frozenset[str] | None = None

    @cached_property
    def config_hash(self) -> str:
        """The configuration in force when the run began."""
        return self.config.hash

    @property
    def id(self) -> str:
        """The same date and configuration make the same run, whoever runs it and however often."""
        return f"{self.on.isoformat()}-{self.config_hash[:8]}"

    @property
    def key_fingerprint(self) -> str:
        """Tells keys apart and gives none away."""
        return fingerprint(self.key)

    @property
    def log_file(self) -> Path:
        """One JSON line a stage."""
        return self.config.warehouse / "logs" / f"{self.id}.jsonl"

    @property
    def report_file(self) -> Path:
        """A page a run, for people to look at."""
        return self.config.warehouse / "reports" / f"{self.id}.html"

    def taken_files(self) -> list[dict[str, Any]]:
        """The rows of ops.file that say what was taken for this run date."""
        rows = self.tables.rows("ops.file")
        return [row for row in rows if row["status"] == "taken" and row["taken_for"] == self.on]

    def finish_commit(self) -> None:
        """Write what a run that died while it wrote the id tables has left, and say so."""
        if self.tables.finish_commit():
            self.console.print(
                "[yellow]note[/] a run died while it wrote the id tables; what it left is written now"
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage, show that it runs, and leave a line in the log when it ended."""
        stage = Stage(name, dt.datetime.now(dt.UTC))
        began = time.monotonic()
        outcome: dict[str, Any] = {"outcome": "failed"}
        try:
            with self.console.status(f"{self.on}  {name} …"):
                yield stage
            outcome = {"outcome": "done"}
        except IdentityError as error:
            # Not what it says: that may name a column as the file does, and a file without a header begins with data.
            outcome |= {"error": type(error).__name__, "exit_code": error.exit_code}
            raise
        finally:
            stage.seconds = round(time.monotonic() - began, 2)
            self.stages.append(stage)
            line = {
                "run_id": self.id,
                "stage": name,
                **outcome,
                "seconds": stage.seconds,
                "counts": stage.counts,
            }
            write_json_line(self.log_file, line)
        by_table = [
            n for name, n in stage.counts.items() if "." in name and not name.startswith(BLAST_RADIUS)
        ]
        said = [f"{name} {n:,}" for name, n in stage.counts.items() if "." not in name and n is not None]
        said += [f"{len(by_table)} tables, {sum(n or 0 for n in by_table):,} rows"] if by_table else []
        self.console.print(
            f"[green]✓[/] {self.on}  {name:<12} {stage.seconds:6.1f} s  [dim]{', '.join(said)}[/]",
            highlight=False,
        )


@contextmanager
def only_writer(warehouse: Path) -> Iterator[None]:
    """Hold the warehouse for this process; the kernel frees it when the process ends, however it ends.

    Raises:
        LockError: Another run holds it.
    """
    with (warehouse / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockError(f"another run is writing to {warehouse}; wait for it to end") from None
        yield

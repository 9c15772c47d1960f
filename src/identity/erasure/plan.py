"""What an erasure is to do, and how far it came: a file only its owner may read, gone when all is done.

It holds values of the persons to be erased, for the scan at the end looks for them. It lies in the warehouse as
`rights/erasure.json`; the next run or `identity erase` does the rest of an unfinished one.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from identity.errors import ErasureError, LockError
from identity.run import only_writer
from identity.tables import is_committing

State = Literal["planned", "suppressed", "landing", "tables", "published", "purged"]
STATES: tuple[State, ...] = get_args(State)


@dataclass
class Plan:
    """An erasure.

    Attributes:
        id: Names the erasure and its certificate; a keyed hash.
        run_date: Run date that is published again.
        landing: Landing folder that holds the lines.
        asked: Keyed hash of the identifiers it was asked for.
        requests: Requests that it answers.
        persons: How many persons.
        records: Their source records, devices among them: source and key.
        suppress: Identifiers that are theirs alone: namespace and keyed hash.
        owner_only: What their records are called by and somebody else's lines name too.
        delete: Lines that are theirs: row numbers by file id.
        unlink: Lines of receipts that stay, without these columns: by file id and row number.
        files: Landing files rewritten: by path, checksum before and after.
        retired: Golden ids without any record left.
        touched: Golden ids that held the records, or one that an edge or an identifier tied to them.
        needles: Values and hashes that must be nowhere afterwards.
        strong: Those of them that are identifiers, as delivered and normalised: they tell whose a line is that no run
            has taken.
        recipients: Who was given their contact points, and is to be told.
        unsearchable: Values that somebody else's data holds too, so that nothing can be said by looking for them.
        state: The last step that is done.
        counts: What was done, for the certificate.
    """

    id: str
    run_date: str
    landing: str
    asked: str
    requests: list[str]
    persons: int
    records: list[list[str]]
    suppress: list[list[str]]
    owner_only: list[list[str]]
    delete: dict[str, list[int]]
    unlink: dict[str, dict[str, list[str]]]
    retired: list[str]
    touched: list[str]
    needles: list[str]
    strong: list[str]
    recipients: list[str]
    unsearchable: int
    files: dict[str, list[str]] = field(default_factory=dict)
    state: State = "planned"
    counts: dict[str, int] = field(default_factory=dict)

    def is_done(self, state: State) -> bool:
        """Whether a step is behind us."""
        return STATES.index(self.state) >= STATES.index(state)


def plan_file(warehouse: Path) -> Path:
    """Where the plan of an unfinished erasure lies."""
    return warehouse / "rights" / "erasure.json"


def load_plan(warehouse: Path) -> Plan | None:
    """The unfinished erasure, if there is one."""
    path = plan_file(warehouse)
    return Plan(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def save_plan(plan: Plan, warehouse: Path) -> None:
    """Write the plan, as a whole or not at all."""
    path = plan_file(warehouse)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(asdict(plan), out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def remove_plan(warehouse: Path) -> None:
    """Forget the plan, and with it the last values."""
    plan_file(warehouse).with_suffix(".draft").unlink(missing_ok=True)
    plan_file(warehouse).unlink(missing_ok=True)


def require_whole(warehouse: Path) -> None:
    """See that nothing in a warehouse is half done.

    Raises:
        ErasureError: An erasure is; whoever goes on would work on what is half erased.
        LockError: A commit of several tables is. Whoever wrote one of them now would make it look as if that commit had
            taken place, and what was staged for the table would be lost.
    """
    if plan_file(warehouse).is_file():
        raise ErasureError(
            f"an erasure in {warehouse} is not finished; `identity erase --resume`, or the next run, finishes it"
        )
    if is_committing(warehouse):
        raise LockError(
            f"tables of {warehouse} that belong together are half written; the run that writes them finishes it, "
            "or if it died the next one"
        )


@contextmanager
def writing(warehouse: Path, *, finish: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a warehouse in which nothing is half done, for whoever writes to it but does not finish erasures.

    Args:
        warehouse: The warehouse.
        finish: Does what is left of a commit that a dead run began; who cannot, refuses to go on from it.

    Raises:
        LockError: A run holds it, or died while it wrote tables that belong together.
        ErasureError: An erasure is not finished.
    """
    with only_writer(warehouse):
        if finish is not None:
            finish()
        require_whole(warehouse)
        yield

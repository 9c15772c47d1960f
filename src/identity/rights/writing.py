"""What every right that changes something shares: one writer, a date that is not past, and the register of requests."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from identity.erasure.plan import writing
from identity.errors import RunDateError
from identity.rights import requests
from identity.rights.persons import Subject
from identity.tables import columns_at


def request_name(named: str | None, what: str, subject: Subject, on: dt.date) -> str:
    """The request's name: as given, or one that the same person, matter and day always have."""
    if named is not None:
        return named
    ids = "\n".join(subject.golden_ids)
    return f"{what}-{on}-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"


@contextmanager
def answering(warehouse: Path, request_id: str, right: str, subject: Subject, on: dt.date) -> Iterator[None]:
    """Hold the warehouse, and register a request before the work and close it after.

    If the work dies on the way the request stays open, and the same command does what is left.

    Raises:
        LockError: A run holds the warehouse, or died while it wrote tables that belong together.
        ErasureError: An erasure is not finished.
        RunDateError: A later date is already published.
        SubjectError: The request's name is none, or registered for another right.
    """
    with writing(warehouse):
        published = columns_at(warehouse, "ops.publication", ["published_for"])["published_for"].to_pylist()
        if published and max(published) > on:
            raise RunDateError(
                f"{max(published)} is already published; give that date or a later one, for the next run goes by it"
            )
        requests.receive(warehouse, request_id, right, subject.golden_ids, on)
        yield
        requests.close(warehouse, request_id, outcome="recorded; the next run goes by it", on=on)

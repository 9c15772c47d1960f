"""What was delivered: finds the files of a delivery, knows them by their bytes, and refuses what no contract names."""

import csv
import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from identity.config import Feed, SourceContract
from identity.errors import ContractError, SourceError

MEND_COLUMNS = "mend the file, or the feed's columns in the source's contract"


@dataclass(frozen=True)
class LandingFile:
    """A delivered file.

    Attributes:
        path: Where it lies.
        file: Path below the landing folder, with slashes.
        file_id: SHA-256 of its bytes.
        header: Column names in file order for CSV, empty for other formats.
    """

    source: str
    feed: str
    path: Path
    file: str
    delivered_on: dt.date
    bytes: int
    file_id: str
    header: tuple[str, ...]


def require_landing(landing: Path, *, way: str = "set `landing` or give --landing") -> None:
    """See that the landing folder is there.

    Args:
        landing: Landing folder.
        way: What to do where it is not.

    Raises:
        SourceError: It is not; whoever goes on would take it for one that holds nothing.
    """
    if not landing.is_dir():
        raise SourceError(f"landing folder {landing} does not exist; {way}")


def find_files(
    landing: Path,
    sources: Mapping[str, SourceContract],
    *,
    up_to: dt.date,
    taken: Collection[tuple[dt.date, str, str]] = (),
) -> list[LandingFile]:
    """Every file delivered up to a date, in order of date, source and name.

    Args:
        landing: Landing folder.
        sources: Source contracts by name.
        up_to: Newest delivery date.
        taken: Deliveries that were taken, as date, source and feed: retention may have removed their files since.

    Raises:
        SourceError: No delivery is there, a required feed is missing that is not expired, or a file is empty or unreadable.
        ContractError: A file or its columns stand in no contract.
    """
    require_landing(landing)
    days = sorted(d for d in landing.iterdir() if d.is_dir() and _date(d.name) is not None)
    wanted = [day for day in days if day.name <= up_to.isoformat()]
    if not wanted:
        raise SourceError(f"no delivery up to {up_to} in {landing}; a delivery is a folder named yyyy-mm-dd")
    files: list[LandingFile] = []
    for day in wanted:
        found = list(_day_files(landing, day, sources))
        present = {(file.source, file.feed) for file in found}
        for name, source in sorted(sources.items()):
            for feed_name, feed in source.feeds.items():
                # A folder may outlive its expired files, and what the register knew of them.
                is_expired = day.name < source.kept_from(feed_name, up_to).isoformat()
                is_known = (_date(day.name), name, feed_name) in taken
                if feed.required and not (is_known or is_expired) and (name, feed_name) not in present:
                    raise SourceError(
                        f"delivery {day.name}: {name}/{feed.pattern} is missing and its contract requires it"
                    )
        files += found
    return files


def feed_of(file_name: str, source: SourceContract) -> str | None:
    """The feed of a source that a file is of, by its name; None when no pattern is for it."""
    matching = [name for name, feed in source.feeds.items() if fnmatch(file_name, feed.pattern)]
    # `events*` and `app_events*` never overlap, but `a*` and `ab*` may: the longest pattern is the closest.
    return max(matching, key=lambda name: len(source.feeds[name].pattern)) if matching else None


def not_taken(files: Iterable[LandingFile], taken: set[str]) -> list[LandingFile]:
    """Files whose bytes were not taken before; of copies delivered together the first stands."""
    fresh: dict[str, LandingFile] = {}
    for file in files:
        if file.file_id not in taken:
            fresh.setdefault(file.file_id, file)
    return list(fresh.values())


def batch_id(files: Iterable[LandingFile]) -> str:
    """Name a batch by what is in it, so that the same files make the same batch."""
    return hashlib.sha256("".join(sorted(file.file_id for file in files)).encode()).hexdigest()[:16]


def _day_files(landing: Path, day: Path, sources: Mapping[str, SourceContract]) -> Iterable[LandingFile]:
    delivered_on = _date(day.name)
    assert delivered_on is not None
    for path in sorted(p for p in day.rglob("*") if p.is_file() and not p.name.startswith((".", "_"))):
        relative = path.relative_to(landing).as_posix()
        source = path.relative_to(day).parts[0]
        if source not in sources:
            raise ContractError(
                f"{relative}: no source contract {source}; there are {', '.join(sorted(sources))}"
            )
        feed = feed_of(path.name, sources[source])
        if feed is None:
            patterns = ", ".join(feed.pattern for feed in sources[source].feeds.values())
            raise ContractError(
                f"{relative}: no feed of source {source} has a pattern for it; there are {patterns}"
            )
        size = path.stat().st_size
        if size == 0:
            raise SourceError(
                f"{relative}: the file is empty; a delivery without records still has its header or is left out"
            )
        yield LandingFile(
            source=source,
            feed=feed,
            path=path,
            file=relative,
            delivered_on=delivered_on,
            bytes=size,
            file_id=checksum(path),
            header=_header(path, relative, sources[source].feeds[feed]),
        )


def _header(path: Path, relative: str, feed: Feed) -> tuple[str, ...]:
    if feed.format != "csv":
        return ()
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", errors="replace").strip("\r\n")
    header = tuple(next(csv.reader([first]), []))
    if set(header).isdisjoint(feed.columns):
        # Not quoted: where the header is missing this is a record.
        wanted = ",".join(feed.columns)
        raise ContractError(f"{relative}: its first line names no column; it should be the header {wanted}")
    unknown = [name for name in header if name not in feed.columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    missing = [name for name in feed.columns if name not in header]
    if unknown or missing or twice:
        said = [f"unknown column {', '.join(unknown)}"] if unknown else []
        said += [f"column given twice {', '.join(twice)}"] if twice else []
        said += [f"missing column {', '.join(missing)}"] if missing else []
        raise ContractError(f"{relative}: {'; '.join(said)}; {MEND_COLUMNS}")
    return header


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None


def _date(text: str) -> dt.date | None:
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return date if date.isoformat() == text else None

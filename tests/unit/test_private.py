"""A private file is there as a whole or not at all, for its owner, and nothing else is overwritten."""

from pathlib import Path

import pytest

from identity.errors import PlatformError
from identity.private import write_privately


def test_it_is_its_owners_and_may_be_written_again(tmp_path: Path):
    path = tmp_path / "x.json"
    (tmp_path / ".x.json.draft").write_bytes(b"left by a death")
    for _ in range(2):
        write_privately(path, b"1")
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"1", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_other_content_stays_and_nothing_is_done_first(tmp_path: Path):
    path, done = tmp_path / "x.json", []
    path.write_bytes(b"before")
    with pytest.raises(PlatformError, match="other content"):
        write_privately(path, b"1", first=lambda: done.append(1))
    assert (path.read_bytes(), done, list(tmp_path.iterdir())) == (b"before", [], [path])


def test_where_what_comes_first_fails_there_is_no_file(tmp_path: Path):
    seen: list[list[str]] = []

    def fails() -> None:
        seen.append([p.name for p in tmp_path.iterdir()])
        raise ValueError("no log")

    with pytest.raises(ValueError, match="no log"):
        write_privately(tmp_path / "x", b"1", first=fails)
    assert (seen, list(tmp_path.iterdir())) == ([[".x.draft"]], [])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(PlatformError, match="cannot be written: No such file or directory"):
        write_privately(tmp_path / "none/x", b"1")

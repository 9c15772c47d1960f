"""Files as people have them: separators, encodings, broken lines; and results that are written whole or not at all."""

import codecs
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from identity.errors import PlatformError, SourceError
from identity.linkage.files import read_tables, require_writable, write_all

HEAD = "id,first_name,surname,dob\n"
ROWS = [f"{n},Päivi,Åho,1980-01-{n % 28 + 1:02}\n" for n in range(30)]
WHOLE = HEAD + "".join(ROWS)


def file(folder: Path, text: str | bytes, name: str = "town.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "written",
    [
        WHOLE.encode(),
        WHOLE.replace(",", ";").encode(),
        WHOLE.replace(",", "\t").encode(),
        WHOLE.replace(",", "|").encode(),
        WHOLE.replace("\n", "\r\n").encode(),
        WHOLE.replace(",", '","').replace("\n", '"\n"').encode().join((b'"', b""))[:-1],
        codecs.BOM_UTF8 + WHOLE.encode(),
        WHOLE.encode("utf-16"),
    ],
    ids=["comma", "semicolon", "tab", "bar", "windows", "quoted", "utf-8 with a mark", "utf-16"],
)
def test_separators_and_encodings_are_found_out(written: bytes, tmp_path: Path):
    expected = pd.DataFrame([row.strip().split(",") for row in ROWS], columns=HEAD.strip().split(","))
    found = read_tables([file(tmp_path, written)])
    assert found.columns.tolist() == expected.columns.tolist()
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([HEAD, "1,Salla\n", *ROWS], 2),
        ([HEAD, *ROWS, "1,Salla,Aho,1980-01-01,spare\n", *ROWS], 32),
        ([HEAD, *ROWS, "1,Salla\n"], 32),
        ([HEAD, *ROWS, '1,"Salla,Aho,1980-01-01\n', *ROWS], 32),
        ([HEAD, *ROWS, '1,"Salla" M,Aho,1980-01-01\n', *ROWS], 32),
        ([HEAD, *(ROWS * 10_000), "1,Salla\n", *ROWS], 300_002),
        (["Customers of today\n", *ROWS], 2),
    ],
    ids=["first", "too many", "last", "open quote", "letters after a quote", "far down", "no header"],
)
def test_a_broken_line_is_named_and_not_quoted(lines: Sequence[str], number: int, tmp_path: Path):
    with pytest.raises(SourceError, match=rf"town\.csv, line {number}: cannot be read as CSV with") as told:
        read_tables([file(tmp_path, "".join(lines))])
    assert not {"Salla", "Aho", "Päivi"} & set(str(told.value).replace(",", " ").split())


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (WHOLE.encode("latin-1"), ", line 2"),
        (WHOLE.encode() + b"31,P\xe4ivi,Aho,1980-01-01\n", ", line 32"),
        ("étunimi,nimi\n".encode("latin-1") + b"a,b\n", ", line 1"),
        (codecs.BOM_UTF16_BE + WHOLE.encode("utf-16-be"), ", line 1"),
    ],
)
def test_other_encodings_are_refused_and_not_guessed(written: bytes, line: str, tmp_path: Path):
    with pytest.raises(SourceError, match=rf"town\.csv{line}: not in UTF-8; convert it first"):
        read_tables([file(tmp_path, written)])


def test_nothing_of_a_good_file_is_lost(tmp_path: Path):
    odd = 'id,name,name,\n#1,"a, ""b""",c,\n\n2,"two\nlines",,d\n'
    found = read_tables([file(tmp_path, odd)])
    assert found.columns.tolist() == ["id", "name", "name_3", "column_4"]
    assert found.astype(object).where(found.notna(), None).to_numpy().tolist() == [
        ["#1", 'a, "b"', "c", None],
        ["2", "two\nlines", None, "d"],
    ]


def test_files_of_different_columns_are_one_table(tmp_path: Path):
    shop = file(tmp_path, "id,first_name\n1,Anna\n", "shop.csv")
    pd.DataFrame({"id": [2], "surname": ["Aho"], "born": [pd.Timestamp("1980-01-31")]}).to_parquet(
        tmp_path / "club.parquet"
    )
    found = read_tables([shop, tmp_path / "club.parquet"])
    assert found.astype(object).where(found.notna(), None).to_dict("records") == [
        {"id": "1", "first_name": "Anna", "source": "shop", "surname": None, "born": None},
        {"id": "2", "first_name": None, "source": "club", "surname": "Aho", "born": "1980-01-31 00:00:00"},
    ]


def test_nested_columns_are_refused(tmp_path: Path):
    nested = pd.DataFrame({"id": ["1"], "mails": [["a@x.fi"]], "home": [{"city": "Oulu"}]})
    nested.to_parquet(tmp_path / "nested.parquet")
    with pytest.raises(SourceError, match=r"nested\.parquet: mails, home: lists and structures"):
        read_tables([tmp_path / "nested.parquet"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path):
    path = file(tmp_path, WHOLE)
    path.chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        read_tables([path])


TABLES = {"a.parquet": pd.DataFrame({"x": [1]})}


def test_a_full_disk_leaves_the_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_all(tmp_path / "out", TABLES, {"b.txt": "first"})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    for out in (tmp_path / "out", tmp_path / "new" / "deeper"):
        with pytest.raises(PlatformError, match="cannot be written: No space left on device"):
            write_all(out, {"a.parquet": pd.DataFrame({"x": [2]})}, {"b.txt": "second"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.parquet", "b.txt"]
    assert pd.read_parquet(tmp_path / "out" / "a.parquet")["x"].tolist() == [1]
    assert (tmp_path / "out" / "b.txt").read_text(encoding="utf-8") == "first"
    assert not (tmp_path / "new").exists()


def test_places_that_cannot_be_written(tmp_path: Path):
    there = file(tmp_path, WHOLE)
    for out in (there, there / "below"):
        with pytest.raises(PlatformError, match="cannot be written"):
            require_writable(out)
    assert there.read_text(encoding="utf-8") == WHOLE
    (tmp_path / "out" / "b.txt").mkdir(parents=True)
    with pytest.raises(PlatformError, match=r"cannot be written: b\.txt is a folder"):
        write_all(tmp_path / "out", TABLES, {"b.txt": "x"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.txt"]


def test_looking_whether_it_can_be_written_writes_nothing(tmp_path: Path):
    require_writable(tmp_path / "out" / "deeper")
    assert list(tmp_path.iterdir()) == []

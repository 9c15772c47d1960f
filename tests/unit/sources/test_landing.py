"""What is found in the landing folder, what is refused, and that a file is known by its bytes."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from identity.config import Feed, SourceContract
from identity.errors import ContractError, SourceError
from identity.sources.landing import LandingFile, batch_id, find_files, not_taken

DAY = dt.date(2026, 1, 31)


def feed(pattern: str, format_: str = "csv", **more: Any) -> Feed:
    columns = {"id": {"type": "string", "required": True}, "sold_on": {"type": "date"}}
    return Feed.model_validate({"pattern": pattern, "format": format_, "columns": columns, **more})


def source(name: str, **feeds: Feed) -> SourceContract:
    return SourceContract.model_validate(
        {
            "source": name,
            "version": 1,
            "meaning": "m",
            "owner": "o",
            "region": "EEA",
            "latency_hours": 1,
            "retention_days": 1,
            "linkage": "forbidden",
            "collection_basis": "contract",
            "consent": {"asked": False},
            "feeds": feeds,
        }
    )


SOURCES = {
    "tills": source("tills", lines=feed("lines*.csv", required=True), totals=feed("totals*.csv")),
    "web": source("web", events=feed("*events*.jsonl", "json"), app=feed("app_events*.jsonl", "json")),
}


def deliver(landing: Path, path: str, content: str | bytes = "id,sold_on\n1,2026-01-31\n") -> Path:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def found(landing: Path, up_to: dt.date = DAY) -> list[LandingFile]:
    return find_files(landing, SOURCES, up_to=up_to)


def test_what_is_known_of_a_file(tmp_path: Path):
    path = deliver(tmp_path, "2026-01-31/tills/lines_1.csv", "sold_on,id\n2026-01-31,1\n")
    assert found(tmp_path) == [
        LandingFile(
            source="tills",
            feed="lines",
            path=path,
            file="2026-01-31/tills/lines_1.csv",
            delivered_on=DAY,
            bytes=path.stat().st_size,
            file_id=hashlib.sha256(b"sold_on,id\n2026-01-31,1\n").hexdigest(),
            header=("sold_on", "id"),  # in the file's order, not the contract's
        )
    ]


def test_files_come_by_date_source_and_name_and_none_after_the_run_date(tmp_path: Path):
    for path in (
        "2026-01-31/tills/lines_b.csv",
        "2026-01-31/tills/lines_a.csv",
        "2026-01-30/tills/lines.csv",
        "2026-01-31/web/events.jsonl",
        "2026-02-01/tills/lines.csv",  # tomorrow's
    ):
        deliver(tmp_path, path)
    assert [file.file for file in found(tmp_path)] == [
        "2026-01-30/tills/lines.csv",
        "2026-01-31/tills/lines_a.csv",
        "2026-01-31/tills/lines_b.csv",
        "2026-01-31/web/events.jsonl",
    ]


def test_hidden_files_and_markers_are_not_read(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv")
    deliver(tmp_path, "2026-01-31/tills/.lines.csv.crc", b"")
    deliver(tmp_path, "2026-01-31/tills/_SUCCESS", b"")
    deliver(tmp_path, "readme.txt")  # not in a delivery
    deliver(tmp_path, "drafts/tills/lines.csv")  # not a date, so not a delivery
    assert [file.file for file in found(tmp_path)] == ["2026-01-31/tills/lines.csv"]


def test_only_folders_named_yyyy_mm_dd_are_deliveries(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv")
    deliver(tmp_path, "20260131/tills/lines.csv")
    assert len(found(tmp_path)) == 1
    assert len(found(tmp_path, up_to=dt.date(2027, 1, 1))) == 1


def test_the_longest_pattern_takes_a_file_that_two_fit(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv")
    deliver(tmp_path, "2026-01-31/web/app_events.jsonl")  # fits *events*.jsonl too
    deliver(tmp_path, "2026-01-31/web/events.jsonl")
    assert [file.feed for file in found(tmp_path)] == ["lines", "app", "events"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", b"\xef\xbb\xbfid,sold_on\r\n1,\r\n")
    assert found(tmp_path)[0].header == ("id", "sold_on")


def test_a_required_feed_that_was_taken_may_be_gone_since(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/web/events.jsonl")
    with pytest.raises(SourceError, match="is missing and its contract requires it"):
        found(tmp_path)
    [file] = find_files(tmp_path, SOURCES, up_to=DAY, taken={(DAY, "tills", "lines")})
    assert file.feed == "events"


# What is refused


def test_a_landing_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(SourceError, match=r"landing folder .*nowhere does not exist"):
        found(tmp_path / "nowhere")


def test_a_landing_folder_without_a_delivery_up_to_the_date(tmp_path: Path):
    deliver(tmp_path, "2026-02-01/tills/lines.csv")
    with pytest.raises(SourceError, match="no delivery up to 2026-01-31"):
        found(tmp_path)


def test_a_required_feed_is_missing_from_one_of_two_days(tmp_path: Path):
    deliver(tmp_path, "2026-01-30/tills/lines.csv")
    deliver(tmp_path, "2026-01-31/tills/totals.csv")
    with pytest.raises(SourceError, match=r"delivery 2026-01-31: tills/lines\*\.csv is missing") as error:
        found(tmp_path)
    assert error.value.exit_code == 4


def test_an_empty_file(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", b"")
    with pytest.raises(SourceError, match=r"2026-01-31/tills/lines\.csv: the file is empty"):
        found(tmp_path)


def test_a_header_without_records_is_a_delivery(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", "id,sold_on\n")
    assert len(found(tmp_path)) == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,sold_on,till", "unknown column till"),
        ("id", "missing column sold_on"),
        ("id,soldon", "unknown column soldon; missing column sold_on"),
    ],
)
def test_a_header_that_is_not_the_contracts(tmp_path: Path, header: str, message: str):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", f"{header}\n1,2026-01-31\n")
    with pytest.raises(ContractError) as error:
        found(tmp_path)
    mend = "mend the file, or the feed's columns in the source's contract"
    assert str(error.value) == f"2026-01-31/tills/lines.csv: {message}; {mend}"
    assert error.value.exit_code == 5


@pytest.mark.parametrize("first", ["", "id;sold_on", "Maija Mallikas,2026-01-31"])
def test_a_first_line_that_is_no_header_is_not_quoted(tmp_path: Path, first: str):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", f"{first}\n1,2026-01-31\n")
    with pytest.raises(ContractError) as error:
        found(tmp_path)
    told = "its first line names no column; it should be the header id,sold_on"
    assert str(error.value) == f"2026-01-31/tills/lines.csv: {told}"


def test_a_column_that_stands_twice_in_the_header(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines.csv", "id,sold_on,id\n1,2026-01-31,2\n")
    with pytest.raises(ContractError):
        found(tmp_path)


def test_a_folder_of_no_known_source(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/erp/lines.csv")
    with pytest.raises(ContractError, match=r"2026-01-31/erp/lines\.csv: no source contract erp"):
        found(tmp_path)


def test_a_file_that_fits_no_pattern(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/prices.csv")
    with pytest.raises(ContractError, match="no feed of source tills has a pattern for it"):
        found(tmp_path)


# Known by bytes


def test_copies_are_known_by_their_bytes(tmp_path: Path):
    deliver(tmp_path, "2026-01-30/tills/lines.csv", "id,sold_on\n1,\n")
    deliver(tmp_path, "2026-01-31/tills/lines.csv", "id,sold_on\n2,\n")
    deliver(
        tmp_path, "2026-01-31/tills/lines_again.csv", "id,sold_on\n1,\n"
    )  # yesterday's bytes, another name
    files = found(tmp_path)
    assert [file.file for file in not_taken(files, set())] == [
        "2026-01-30/tills/lines.csv",
        "2026-01-31/tills/lines.csv",
    ]
    taken = {files[0].file_id}
    assert [file.file for file in not_taken(files, taken)] == ["2026-01-31/tills/lines.csv"]


def test_a_batch_is_named_by_what_is_in_it(tmp_path: Path):
    deliver(tmp_path, "2026-01-31/tills/lines_1.csv", "id,sold_on\n1,\n")
    deliver(tmp_path, "2026-01-31/tills/lines_2.csv", "id,sold_on\n2,\n")
    one, two = found(tmp_path)
    assert batch_id([one, two]) == batch_id([two, one])
    assert len({batch_id([one, two]), batch_id([one]), batch_id([two])}) == 3

"""Landing files keep their lines; what is theirs goes; who read them before knows them still."""

from pathlib import Path

import pytest

from identity.erasure import files
from identity.erasure.needles import Needles
from identity.errors import PlatformError

CSV = (
    b"receipt_id,line_no,net_amount,loyalty_card_no,payment_token,e_receipt_email\r\n"
    b'R1,1,"9,90",L1,tok_1,a@b.example\r\n'
    b"R2,1,1.00,L2,tok_2,\r\n"
)


def test_a_line_is_blanked_and_the_others_stay_as_they_are():
    assert files.blanked(b"a\nb\r\nc", {2}, {}) == b"a\n\r\nc"
    assert files.blanked(b"a\nb\n", {2}, {}) == b"a\n\n" == files.blanked(b"a\nb", {2}, {})
    assert files.blanked(b"a\nb\n", set(), {}) == b"a\nb\n"


def test_a_receipt_keeps_its_amounts():
    after = files.blanked(CSV, set(), {"2": ["payment_token", "e_receipt_email"]})
    assert after == CSV.replace(b"tok_1,a@b.example", b",")


def test_to_blank_twice_is_to_blank_once():
    once = files.blanked(CSV, {3}, {"2": ["loyalty_card_no"]})
    assert files.blanked(once, {3}, {"2": ["loyalty_card_no"]}) == once
    assert once.count(b"\n") == CSV.count(b"\n")


def test_lines_that_bronze_never_took_are_told_by_what_is_theirs():
    assert files.lines_that_hold(CSV, Needles(["tok_1_never", "a@b.example"]), {3}) == {2}
    assert files.lines_that_hold(CSV, Needles(["a@b.example"]), {2}) == set()


def test_a_line_ends_where_spark_ends_it():
    said = "one\u2028of three\x85or\x0bfour\ntells a@b.example\r\nthird\n".encode()
    assert files.lines_that_hold(said, Needles(["a@b.example"]), set()) == {2}
    assert files.blanked(said, {2}, {}) == said.replace(b"tells a@b.example", b"")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_file_whose_only_line_goes_is_not_left_empty(end: bytes):
    left = end or b"\n"  # no run takes a file of no bytes
    assert files.blanked(b"a@b.example" + end, {1}, {}) == left
    assert files.blanked(left, {1}, {}) == left
    after = files.without_named(b"a@b.example" + end, Needles(["a@b.example"]), is_accounting=False)
    assert after == left


def test_of_a_file_never_taken_lines_go_that_name_the_erased_and_receipts_stay():
    needles = Needles(["tok_1_never", "a@b.example"])
    after = files.without_named(CSV, needles, is_accounting=True)
    assert after == CSV.replace(b"a@b.example", b"")
    assert files.without_named(after, needles, is_accounting=True) == after
    said = b'{"id":"1","mail":"x@y.example"}\n{"id":"2","note":"from A@B.example"}\n'
    assert files.without_named(said, needles, is_accounting=False) == b'{"id":"1","mail":"x@y.example"}\n\n'


def test_a_file_rewritten_twice_is_known_by_what_it_was_taken_with():
    rows = [
        {"file_id": file_id, "status": status, "batch_id": "b", "file": file}
        for file_id, status, file in [
            ("old", "taking", "x.csv"), ("old", "taken", "x.csv"), ("new", "rewritten", "x.csv"),
            ("newer", "rewritten", "x.csv"), ("other", "taken", "y.csv"),
        ]
    ]  # fmt: skip
    assert files.origins(rows) == {"old": "old", "new": "old", "newer": "old", "other": "other"}


def test_a_landing_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuses(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuses)
    with pytest.raises(PlatformError, match=r"cannot be rewritten: Permission denied; .*--resume"):
        files.draft(tmp_path / "x.csv", b"after")


def test_a_draft_is_no_delivery_and_takes_the_place_in_one_step(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"before")
    files.draft(path, b"after")
    assert [found[0] for found in files.landing_files(tmp_path, {})] == [path]
    assert path.read_bytes() == b"before"
    files.put(path)
    files.put(path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"after", [path])
    files.draft(path, b"again")
    files.remove_drafts(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_of_json_loses_the_columns_that_name_the_erased():
    said = '{"id": "1", "note": "ring Väinö", "stars": 5}\n{"id": "2", "note": "fine"}\n'.encode()
    after = files.blanked(said, set(), {"1": ["note"]})
    assert after == b'{"id":"1","stars":5}\n{"id": "2", "note": "fine"}\n'
    assert files.blanked(after, set(), {"1": ["note"]}) == after

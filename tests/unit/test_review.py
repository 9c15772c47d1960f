"""`identity review`: pairs out to a file, decisions back into the warehouse; no Spark is started."""

import datetime as dt
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from identity.cli import main
from identity.contracts import contract_of
from identity.erasure.plan import plan_file
from identity.linkage.model import Thresholds
from identity.resolve.decisions import PAIR
from identity.run import only_writer

ROOT = Path(__file__).parents[2]
D1, D2 = "2026-02-01", "2026-02-02"
PERSONAL = ["Salla", "Åho", "salla@example.com", "+358401234567", "1980-01-31", "=cmd()@example.com"]


def edge(
    left: str, right: str, bits: float | None, reason: str | None = None, rule: str = "finland-3"
) -> dict[str, Any]:
    (source_l, key_l), (source_r, key_r) = left.split(":"), right.split(":")
    return {
        "source_l": source_l, "source_key_l": key_l, "source_r": source_r, "source_key_r": key_r,
        "kind": "deterministic" if bits is None else "probabilistic", "rule": rule, "rank": 100 if bits else 6,
        "match_weight": bits, "probability": None if bits is None else 1 / (1 + 2**-bits),
        "fate": "rejected" if reason else "used", "reason": reason,
    }  # fmt: skip


EDGES = [
    edge("crm:1", "loyalty:7", 3.0),
    edge("crm:2", "loyalty:7", 8.0, "unique_namespace"),
    edge("crm:2", "loyalty:8", None, rule="email"),
    edge("crm:3", "loyalty:9", 2.0, "weaker_than_threshold"),
]
RECORDS = ["crm:1", "crm:2", "crm:3", "loyalty:7", "loyalty:8", "loyalty:9"]


def member(record: str, **more: Any) -> dict[str, Any]:
    source, key = record.split(":")
    row = {"golden_id": f"id of {record}", "source": source, "source_key": key, "level": "identified"}
    return row | {"link_permission": "permitted", "valid_from_on": dt.date(2026, 1, 31)} | more


MEMBERS = [
    *map(member, RECORDS),
    member("crm:4", valid_to_on=dt.date(2026, 2, 1)),
    member("crm:5", link_permission="barred"),
    member("cookie:abc"),
]
PERSONS = [
    {
        "source": record.split(":")[0], "source_key": record.split(":")[1], "given_name": "Salla", "family_name": "Åho",
        "birth_date": dt.date(1980, 1, 31), "emails": ["=cmd()@example.com", "salla@example.com"],
        "phones": ["+358401234567"], "street": "kauppakatu 7", "flat": "b12",
    }
    for record in RECORDS
]  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    warehouse = tmp_path / "warehouse"
    rows = {"id.edge": EDGES, "id.golden_member": MEMBERS, "silver.person_record": PERSONS}
    for name, some in rows.items():
        table = pa.Table.from_pylist(some, contract_of(name).arrow_schema)
        write_deltalake(warehouse.joinpath(*name.split(".")), table)
    return warehouse


Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def review(capsys: pytest.CaptureFixture[str], kept: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    monkeypatch.setattr("identity.review._thresholds", lambda _: Thresholds(join=0.9, keep=0.75))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        conf = ["--conf", str(ROOT / "conf" / "local.yaml"), "--warehouse", str(kept)]
        with pytest.raises(SystemExit) as ended:
            main(["review", *map(str, arguments), *conf])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def stored(warehouse: Path) -> list[tuple[Any, ...]]:
    rows = DeltaTable(warehouse / "id" / "review_pair").to_pyarrow_table().to_pylist()
    return [
        (f"{row['source_l']}:{row['source_key_l']}", f"{row['source_r']}:{row['source_key_r']}",
         row["decision"], row["reviewer"], str(row["decided_on"]))
        for row in rows
    ]  # fmt: skip


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([",".join([*PAIR, "decision", "reviewer"]), *rows]) + "\n", encoding="utf-8")
    return path


# export


def test_a_file_to_decide_in_without_any_personal_value(review: Verb, tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    code, said, err = review("export", "--out", out)
    assert (code, err) == (0, "")
    assert "3 of 3 pairs (conflicting_constraints 1, near_threshold 2)" in said
    found = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert found[[*PAIR, "why", "reason", "match_weight", "decision", "reviewer"]].to_numpy().tolist() == [
        ["crm", "1", "loyalty", "7", "near_threshold", "", "3.0", "", ""],
        ["crm", "2", "loyalty", "7", "conflicting_constraints", "unique_namespace", "8.0", "", ""],
        ["crm", "3", "loyalty", "9", "near_threshold", "weaker_than_threshold", "2.0", "", ""],
    ]
    text = out.read_text(encoding="utf-8")
    assert not [value for value in PERSONAL if value in text]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_the_same_tables_give_the_same_bytes(review: Verb, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        assert review("export", "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_the_limit_takes_the_first(review: Verb, tmp_path: Path) -> None:
    _, said, _ = review("export", "--out", tmp_path / "pairs.csv", "--limit", "1")
    assert "1 of 3 pairs (near_threshold 1)" in said
    assert len(pd.read_csv(tmp_path / "pairs.csv")) == 1


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_persons_side_by_side_only_when_asked_for(review: Verb, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    code, said, _ = review("export", "--out", out, "--with-personal-data")
    assert code == 0
    assert "personal data" in said
    assert not [value for value in PERSONAL if value in said]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    found = pd.read_parquet(out) if name.endswith("parquet") else pd.read_csv(out, dtype=str)
    for side in ("l", "r"):
        row = found.iloc[0]
        assert [row[f"given_name_{side}"], row[f"family_name_{side}"]] == ["Salla", "Åho"]
        assert str(row[f"birth_date_{side}"]) == "1980-01-31"
        assert [row[f"street_{side}"], row[f"flat_{side}"]] == ["kauppakatu 7", "b12"]
        # What a customer typed is no formula on a steward's machine; Parquet has none.
        quote = "" if name.endswith("parquet") else "'"
        assert row[f"emails_{side}"] == f"{quote}=cmd()@example.com; salla@example.com"
        assert row[f"phones_{side}"] == f"{quote}+358401234567"


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("pairs.xlsx", 2, ".csv or .parquet"), ("there.csv", 2, "choose another name"), ("none/pairs.csv", 3, "cannot be written")],
)  # fmt: skip
def test_a_file_that_cannot_be_written(review: Verb, tmp_path: Path, name: str, code: int, said: str) -> None:
    (tmp_path / "there.csv").write_text("decisions of a week", encoding="utf-8")
    ended, _, err = review("export", "--out", tmp_path / name)
    assert ended == code
    assert said in err
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "decisions of a week"


def test_a_disk_that_is_full_leaves_no_file(
    review: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("identity.private.os.fdopen", full)
    code, _, err = review("export", "--out", tmp_path / "pairs.csv")
    assert (code, "No space left" in err) == (3, True)
    assert list(tmp_path.glob("*pairs.csv*")) == []


# import


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_there_and_back(review: Verb, kept: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert review("export", "--out", out, "--with-personal-data")[0] == 0
    table = pd.read_parquet(out) if name.endswith("parquet") else pd.read_csv(out, dtype=str)
    table["decision"] = ["cannot_link", None, "must_link"]
    table["reviewer"] = ["S1", None, " S2 "]
    if name.endswith("parquet"):
        table.to_parquet(out)
    else:
        table.to_csv(out, index=False, sep=";")  # as a spreadsheet in Finnish saves it
    code, said, err = review("import", out, "--run-date", D1)
    assert (code, err) == (0, "")
    assert "2 new, 0 replaced, 0 as stored; 1 rows undecided" in said
    assert stored(kept) == [
        ("crm:1", "loyalty:7", "cannot_link", "S1", D1),
        ("crm:3", "loyalty:9", "must_link", "S2", D1),
    ]
    rows = DeltaTable(kept / "id" / "review_pair").to_pyarrow_table().to_pylist()
    assert [(row["why"], row["kind"], row["rule"], row["match_weight"]) for row in rows] == [
        ("near_threshold", "probabilistic", "finland-3", 3.0),
        ("near_threshold", "probabilistic", "finland-3", 2.0),
    ]
    # What is decided is asked no more.
    assert "1 of 1 pairs (conflicting_constraints 1)" in review("export", "--out", tmp_path / "next.csv")[1]


def test_the_same_file_again_changes_nothing(review: Verb, kept: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.csv", "crm,1,loyalty,7,must_link,S1", "crm,2,loyalty,7,cannot_link,S1")
    assert review("import", file, "--run-date", D1)[0] == 0
    before = stored(kept)
    code, said, _ = review("import", file, "--run-date", D2)
    assert (code, "0 new, 0 replaced, 2 as stored" in said) == (0, True)
    assert stored(kept) == before
    assert DeltaTable(kept / "id" / "review_pair").version() == 0


def test_a_newer_decision_replaces_the_older_and_says_so(review: Verb, kept: Path, tmp_path: Path) -> None:
    review("import", written(tmp_path / "a.csv", "crm,1,loyalty,7,must_link,S1"), "--run-date", D1)
    # The records in the other order are the same pair.
    newer = written(tmp_path / "b.csv", "loyalty,7,crm,1,cannot_link,S2")
    _, said, _ = review("import", newer, "--run-date", D2)
    assert "0 new, 1 replaced" in said
    assert "replaced: crm:1–loyalty:7 was must_link, is cannot_link" in said
    assert stored(kept) == [("crm:1", "loyalty:7", "cannot_link", "S2", D2)]


def test_a_decision_taken_back_is_asked_again(review: Verb, kept: Path, tmp_path: Path) -> None:
    review("import", written(tmp_path / "a.csv", "crm,1,loyalty,7,must_link,S1"), "--run-date", D1)
    back = written(tmp_path / "b.csv", "crm,1,loyalty,7,withdrawn,S2")
    _, said, _ = review("import", back, "--run-date", D2)
    assert "replaced: crm:1–loyalty:7 was must_link, is undecided" in said
    assert stored(kept) == [("crm:1", "loyalty:7", None, "S2", D2)]
    assert "0 replaced, 1 as stored" in review("import", back, "--run-date", D2)[1]
    assert "3 of 3 pairs" in review("export", "--out", tmp_path / "next.csv")[1]


def test_a_pair_nothing_asked_about(review: Verb, kept: Path, tmp_path: Path) -> None:
    rows = ["crm,1,crm,3,cannot_link,S1", "crm,2,loyalty,8,must_link,S1"]
    review("import", written(tmp_path / "a.csv", *rows), "--run-date", D1)
    found = DeltaTable(kept / "id" / "review_pair").to_pyarrow_table().to_pylist()
    assert [(row["why"], row["kind"], row["rule"]) for row in found] == [
        ("imported", None, None),
        ("imported", "deterministic", "email"),
    ]


def test_decisions_on_records_that_are_gone_or_barred_are_kept_and_rest(
    review: Verb, kept: Path, tmp_path: Path
) -> None:
    rows = ["crm,1,crm,4,must_link,S1", "crm,1,crm,5,must_link,S1", "crm,1,crm,2,cannot_link,S1"]
    code, said, _ = review("import", written(tmp_path / "a.csv", *rows), "--run-date", D1)
    assert (code, "2 decisions rest" in said) == (0, True)
    assert len(stored(kept)) == 3


def test_while_a_run_is_writing_nothing_is_taken(review: Verb, kept: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "crm,1,loyalty,7,must_link,S1")
    with only_writer(kept):
        assert review("import", file, "--run-date", D1)[0] == 8
    assert not (kept / "id" / "review_pair").exists()


def test_while_an_erasure_is_unfinished_nothing_is_taken(review: Verb, kept: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "crm,1,loyalty,7,must_link,S1")
    plan_file(kept).parent.mkdir()
    plan_file(kept).write_text("{}", encoding="utf-8")
    code, _, err = review("import", file, "--run-date", D1)
    assert (code, "identity erase --resume" in err) == (16, True)
    assert not (kept / "id" / "review_pair").exists()
    assert review("export", "--out", tmp_path / "b.csv", "--with-personal-data")[0] == 16
    assert not (tmp_path / "b.csv").exists()


@pytest.mark.parametrize("verb", ["export", "import"])
def test_a_folder_that_is_no_warehouse(review: Verb, kept: Path, tmp_path: Path, verb: str) -> None:
    shutil.rmtree(kept / "id")
    file = written(tmp_path / "a.csv", "crm,1,loyalty,7,must_link,S1")
    arguments = ["--out", tmp_path / "b.csv"] if verb == "export" else [file, "--run-date", D1]
    code, _, err = review(verb, *arguments)
    assert (code, "no warehouse" in err) == (2, True)


def test_a_warehouse_whose_runs_found_no_edge(review: Verb, kept: Path, tmp_path: Path) -> None:
    shutil.rmtree(kept / "id" / "edge")
    code, said, _ = review("export", "--out", tmp_path / "a.csv", "--with-personal-data")
    assert (code, "0 of 0 pairs" in said) == (0, True)
    assert "0 new" in review("import", tmp_path / "a.csv", "--run-date", D1)[1]

"""Every case of bad_decisions.yaml: faults told at once and a code; nothing of the file quoted, nothing taken."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from identity.cli import main
from identity.contracts import contract_of
from identity.resolve.decisions import PAIR

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "bad_decisions.yaml").read_text(encoding="utf-8")
)
HEADER = ",".join([*PAIR, "decision", "reviewer"])
RECORDS = ["crm:1", "crm:2", "crm:3", "crm:4", "loyalty:7", "loyalty:8", "cookie:abc"]
DECIDED = [
    ("crm:1", "crm:2", "must_link"),
    ("crm:2", "loyalty:7", "must_link"),
    ("crm:3", "loyalty:8", "cannot_link"),
]
D1 = dt.date(2026, 2, 1)


@pytest.fixture
def kept(warehouse: Path) -> Path:
    members = [
        {"golden_id": record, "source": record.split(":")[0], "source_key": record.split(":")[1],
         "link_permission": "permitted", "valid_from_on": D1}
        for record in RECORDS
    ]  # fmt: skip
    decided = [
        dict(zip(PAIR, (*a.split(":"), *b.split(":")), strict=True))
        | {"why": "imported", "decision": decision, "reviewer": "S0", "decided_on": D1}
        for a, b, decision in DECIDED
    ]
    for name, rows in {"golden_member": members, "review_pair": decided}.items():
        table = pa.Table.from_pylist(rows, contract_of(f"id.{name}").arrow_schema)
        write_deltalake(warehouse / "id" / name, table)
    return warehouse


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_nothing_is_taken_and_every_fault_is_told(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: dict[str, Any]
) -> None:
    file = tmp_path / "pairs.csv"
    text = case["text"] if "text" in case else "\n".join([HEADER, *case["rows"]]) + "\n"
    file.write_text(text, encoding="utf-8")
    day = case.get("run_date", "2026-02-02")
    conf = ["--conf", str(ROOT / "conf" / "local.yaml"), "--warehouse", str(kept)]
    with pytest.raises(SystemExit) as ended:
        main(["review", "import", str(file), "--run-date", day, *conf])
    code, *lines = case["error"]
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (code, "")
    told = said.err.strip().splitlines()
    assert len(told) == len(lines) + (code == 13)  # and a line that says that nothing was taken
    assert [line for line in lines if not any(line in other for other in told)] == []
    assert "Maija" not in said.err
    assert DeltaTable(kept / "id" / "review_pair").version() == 0

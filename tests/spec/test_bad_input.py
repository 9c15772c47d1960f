"""Every case of bad_input.yaml: a clear line and an exit code, or a quarantined row; nothing lost either way."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from rich.console import Console

from identity.cli import main
from identity.config_reading import load_config
from identity.errors import IdentityError, LockError, ModelError
from identity.linkage.model_file import read_model
from identity.pipeline import run_stages
from identity.resolve.records import FIELDS
from identity.run import Run, only_writer
from identity.tables import Tables

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "bad_input.yaml").read_text(encoding="utf-8")
)
DAY = dt.date(2026, 1, 31)
HEADER = (
    "receipt_id,line_no,store_id,till_no,sold_at,product_id,quantity,gross_amount,discount_amount,net_amount,"
    "currency,loyalty_card_no,payment_token,e_receipt_email\n"
)
# Enough good rows that one bad row among them is below the quarantine limit.
GOOD = "".join(f"R1,{n},S1,1,2026-01-30T10:00:00Z,P1,1,9.90,0.00,9.90,EUR,,,\n" for n in range(1, 31))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    tills = folder / DAY.isoformat() / "tills"
    tills.mkdir(parents=True)
    (tills / "receipt_lines.csv").write_text(HEADER + GOOD, encoding="utf-8")
    (tills / "till_totals.csv").write_text(
        "store_id,business_date,lines,net_amount,currency\nS1,2026-01-30,30,297.00,EUR\n", encoding="utf-8"
    )
    return folder


def ingest(spark: SparkSession, landing: Path, warehouse: Path) -> Tables:
    config = load_config(ROOT / "conf" / "local.yaml", landing=landing, warehouse=warehouse, need_model=False)
    tables = Tables(spark, warehouse)
    run_stages(Run(config, tables, DAY, config.secret(), Console(file=io.StringIO())), ["ingest"])
    return tables


def deliver(case: dict[str, Any], landing: Path) -> None:
    path = landing / DAY.isoformat() / case["file"]
    path.parent.mkdir(exist_ok=True)
    if "row_latin1" in case:
        path.write_bytes(
            (HEADER + GOOD.replace("R1,", "R3,")).encode() + case["row_latin1"].encode("latin-1") + b"\n"
        )
    elif "row" in case:
        path.write_text(HEADER + GOOD.replace("R1,", "R3,") + case["row"] + "\n", encoding="utf-8")
    else:
        path.write_text(case["text"], encoding="utf-8")


@pytest.mark.parametrize("case", [c for c in CASES if "error" in c], ids=lambda c: c["case"])
def test_the_run_ends_with_one_line_and_its_code(
    spark: SparkSession, landing: Path, warehouse: Path, case: dict[str, Any]
) -> None:
    deliver(case, landing)
    code, said = case["error"]
    with pytest.raises(IdentityError) as caught:
        ingest(spark, landing, warehouse)
    assert caught.value.exit_code == code
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    tables = Tables(spark, warehouse)
    assert tables.read("bronze.tills").count() == 0
    # Mended, the same delivery is taken whole.
    (landing / DAY.isoformat() / case["file"]).unlink()
    assert ingest(spark, landing, warehouse).read("bronze.tills").count() == 31


def test_bad_rows_are_quarantined_with_their_reason(
    spark: SparkSession, landing: Path, warehouse: Path
) -> None:
    cases = [c for c in CASES if "quarantine" in c]
    for number, case in enumerate(cases):
        deliver({**case, "file": f"tills/receipt_lines_case{number:02}.csv"}, landing)
        # The same bytes in two files would be one delivery, so each case's good rows are its own.
        path = landing / DAY.isoformat() / f"tills/receipt_lines_case{number:02}.csv"
        path.write_bytes(path.read_bytes().replace(b"R3,", f"R3{number:02},".encode()))
    tables = ingest(spark, landing, warehouse)
    rows = tables.read("ops.quarantine").collect()
    found = {
        row["file"].rsplit("case", 1)[1][:2]: (row["reason"], row["column_name"], row["row_no"])
        for row in rows
    }
    assert len(rows) == len(cases) > 5
    for number, case in enumerate(cases):
        reason, column = case["quarantine"]
        assert found[f"{number:02}"] == (reason, column, 32), case["case"]
    # Nothing is lost: every good row is in bronze.
    assert tables.read("bronze.tills").count() == 31 + 30 * len(cases)


def test_a_required_file_is_missing(spark: SparkSession, landing: Path, warehouse: Path) -> None:
    (landing / DAY.isoformat() / "tills" / "till_totals.csv").unlink()
    with pytest.raises(IdentityError, match=r"till_totals.*is missing") as caught:
        ingest(spark, landing, warehouse)
    assert caught.value.exit_code == 4


def test_two_writers(warehouse: Path) -> None:
    with only_writer(warehouse), pytest.raises(LockError), only_writer(warehouse):
        pass


def test_a_model_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(ModelError, match="format"):
        read_model(path, FIELDS)


COMPARE = ["compare-models", "--conf", "conf/local.yaml", "--model", "new.json", "--run-date", "2026-01-31"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (None, "no model file"),
        ('{"format": 99}', "not a model of format"),
        ("other columns", "which the table does not have"),
        ("another name", "says it is version"),
    ],
)
def test_compare_models_refuses_a_model_before_spark_starts(
    model: str | None,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "silver" / "person_record").mkdir(parents=True)
    path = tmp_path / "new.json"
    shipped = (ROOT / "conf/models/finland-3.json").read_text(encoding="utf-8")
    told = {"other columns": shipped.replace("phone_l", "fax_l"), "another name": shipped}
    if model is not None:
        path.write_text(told.get(model, model), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([*COMPARE, "--model", str(path), "--warehouse", str(tmp_path)])
    assert ended.value.code == 10
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--conf", "nowhere.yaml", "--run-date", "2026-01-31"], 2, "no such file"),
        (["run", "--conf", "conf/local.yaml", "--run-date", "31.1.2026"], 2, "yyyy-mm-dd"),
        (["run", "--conf", "conf/local.yaml", "--no-such-option"], 2, "No such option"),
        (["evaluate", "--warehouse", "nowhere", "--truth", "nowhere"], 2, "no warehouse"),
        (["evaluate", "--warehouse", "nowhere"], 2, "no warehouse"),
        (["evaluate", "--warehouse", "nowhere", "--since", "yesterday"], 2, "yyyy-mm-dd"),
        (["evaluate", "--warehouse", "nowhere", "--html", "README.md"], 2, "choose another name"),
        (["history", "an-id", "--conf", "conf/local.yaml", "--warehouse", "nowhere"], 12, "ever published in"),
        (["history", "an-id", "--conf", "conf/local.yaml", "--as-of", "yesterday"], 2, "yyyy-mm-dd"),
        (["why", "crm:1", "crm:2", "--conf", "conf/local.yaml", "--warehouse", "nowhere"], 2, "no warehouse"),
        (["why-not", "crm:1", "crm:2", "--conf", "conf/local.yaml", "--html", "README.md"], 2, "choose another name"),
        (["train", "--conf", "conf/local.yaml", "--run-date", "2026-01-31", "--out", "model.html"], 2, "ends in .json"),
        (["train", "--conf", "conf/local.yaml", "--run-date", "2026-01-31", "--keep", ".99"], 2, "--keep <= --join"),
        (["train", "--conf", "conf/local.yaml", "--run-date", "2026-01-31", "--out", "README.md/m.json"], 3, "cannot be written"),
        ([*COMPARE, "--warehouse", "nowhere"], 2, "no silver"),
        ([*COMPARE, "--html", "README.md"], 2, "choose another name"),
        ([*COMPARE, "--warehouse", "nowhere", "--run-date", "31.1.2026"], 2, "yyyy-mm-dd"),
        (["run", "--conf", "conf/local.yaml", "--run-date", "2026-01-31", "--warehouse", "README.md/w"], 3, "cannot be written"),
    ],
)  # fmt: skip
def test_the_command_line_says_what_is_wrong_before_spark_starts(
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    told = capsys.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_a_misspelt_key_and_another_fault_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "conf.yaml"
    conf.write_text(
        f"extends: {ROOT}/conf/local.yaml\nspakr: {{}}\nquality: {{max_quarantine_share: 7}}\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as ended:
        main(["validate-config", "--conf", str(conf)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "spakr" in told
    assert "max_quarantine_share" in told

"""The gates: suites follow contracts, each expectation fails when it should, and no value ever gets out."""

import datetime as dt
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.quality_gate import gated_contracts, made_up
from identity import quality
from identity.contracts import TableContract, all_contracts, contract_of
from identity.errors import QualityGateError
from identity.quality import check_facts, check_landing, check_table, raise_if_failed, suite_of, write_docs
from identity.quality_docs import CheckResult

NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
KEY = "expect_key_to_be_unique"
COLUMNS = "expect_table_columns_to_match_ordered_list"
EQUAL = "expect_column_pair_values_to_be_equal"
WITHIN = "expect_column_pair_values_a_to_be_greater_than_b"
COMPOUND = "expect_compound_columns_to_be_unique"

PLANTED = ("Veijo", "Salainen", "veijo.salainen@example.fi", "+358401234567")


def a_column(type_: str, **more: object) -> dict[str, object]:
    return {
        "type": type_,
        "meaning": "m",
        "category": "reference",
        "purposes": ["p"],
        "retention_days": 1,
        **more,
    }


CONTRACT = TableContract.model_validate(
    {
        "name": "silver.card",
        "meaning": "A card.",
        "key": ["source", "card"],
        "columns": {
            "source": a_column("string", required=True),
            "card": a_column("string"),
            "holder": a_column("string", personal=True, required=True),
            "email": a_column("string", personal=True, values=["a@b.fi"], min=1, max=2),
            "kind": a_column("string", required=True, values=["own", "shared"]),
            "score": a_column("double", min=0, max=10),
            "tags": a_column("map<string,string>"),
        },
    }
)

GOOD = [
    ("crm", "1", "Veijo Salainen", "veijo.salainen@example.fi", "own", 0.0, {"a": "b"}),
    ("crm", "2", "Aino Arka", None, "shared", 10.0, None),
    ("pos", "1", "Veijo Salainen", None, "own", None, None),
]


def frame(spark: SparkSession, rows: Sequence[tuple[object, ...]]) -> DataFrame:
    return spark.createDataFrame([tuple(row) for row in rows], CONTRACT.ddl)


def changed(row: int, **cells: object) -> list[tuple[object, ...]]:
    """The good rows with some cells of one row changed."""
    names = list(CONTRACT.columns)
    rows: list[list[object]] = [list(good) for good in GOOD]
    for name, value in cells.items():
        rows[row][names.index(name)] = value
    return [tuple(r) for r in rows]


def by_spark(df: DataFrame, contract: TableContract = CONTRACT) -> list[CheckResult]:
    return check_table(gate="silver", rows=df, contract=contract)


def checked(df: DataFrame, contract: TableContract = CONTRACT) -> list[CheckResult]:
    """Checked by Spark; in this process it must come to the same."""
    results = by_spark(df, contract)
    assert check_table(gate="silver", rows=df.toArrow(), contract=contract) == results
    return results


def failures(results: Sequence[CheckResult]) -> list[tuple[str, str, int | None, int | None]]:
    return [(r.expectation, r.column, r.unexpected, r.checked) for r in results if not r.success]


def test_a_suite_says_what_the_contract_says() -> None:
    suite = suite_of(CONTRACT)
    said = [(e.expectation_type, dict(e.configuration.kwargs)) for e in suite.expectations]
    assert suite.name == "silver.card"
    assert said == [
        (COLUMNS, {"column_list": list(CONTRACT.columns)}),
        (KEY, {"column_list": ["source", "card"]}),
        (NULL, {"column": "source"}),
        (NULL, {"column": "card"}),  # a key column, though not required
        (NULL, {"column": "holder"}),
        (NULL, {"column": "kind"}),
        (IN_SET, {"column": "kind", "value_set": ["own", "shared"]}),
        (BETWEEN, {"column": "score", "min_value": 0, "max_value": 10}),
    ]


@pytest.mark.parametrize("contract", all_contracts(), ids=lambda contract: contract.name)
def test_personal_columns_are_only_asked_whether_they_are_filled(contract: TableContract) -> None:
    personal = {name for name, column in contract.columns.items() if column.personal}
    for expectation in suite_of(contract).expectations:
        about = expectation.configuration.kwargs.get("column")
        assert about not in personal or expectation.expectation_type == NULL


def test_a_good_table_passes_and_every_row_was_looked_at(spark: SparkSession) -> None:
    results = checked(frame(spark, GOOD))
    assert len(results) == 8
    assert all(result.success for result in results)
    assert {(result.checked, result.unexpected) for result in results} == {(3, 0)}
    raise_if_failed(gate="silver", results=results)


def test_an_empty_table_passes(spark: SparkSession) -> None:
    assert failures(checked(frame(spark, []))) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(changed(0, source=None), [(NULL, "source", 1, 3)], id="key column empty"),
        pytest.param(changed(0, holder=None), [(NULL, "holder", 1, 3)], id="required column empty"),
        pytest.param(changed(1, kind="Veijo"), [(IN_SET, "kind", 1, 3)], id="value not in the set"),
        pytest.param(changed(1, kind=None), [(NULL, "kind", 1, 3)], id="empty is not a wrong value"),
        pytest.param(changed(0, score=-0.5), [(BETWEEN, "score", 1, 3)], id="below the minimum"),
        pytest.param(changed(1, score=10.5), [(BETWEEN, "score", 1, 3)], id="above the maximum"),
        pytest.param(
            GOOD + GOOD[:1] * 2, [(KEY, "source, card", 2, 5)], id="key three times: two rows too many"
        ),
        pytest.param(changed(1, card="1"), [(KEY, "source, card", 1, 3)], id="key twice"),
        pytest.param(
            [*changed(0, card=None), changed(0, card=None)[0]],
            [(KEY, "source, card", 1, 4), (NULL, "card", 2, 4)],
            id="a key with an empty part still counts as a key",
        ),
        pytest.param(
            changed(0, holder=None, kind="x", score=99.0),
            [(NULL, "holder", 1, 3), (IN_SET, "kind", 1, 3), (BETWEEN, "score", 1, 3)],
            id="several at once",
        ),
    ],
)
def test_what_is_wrong_fails_with_its_count(
    spark: SparkSession, rows: Sequence[tuple[object, ...]], expected: list[tuple[str, str, int, int]]
) -> None:
    assert failures(checked(frame(spark, rows))) == expected


def test_a_missing_column_fails_the_table_and_leaves_the_others_checked(spark: SparkSession) -> None:
    results = checked(frame(spark, changed(0, score=99.0)).drop("kind"))
    assert failures(results) == [(COLUMNS, "table", 3, 3), (BETWEEN, "score", 1, 3)]
    assert "kind" not in {result.column for result in results}


def test_surplus_and_reordered_columns_fail(spark: SparkSession) -> None:
    good = frame(spark, GOOD)
    assert failures(checked(good.withColumn("extra", F.lit(1)))) == [(COLUMNS, "table", 1, 3)]
    assert failures(checked(good.select(*reversed(good.columns)))) == [(COLUMNS, "table", 6, 3)]


def test_keys_with_empty_parts_count_as_keys(spark: SparkSession) -> None:
    results = checked(frame(spark, [*changed(0, card=None), *changed(0, card=None)[:1]]))
    assert failures(results) == [(KEY, "source, card", 1, 4), (NULL, "card", 2, 4)]


@pytest.mark.parametrize("contract", gated_contracts(), ids=lambda contract: contract.name)
def test_both_engines_read_every_type_there_is(spark: SparkSession, contract: TableContract) -> None:
    good = made_up(spark, contract, rows=20)
    assert failures(checked(good, contract)) == []
    doubled = good.unionByName(good.limit(1))
    assert failures(checked(doubled, contract)) == [(KEY, ", ".join(contract.key), 1, 21)]


def test_a_key_of_one_column(spark: SparkSession) -> None:
    contract = contract_of("silver.loyalty_account")
    rows = [("1", "gold", None), ("1", "basic", None)]
    results = checked(spark.createDataFrame(rows, contract.ddl), contract)
    assert failures(results) == [(KEY, "account_no", 1, 2)]


def test_a_table_is_read_twice_and_again_only_to_count_failures(spark: SparkSession) -> None:
    """This keeps the gates quick; a Great Expectations that asks more of Spark shows up here."""

    def reads(rows: Sequence[tuple[object, ...]]) -> float:
        seen = spark.sparkContext.accumulator(0)

        def count(part: Iterable[object]) -> Iterator[object]:
            for row in part:
                seen.add(1)
                yield row

        lines = spark.sparkContext.parallelize(rows, 1).mapPartitions(count)
        by_spark(spark.createDataFrame(lines, CONTRACT.ddl))
        return seen.value / len(rows)

    assert reads(GOOD) == 2
    assert reads(changed(0, holder=None, kind="x", score=99.0)) == 4


def test_what_spark_cannot_evaluate_fails_without_counts_and_without_its_message(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, logger="py4j")  # the wire between Python and the JVM, rows and all
    broken = frame(spark, GOOD).withColumn("score", F.col("holder").cast("double"))
    results = by_spark(broken)
    failed = failures(results)
    assert (BETWEEN, "score", None, None) in failed
    with pytest.raises(QualityGateError, match="could not be evaluated") as caught:
        raise_if_failed(gate="silver", results=results)
    for value in PLANTED:
        assert value not in f"{results}{caught.value}{caplog.text}"


def test_the_error_is_one_line_of_tables_expectations_columns_and_counts(spark: SparkSession) -> None:
    results = checked(frame(spark, changed(0, kind="Veijo", score=99.0)))
    with pytest.raises(QualityGateError) as caught:
        raise_if_failed(gate="silver", results=results)
    assert str(caught.value) == (
        f"gate silver: silver.card {IN_SET}(kind): 1 of 3; silver.card {BETWEEN}(score): 1 of 3"
    )


def test_a_result_is_a_row_of_its_table(spark: SparkSession) -> None:
    row = checked(frame(spark, GOOD))[1].row(run_id="r", checked_at=dt.datetime(2026, 1, 31, tzinfo=dt.UTC))
    assert list(row) == list(contract_of("ops.dq_result").columns)
    assert row["column_name"] == "source, card"
    assert row["checked"] == 3


def a_file(**cells: object) -> dict[str, object]:
    counts = {"delivered": 100, "accepted": 90, "quarantined": 5, "suppressed": 5}
    return {"source": "crm", "feed": "person", "file": "a.csv", **counts, "limit": 0.05, **cells}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param([a_file(), a_file(file="b.csv")], [], id="good"),
        pytest.param([], [], id="no files"),
        pytest.param(
            [a_file(delivered=0, accepted=0, quarantined=0, suppressed=0)],
            [],
            id="a file without rows has no bad ones",
        ),
        pytest.param([a_file(accepted=89)], [(EQUAL, "delivered, accounted_for", 1, 1)], id="a row got lost"),
        pytest.param(
            [a_file(), a_file(file="b.csv", accepted=89, quarantined=6)],
            [(WITHIN, "limit, quarantine_share", 1, 2)],
            id="too many bad rows",
        ),
        pytest.param([a_file(), a_file()], [(COMPOUND, "source, feed, file", 2, 2)], id="a file twice"),
    ],
)
def test_the_landing_register(
    files: list[dict[str, object]], expected: list[tuple[str, str, int, int]]
) -> None:
    assert failures(check_landing(register=files)) == expected


def test_facts_must_be_zero() -> None:
    results = check_facts(
        gate="id", facts={"records_without_open_membership": 0, "barred_records_with_edges": 7}
    )
    assert [(r.table, r.column, r.success, r.unexpected) for r in results] == [
        ("id.facts", "records_without_open_membership", True, 0),
        ("id.facts", "barred_records_with_edges", False, 7),
    ]
    with pytest.raises(QualityGateError, match=r"id\.facts .*\(barred_records_with_edges\): 7$"):
        raise_if_failed(gate="id", results=results)
    assert check_facts(gate="id", facts={}) == []


def test_no_value_gets_into_results_errors_logs_or_docs(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, logger="py4j")  # the wire between Python and the JVM, rows and all
    name, first, email, phone = "Veijo Salainen", "Veijo", "veijo.salainen@example.fi", "+358401234567"
    rows = [
        (name, None, None, email, first, 99.0, {phone: name}),
        (name, email, name, email, email, -1.0, {phone: name}),
        (name, email, name, email, phone, -1.0, {phone: name}),
    ]
    results = checked(frame(spark, rows).withColumn("surplus", F.lit(name)))
    assert {r.expectation for r in results if not r.success} == {COLUMNS, KEY, NULL, IN_SET, BETWEEN}
    with pytest.raises(QualityGateError) as caught:
        raise_if_failed(gate="silver", results=results)
    index = write_docs(results=results, folder=tmp_path / "docs", title="run 1")
    pages = [path.read_text(encoding="utf-8") for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    told = "".join([*pages, repr(results), str(caught.value), caplog.text, *capfd.readouterr()])
    assert index.is_file()
    for value in PLANTED:
        assert value not in told


def test_docs_open_without_network_and_keep_the_other_gates(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    bad = checked(frame(spark, changed(0, kind="x")))
    write_docs(results=check_landing(register=[a_file()]), folder=folder, title="run 1")
    index = write_docs(results=[*bad, *check_facts(gate="id", facts={"n": 2})], folder=folder, title="run 1")
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))
    assert written == [
        "id/id.facts.html",
        "id/index.html",
        "index.html",
        "landing/index.html",
        "landing/landing.register.html",
        "silver/index.html",
        "silver/silver.card.html",
    ]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".html"] == []
    for path in folder.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"https?:|//|<script|<link|<img|@import|url\(", page.replace("<!DOCTYPE", ""))
        for link in re.findall(r'href="([^"#]+)"', page):
            assert (path.parent / link).is_file()
    assert all(
        f'href="{gate}/index.html"' in index.read_text("utf-8") for gate in ("landing", "silver", "id")
    )
    page = (folder / "silver" / "silver.card.html").read_text(encoding="utf-8")
    assert "1 unexpected values found" in page
    assert "must be unique together" in page


def test_nothing_is_sent_and_nothing_shows_progress(
    spark: SparkSession, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(self: socket.socket, address: object) -> None:
        # Spark's own gateway is local; anything else would be telemetry.
        assert isinstance(address, tuple)
        assert address[0] in {"127.0.0.1", "localhost", "::1"}, "a call home"
        connect(self, address)

    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", refuse)
    quality.warm_up()
    checked(frame(spark, GOOD))
    assert "Calculating Metrics" not in capfd.readouterr().err


def test_checking_leaves_no_file_behind(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a context makes a temporary folder for docs, and a configuration in the home folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    checked(frame(spark, changed(0, kind="x")))
    check_landing(register=[a_file()])
    assert list(tmp_path.iterdir()) == []

"""`identity link` from files to files: the result, its independence of order, and everything that can be wrong."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from identity.cli import main
from identity.errors import ConfigError, IdentityError, ModelError, SourceError
from identity.link import LinkRequest, LinkResult, link
from identity.linkage.frequencies import FEWEST
from identity.pages.link_report import link_page
from tests.unit.linkage.conftest import town as make_town

town = make_town


@pytest.fixture(scope="module")
def table(town: tuple[pd.DataFrame, list[int]]) -> pd.DataFrame:
    """The town as somebody's file, with an id."""
    records = town[0].rename(
        columns={"first": "first_name", "last": "surname", "mail": "email", "number": "house_no"}
    )
    return records.assign(record_id=[f"r{n:04}" for n in range(len(records))], spare=None)


@pytest.fixture(scope="module")
def file(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def truth(
    table: pd.DataFrame, town: tuple[pd.DataFrame, list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.parquet"
    pd.DataFrame({"record_id": table["record_id"], "entity_id": town[1]}).to_parquet(path)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["link", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_the_verb_writes_all_files_and_prints_the_figures(
    file: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(file, "--out", tmp_path / "out", "--truth", truth, "--json") == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["edges.parquet", "golden_ids.parquet", "model.json", "report.html"]
    golden = pd.read_parquet(tmp_path / "out" / "golden_ids.parquet")
    assert list(golden.columns) == ["record_id", "golden_id"]
    assert (figures["records"], figures["golden_ids"]) == (len(golden), golden["golden_id"].nunique())
    assert figures["types"]["house_no"] == "house_number"
    assert "spare" not in figures["types"]
    assert set(figures) == {
        "records",
        "golden_ids",
        "seconds",
        "types",
        "edges",
        "clusters",
        "blocking_recall",
    }
    assert figures["clusters"]["pairwise"]["f1"] > 0.95
    edges = pd.read_parquet(tmp_path / "out" / "edges.parquet")
    assert (edges["record_id_l"] < edges["record_id_r"]).all()
    assert edges["match_probability"].between(0, 1).all()


def test_without_truth_there_are_no_scores(file: Path):
    assert set(link(LinkRequest([file])).summary) == {"records", "golden_ids", "seconds", "types"}


def result_of(table: pd.DataFrame, folder: Path, **more: Any) -> LinkResult:
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / "town.parquet", index=False)
    return link(LinkRequest([folder / "town.parquet"], **more))


def test_rows_in_any_order_give_the_same(file: Path, table: pd.DataFrame, tmp_path: Path):
    order = list(range(len(table)))
    random.Random(3).shuffle(order)
    first, second = link(LinkRequest([file])), result_of(table.iloc[order], tmp_path / "a")
    pd.testing.assert_frame_equal(first.golden_ids, second.golden_ids)
    pd.testing.assert_frame_equal(first.edges, second.edges)
    assert first.model == second.model


def test_two_files_are_two_sources(table: pd.DataFrame, tmp_path: Path):
    table.iloc[::2].to_parquet(tmp_path / "shop.parquet")
    table.iloc[1::2].to_csv(tmp_path / "club.csv", index=False)
    golden = link(LinkRequest([tmp_path / "shop.parquet", tmp_path / "club.csv"])).golden_ids
    assert golden["source"].value_counts().to_dict() == {
        "shop": (len(table) + 1) // 2,
        "club": len(table) // 2,
    }


def test_an_id_may_come_once_in_every_source(table: pd.DataFrame, truth: Path, tmp_path: Path):
    half = len(table) // 2
    for name, part in (("shop", table.iloc[:half]), ("club", table.iloc[half:])):
        part.assign(record_id=range(len(part))).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [tmp_path / "shop.csv", tmp_path / "club.csv"]
    result = link(LinkRequest(files))
    assert not result.golden_ids.duplicated(["source", "record_id"]).any()
    assert {"source_l", "source_r"} <= set(result.edges.columns)
    with pytest.raises(SourceError, match="share an id, so a truth by record_id cannot tell them apart"):
        link(LinkRequest(files, truth=truth))


def test_a_model_scores_another_table(file: Path, table: pd.DataFrame, tmp_path: Path):
    first = link(LinkRequest([file]))
    first.write(tmp_path, page="")
    some = table[table["record_id"] < "r0200"]
    second = result_of(some, tmp_path / "some", model=tmp_path / "model.json")
    assert json.loads(second.model)["splink"] == json.loads(first.model)["splink"]
    together = first.golden_ids.merge(second.golden_ids, on="record_id", suffixes=("", "_some"))
    assert (together.groupby("golden_id_some")["golden_id"].nunique() == 1).mean() > 0.95


ONE = {"first_name": ["Anna"], "surname": ["Aho"], "dob": ["1980-01-31"], "email": ["a@x.fi"]}


@pytest.mark.parametrize(("rows", "ids"), [(1, 1), (10, 1)])
def test_very_little_is_linked_all_the_same(rows: int, ids: int, tmp_path: Path):
    result = result_of(pd.DataFrame({name: values * rows for name, values in ONE.items()}), tmp_path)
    assert (result.summary["records"], result.summary["golden_ids"]) == (rows, ids)


def test_records_that_are_all_empty_are_nobody_in_common(tmp_path: Path):
    nobody = pd.DataFrame({name: [None] * 3 for name in ONE} | {"first_name": ["Anna", None, None]})
    assert result_of(nobody, tmp_path).summary["golden_ids"] == 3


def test_nothing_in_common_is_nobody_in_common(tmp_path: Path):
    strangers = pd.DataFrame(
        {"first_name": ["Anna", "Otto"], "surname": ["Aho", "Virta"], "dob": ["1980-01-31", "1955-12-01"]}
    )
    assert result_of(strangers, tmp_path).summary["golden_ids"] == 2


def broken(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CSV = "id,first_name,surname,dob\n" + "".join(f"{n},Anna,Aho,1980-01-{n % 28 + 1:02}\n" for n in range(3000))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", "", "the file is empty"),
        ("header.csv", CSV.split("\n", 1)[0], "no records"),
        (
            "bad.csv",
            CSV + '9001,"Anna,Aho,1980\n' + CSV.split("\n", 1)[1],
            "line 3002: cannot be read as CSV with 4",
        ),
        ("latin.csv", CSV.encode() + b"9001,P\xe4ivi,Aho,1980-01-01\n", "line 3002: not in UTF-8"),
        ("not.parquet", "PAR?", "cannot be read as Parquet"),
        (
            "twice.csv",
            CSV + "5,Otto,Aho,1980-01-01\n",
            "column id: 2 records share an id with another of their source",
        ),
        ("gap.csv", CSV + ",Otto,Aho,1980-01-01\n", "column id: 1 records have no id"),
    ],
)
def test_files_that_cannot_be_read(name: str, text: str | bytes | None, told: str, tmp_path: Path):
    path = tmp_path / name if text is None else broken(tmp_path, name, text)
    with pytest.raises(SourceError, match=told) as error:
        link(LinkRequest([path]))
    assert "Päivi" not in str(error.value)
    assert "Anna" not in str(error.value)


@pytest.mark.parametrize(
    ("more", "kind", "told"),
    [
        ({"id_column": "nope"}, ConfigError, "--id: no column nope; there are"),
        ({"source_column": "nope"}, ConfigError, "no column nope; there are"),
        ({"types": {"surname": "lastname"}}, ConfigError, "surname: no type lastname; there are given_name"),
        ({"model": Path("nope.json")}, ModelError, "nope.json: no model file"),
    ],
)
def test_requests_that_cannot_be_met(more: dict[str, Any], kind: type[IdentityError], told: str, file: Path):
    with pytest.raises(kind, match=told):
        link(LinkRequest([file], **more))


def test_a_table_that_says_nothing_of_persons(tmp_path: Path):
    with pytest.raises(ConfigError, match="no column of colour, size is known to say who somebody is"):
        result_of(pd.DataFrame({"colour": ["red", "blue", "red"], "size": ["1", "2", "1"]}), tmp_path)


def test_a_truth_that_misses_records(file: Path, tmp_path: Path):
    pd.DataFrame({"record_id": ["r0000"], "entity_id": ["e"]}).to_parquet(tmp_path / "truth.parquet")
    with pytest.raises(SourceError, match=r"of [0-9]+ records are not in it"):
        link(LinkRequest([file], truth=tmp_path / "truth.parquet"))


def test_much_is_compared_on_spark_with_the_same_result(
    file: Path, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
):
    started: list[str] = []
    monkeypatch.setattr("identity.cli.link.MOST_HERE", 0)
    monkeypatch.setattr(
        "identity.session.build_session", lambda *, app_name: [spark, started.append(app_name)][0]
    )
    monkeypatch.setattr("identity.session.stop_session", lambda _: started.append("stopped"))
    assert run(file, "--out", tmp_path / "out") == 0
    assert started == ["identity-link", "stopped"]
    here = link(LinkRequest([file]))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out/golden_ids.parquet"), here.golden_ids)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out/edges.parquet"), here.edges)


def test_models_that_do_not_fit(file: Path, tmp_path: Path):
    result = link(LinkRequest([file]))
    other = broken(tmp_path, "other.json", result.model.replace("identity-link-2", "identity-link-0"))
    with pytest.raises(ModelError, match="not a model of format identity-link-2"):
        link(LinkRequest([file], model=other))
    half = broken(tmp_path, "half.json", json.dumps({"format": "identity-link-2"}))
    with pytest.raises(ModelError, match="parts of the model are missing"):
        link(LinkRequest([file], model=half))
    fits = broken(tmp_path, "fits.json", result.model)
    with pytest.raises(ModelError, match=r"the model compares .*email"):
        link(LinkRequest([file], types={"email": "ignore"}, model=fits))


def test_what_cannot_be_written_is_said_before_linking(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("identity.link.link", lambda *_, **__: pytest.fail("linked all the same"))
    assert run(file, "--out", file) == 3


def test_a_page_that_cannot_be_drawn_leaves_no_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("identity.pages.link_report.page_text", lambda **_: 1 / 0)
    assert run(file, "--out", tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()


def test_an_error_leaves_no_file(file: Path, tmp_path: Path):
    assert run(file, "--out", tmp_path / "out", "--map", "surname") == 2
    assert run(tmp_path / "none.csv", "--out", tmp_path / "out") == 4
    assert run(file, "--out", file / "below") == 3
    assert run(file, "--out", file) == 3
    assert not (tmp_path / "out").exists()


def test_the_report_tells_the_figures_and_no_value_of_a_record(file: Path, table: pd.DataFrame, truth: Path):
    result = link(LinkRequest([file], truth=truth))
    page = link_page(result, title="town")
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert f"<strong>{result.summary['golden_ids']:,}</strong>persons" in page
    assert f"<strong>{result.summary['clusters']['pairwise']['f1']:.3f}</strong>F1" in page
    sizes = result.golden_ids["golden_id"].value_counts().value_counts()
    for size, persons in sizes.items():
        assert f'<td>{size}</td><td class="n">{persons}</td>' in re.sub(r"\s*\n\s*", "", page)
    values = {str(v) for column in ("first_name", "surname", "born", "email") for v in table[column].dropna()}
    words = set(re.findall(r"[\w@.-]+", page.lower()))
    assert not {value for value in values if value.lower() in words}


def test_a_model_holds_no_value_that_few_records_have(file: Path, table: pd.DataFrame):
    words = set(re.findall(r"[\w@.-]+", link(LinkRequest([file])).model.lower()))
    for column in ("first_name", "surname", "born", "email"):
        counts = table[column].dropna().str.lower().value_counts()
        few = counts[counts < FEWEST] if column in ("first_name", "surname") else counts
        assert not words & set(few.index), column

"""`identity why` and `identity why-not` over a small warehouse; no Spark is started."""

import datetime as dt
import json
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from identity.cli import main
from identity.contracts import contract_of

ROOT = Path(__file__).parents[2]
PERSONAL = ["Salla", "Åho", "Örn", "salla@posti.example", "+358401234567", "1980-01-31", "kauppakatu"]
DEVICE = "ab" * 32
DAY = dt.date(2026, 1, 31)
AT = dt.datetime(2026, 1, 30, 12, 0, tzinfo=dt.UTC)


def parts(record: str) -> dict[str, str]:
    source, _, key = record.partition(":")
    return {"source": source, "source_key": key}


def edge(
    left: str, right: str, rule: str, bits: float | None = None, reason: str | None = None
) -> dict[str, Any]:
    ends = {f"{n}_{side}": v for side, r in (("l", left), ("r", right)) for n, v in parts(r).items()}
    said = [
        {"comparison": "given", "level": 7, "label": "given equal", "bits": 9.0},
        {"comparison": "household", "level": None, "label": "a household would explain it too", "bits": -1.5},
    ]
    return ends | {
        "kind": "deterministic" if bits is None else "probabilistic", "rule": rule, "rank": 6 if bits is None else 100,
        "match_weight": bits, "probability": None if bits is None else 1 / (1 + 2**-bits),
        "fate": "rejected" if reason else "used", "reason": reason, "evidence": None if bits is None else said,
    }  # fmt: skip


def member(record: str, golden_id: str, **more: Any) -> dict[str, Any]:
    row = {"golden_id": golden_id, "level": "identified", "link_permission": "permitted", "confidence": 1.0}
    return parts(record) | row | {"valid_from_on": DAY} | more


def person(record: str, **more: Any) -> dict[str, Any]:
    row = {
        "subject_kind": "person", "given_name": "Salla", "family_name": "Åho", "birth_date": dt.date(1980, 1, 31),
        "emails": ["salla@posti.example"], "phones": ["+358401234567"], "street": "kauppakatu 7 [b]",
    }  # fmt: skip
    return parts(record) | row | more


LATER = dt.date(2026, 2, 1)
TABLES: dict[str, list[dict[str, Any]]] = {
    "id.golden_member": [
        member("crm:1", "id-a"), member("web_events:u", "id-a"), member("loyalty:7", "id-a"),
        member(f"cookie:{DEVICE}", "id-a"), member("crm:alone", "id-a", confidence=0.93),
        member("crm:2", "id-b"), member("loyalty:8", "id-c"), member("tills:t", "id-d", link_permission="barred"),
        member("crm:2", "id-old", valid_from_on=dt.date(2026, 1, 1), valid_to_on=DAY),
        member("crm:gone", "id-b", valid_to_on=LATER),
    ],
    "id.crosswalk": [
        *({"golden_id": f"id-{x}", "live_golden_id": f"id-{x}", "since_on": DAY, "why": "live"} for x in "abcd"),
        {"golden_id": "id-old", "live_golden_id": "id-b", "since_on": DAY, "why": "merged"},
        {"golden_id": "id-none", "live_golden_id": None, "since_on": DAY, "why": "retired"},
    ],
    "id.edge": [
        edge("crm:1", "web_events:u", "email"), edge("loyalty:7", "web_events:u", "finland-3", 4.25),
        edge("loyalty:7", "web_events:u", "phone"),
        edge("crm:1", "crm:2", "email", reason="needs_agreement"),
        *(edge(a, "crm:2", "finland-3", bits, "weaker_than_threshold") for a, bits in (("crm:1", 1.0), ("crm:alone", 0.5))),
    ],
    "id.device_owner": [
        {"namespace": "cookie", "value_hmac": DEVICE, "golden_id": "id-a", "from_at": AT, "is_shared": False},
    ],
    "silver.person_record": [
        person("crm:1"), person("crm:2", given_name="Örn"), person("loyalty:7"), person("loyalty:8"), person("tills:t"),
        person("crm:alone"),
    ],
}  # fmt: skip


def write(warehouse: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in tables.items():
        table = pa.Table.from_pylist(rows, contract_of(name).arrow_schema)
        write_deltalake(warehouse.joinpath(*name.split(".")), table, mode="overwrite")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("kept")
    write(warehouse, TABLES)
    return warehouse


Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], kept: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path, warehouse: Path = kept) -> tuple[int, str, str]:
        conf = ["--conf", str(ROOT / "conf" / "local.yaml"), "--warehouse", str(warehouse)]
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments), *conf])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


# why


def test_the_way_from_the_one_to_the_other(ask: Verb) -> None:
    code, said, err = ask("why", "loyalty:7", "crm:1")
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in said.splitlines()]
    assert lines[:8] == [
        "loyalty:7 and crm:1 are one",
        "   golden id id-a",
        "",
        "1  loyalty:7 – web_events:u",
        "   deterministic: phone",
        "   also probabilistic: finland-3, 4.25 bits, p = 0.9501",
        "   prior         two records at random             -3.25  ████",
        "   given         given equal                       +9.00  ████████████",
    ]
    assert lines[-3:] == ["", "2  web_events:u – crm:1", "   deterministic: email"]
    assert max(map(len, lines)) <= 80


def test_as_json_the_bars_add_up(ask: Verb) -> None:
    found = json.loads(ask("why", "loyalty:7", "crm:1", "--json")[1])
    assert (found["are_one"], found["golden_ids"]) == (True, ["id-a", "id-a"])
    assert [(step["start"], step["end"]) for step in found["path"]] == [
        ("loyalty:7", "web_events:u"), ("web_events:u", "crm:1"),
    ]  # fmt: skip
    bars = found["path"][0]["edges"][1]["waterfall"]
    assert sum(bar["bits"] for bar in bars[:-1]) == pytest.approx(bars[-1]["bits"]) == pytest.approx(4.25)
    assert "persons" not in found


def test_a_device_is_one_by_login(ask: Verb) -> None:
    code, said, _ = ask("why", "crm:1", f"cookie:{DEVICE}")
    assert code == 0
    assert "No way of used edges joins them" in said
    assert (
        "cookie:abababababab… is a device: by login it belongs to this golden id from 2026-01-30 12:00 on"
        in said
    )


def test_records_that_only_their_groups_join(ask: Verb) -> None:
    said = ask("why", "crm:1", "crm:alone")[1]
    assert "No way of used edges joins them" in said
    assert "crm:1 1.0000, crm:alone 0.9300" in said


def test_two_that_are_not_one_are_told_so_in_one_line(ask: Verb) -> None:
    code, said, _ = ask("why", "crm:1", "crm:2")
    assert code == 0
    assert said == "crm:1 and crm:2 are not one; `identity why-not` tells what keeps them apart\n"
    code, said, _ = ask("why-not", "crm:1", "loyalty:7")
    assert code == 0
    assert said == "crm:1 and loyalty:7 are one; `identity why` tells what joins them\n"


def test_a_golden_id_is_all_its_records(ask: Verb) -> None:
    found = json.loads(ask("why", "id-a", "crm:1", "--json")[1])
    assert [(step["start"], step["end"]) for step in found["path"]] == [("web_events:u", "crm:1")]
    assert json.loads(ask("why", "crm:1", "id-old", "--json")[1])["golden_ids"] == ["id-a", "id-b"]


# why-not


def test_what_keeps_two_apart_in_order_with_the_waterfall(ask: Verb) -> None:
    code, said, err = ask("why-not", "crm:1", "crm:2")
    assert (code, err) == (0, "")
    assert re.findall(r"\((\w+)\)\s*$", said, re.MULTILINE) == ["needs_agreement", "weaker_than_threshold"]
    assert "threshold" in said
    assert "+5.61" in said  # log2(0.98 / 0.02), the threshold of the shipped model
    assert "crm:alone – crm:2" in said  # an edge of the group, and not of the two
    assert "Compared now" not in said  # they were
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80


def test_without_an_edge_the_two_are_compared_now(ask: Verb) -> None:
    said = ask("why-not", "crm:2", "loyalty:8")[1]
    assert "(no_edge)" in said
    assert "Compared now: crm:2 – loyalty:8" in said
    assert "blocking keys in common: " in " ".join(said.split())
    found = json.loads(ask("why-not", "crm:2", "loyalty:8", "--json")[1])
    bars = found["would"]["waterfall"]
    assert sum(bar["bits"] for bar in bars[:-1]) == pytest.approx(found["would"]["match_weight"])
    assert "email" in found["would"]["keys"]


def test_what_may_not_be_joined_is_not_compared_for_the_asking(ask: Verb) -> None:
    found = json.loads(ask("why-not", "crm:2", "tills:t", "--json")[1])
    assert [row["reason"] for row in found["reasons"]] == ["permission", "no_edge"]
    assert found["would"] is None


def test_ten_edges_are_shown_and_the_others_counted(ask: Verb, kept: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "many"
    shutil.copytree(kept, warehouse)
    many = [f"crm:m{n:02}" for n in range(13)]
    write(warehouse, {
        "id.golden_member": [*TABLES["id.golden_member"], *(member(m, "id-b") for m in many)],
        "id.edge": [edge("crm:1", m, "finland-3", 1 + n / 8, "weaker_than_threshold") for n, m in enumerate(many)],
    })  # fmt: skip
    said = ask("why-not", "crm:1", "id-b", warehouse=warehouse)[1]
    assert "and 3 more" in said
    shown = re.findall(r"crm:1 – crm:m(\d\d) +finland-3", said)
    assert shown == [f"{n:02}" for n in range(12, 2, -1)]


# values


@pytest.mark.parametrize(
    "asked", [("why", "loyalty:7", "crm:1"), ("why-not", "crm:1", "crm:2"), ("why-not", "crm:2", "loyalty:8")]
)
def test_personal_values_are_shown_only_when_asked_for(
    ask: Verb, tmp_path: Path, asked: tuple[str, str, str]
) -> None:
    plain, private = tmp_path / "plain.html", tmp_path / "private.html"
    shown = ask(*asked, "--html", plain)[1] + plain.read_text(encoding="utf-8") + ask(*asked, "--json")[1]
    assert not [value for value in PERSONAL if value in shown]
    assert "<script" not in shown
    code, said, _ = ask(*asked, "--html", private, "--with-personal-data")
    assert code == 0
    for text in (said, private.read_text(encoding="utf-8")):
        assert "ersonal data: keep" in text
        for value in (
            "Salla",
            "Åho",
            "salla@posti.example",
            "+358401234567",
            "1980-01-31",
            "kauppakatu 7 [b]",
        ):
            assert value in text
    assert stat.S_IMODE(private.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode) == 0o600


def test_a_page_has_splinks_chart(ask: Verb, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    said = ask("why-not", "crm:1", "crm:2", "--html", page)[1]
    assert f"written to {page}" in said.replace("\n", "")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    assert "weaker than threshold: crm:1 – crm:2" in text
    assert "needs_agreement" in text


# what cannot be answered


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (("crm:salla@posti.example", "crm:1"), 14, "the first record has no golden id"),
        (("crm:1", "crm:gone"), 14, "the second record has no golden id"),
        (("crm:1", "loyalty:1"), 14, "the second record has no golden id"),
        (("crm:1", "id-none"), 14, "the second golden id is retired"),
        (("salla@posti.example", "crm:1"), 12, "no golden id of the first name was ever published"),
        (("crm:1", "crm:1"), 2, "both are the same"),
        (("crm:2", "id-b"), 2, "both are the same golden id"),
        (("id-old", "id-b"), 2, "both are the same golden id"),
    ],
)
@pytest.mark.parametrize("verb", ["why", "why-not"])
def test_questions_without_an_answer(
    ask: Verb, verb: str, asked: tuple[str, str], code: int, said: str
) -> None:
    ended, out, err = ask(verb, *asked)
    assert (ended, out) == (code, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert "salla@" not in err  # what was typed may be personal


def test_a_page_that_cannot_be_written(ask: Verb, tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("another", encoding="utf-8")
    code, _, err = ask("why", "crm:1", "loyalty:7", "--html", there)
    assert (code, "choose another name" in err) == (2, True)
    assert there.read_text(encoding="utf-8") == "another"
    code, _, err = ask("why", "crm:1", "loyalty:7", "--html", tmp_path / "none" / "a.html")
    assert (code, "cannot be written" in err) == (3, True)


def test_a_folder_that_is_no_warehouse(ask: Verb, tmp_path: Path) -> None:
    code, _, err = ask("why", "crm:1", "crm:2", warehouse=tmp_path)
    assert (code, "no warehouse" in err) == (2, True)


def test_edges_of_before_evidence_was_kept_have_no_waterfall(ask: Verb, kept: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "old"
    shutil.copytree(kept, warehouse)
    shutil.rmtree(warehouse / "id" / "edge")
    schema = contract_of("id.edge").arrow_schema
    table = pa.Table.from_pylist(TABLES["id.edge"], schema).drop_columns(["evidence"])
    write_deltalake(warehouse / "id" / "edge", table)
    code, said, _ = ask("why", "loyalty:7", "crm:1", "--html", tmp_path / "a.html", warehouse=warehouse)
    assert (code, "finland-3, 4.25 bits" in said, "prior" in said) == (0, True, False)
    assert ask("why-not", "crm:1", "crm:2", "--html", tmp_path / "b.html", warehouse=warehouse)[0] == 0

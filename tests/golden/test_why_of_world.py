"""`why` and `why-not` over the sample world: every reason is named, and no person is."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from identity.cli import why as cli_why
from identity.config import Config
from identity.config_reading import load_config
from identity.pages.why import why_page
from identity.resolve.paths import by_strength, ends_of
from identity.resolve.records import PERSONAL
from identity.why import why, why_not
from tests.golden.conftest import ROOT, Published

# Of each reason so many pairs are asked about.
SOME = 3


@pytest.fixture(scope="module")
def config(published: Published) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", warehouse=published.warehouse)


def rows(published: Published, table: str) -> list[dict[str, Any]]:
    return [row.asDict(recursive=True) for row in published.tables.read(table).collect()]


def golden_ids(published: Published) -> dict[tuple[str, str], str]:
    members = rows(published, "id.golden_member")
    return {(m["source"], m["source_key"]): m["golden_id"] for m in members if m["valid_to_on"] is None}


def words(published: Published) -> set[str]:
    """Everything personal that silver knows of anybody, that is no word of ours by chance."""
    found: set[str] = set()
    for person in rows(published, "silver.person_record"):
        for name in PERSONAL:
            value = person[name]
            found |= set(value or []) if isinstance(value, list) else {str(value)} if value else set()
    return {word for word in found if len(word) > 3 and not word.isdigit()}


def text_of(found: dict[str, Any]) -> str:
    """As the command line shows it."""
    console = Console(file=io.StringIO(), width=80)
    show = cli_why._show_why if "path" in found else cli_why._show_why_not
    show(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_reason_of_an_edge_is_named_and_every_way_is_told(published: Published, config: Config):
    living = golden_ids(published)
    edges = by_strength(rows(published, "id.edge"))
    shown, seen, reached = "", set(), 0
    by_reason: dict[str | None, list[Any]] = {}
    for edge in edges:
        left, right = ends_of(edge)
        # What was rejected by one rule may have been joined by another.
        if (living[left] == living[right]) == (edge["fate"] == "used"):
            by_reason.setdefault(edge["reason"], []).append(edge)
    for reason, those in by_reason.items():
        for edge in (*those[:SOME], *those[-SOME:]):
            left, right = (":".join(end) for end in ends_of(edge))
            found = (why if reason is None else why_not)(config, left, right)
            if reason is None:
                assert len(found["path"]) == 1
                assert edge["rule"] in [e["rule"] for e in found["path"][0]["edges"]]
            else:
                assert reason in [row["reason"] for row in found["reasons"]]
                assert reason in (text := text_of(found))
                assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
            shown += text_of(found) + why_page(found) + json.dumps(found, default=str)
            seen.add(reason)
            reached += 1
    assert {None, "needs_agreement", "unique_namespace", "weaker_than_threshold"} <= seen
    assert reached > 15
    personal = words(published)
    assert len(personal) > 1000
    # A name may be part of a word of ours; an address, a contact or a birth date is not.
    said = set(shown.split())
    assert not [word for word in personal if word in (said if word.isalpha() else shown)]


def test_waterfalls_add_up(published: Published, config: Config):
    compared = [row for row in rows(published, "id.edge") if row["kind"] == "probabilistic"]
    from identity.linkage.model import log_odds
    from identity.linkage.model_file import read_model
    from identity.resolve.records import FIELDS

    prior = log_odds(read_model(config.matching.model, FIELDS).prior)
    assert len(compared) > 200
    for row in compared:
        total = prior + sum(step["bits"] for step in row["evidence"])
        assert total == pytest.approx(row["match_weight"], abs=1e-9)


def test_devices_are_one_by_login(published: Published, config: Config):
    living = golden_ids(published)
    persons = {
        golden_id: record
        for record, golden_id in sorted(living.items())
        if record[0] not in ("cookie", "mobile_id")
    }
    device = next(r for r, g in sorted(living.items()) if r[0] == "cookie" and g in persons)
    found = why(config, ":".join(device), ":".join(persons[living[device]]))
    assert found["path"] == []
    assert [row["device"] for row in found["devices"]] == [":".join(device)]
    assert "by login" in text_of(found)


def test_what_is_barred_is_named(published: Published, config: Config):
    members = [m for m in rows(published, "id.golden_member") if m["valid_to_on"] is None]
    barred = next(m for m in members if m["link_permission"] == "barred" and m["source"] == "crm")
    other = next(m for m in members if m["link_permission"] == "permitted" and m["source"] == "crm")
    found = why_not(config, *(f"{m['source']}:{m['source_key']}" for m in (barred, other)))
    assert found["reasons"][0]["reason"] == "permission"
    assert barred["source_key"] in found["reasons"][0]["says"]


def test_nothing_of_the_warehouse_changes(published: Published, config: Config):
    before = sorted((p, p.stat().st_mtime_ns) for p in Path(config.warehouse).rglob("*"))
    member = golden_ids(published)
    first, *_, last = sorted(member)
    why_not(config, ":".join(first), ":".join(last))
    assert sorted((p, p.stat().st_mtime_ns) for p in Path(config.warehouse).rglob("*")) == before

"""Every case of personas.yaml through the whole line: files, silver, golden ids, devices, households, on two days."""

import hashlib
import hmac
import io
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config_reading import load_config
from identity.pipeline import run_stages
from identity.run import Run
from identity.standardise.identifiers import hash_key
from identity.tables import Tables
from tests.golden.conftest import FIRST, ROOT, SECOND, WORLD
from tests.spec.deliveries import DELIVERED, deliver

CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("personas.yaml").read_text(encoding="utf-8")
)
DAYS = {"first": FIRST, "then": SECOND}
EXPECTED = {"persons", "ids", "edges", "blocked", "devices", "ledger", "households"}
Groups = set[frozenset[str]]
Rows = list[dict[str, Any]]


@dataclass
class Found:
    """What a day's run left, rows by table; `key_of` names devices by their hash."""

    tables: dict[str, Rows]
    key_of: dict[str, str]

    def ids(self, place: int) -> dict[str, str]:
        """Golden ids of the records and devices of a case."""
        rows = self.tables["golden_member"]
        return {
            key: row["golden_id"] for row in rows if (key := self.own(row["source_key"], place)) is not None
        }

    def own(self, source_key: str, place: int) -> str | None:
        """The key of a record or device in its case; None if it is of another."""
        key = self.key_of.get(source_key, source_key)
        return key.removesuffix(f"-{place:02}") if re.fullmatch(rf"[MCutk]\d-{place:02}", key) else None


@pytest.fixture(scope="module")
def found(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What each day's run left."""
    folder = tmp_path_factory.mktemp("personas")
    shutil.copytree(WORLD / "landing", folder / "landing")
    config = load_config(
        ROOT / "conf" / "local.yaml", landing=folder / "landing", warehouse=folder / "warehouse"
    )
    tables = Tables(spark, config.warehouse)
    told = {}
    for day, date in DAYS.items():
        deliver(CASES, day, folder / "landing" / date.isoformat())
        run = Run(config, tables, date, config.secret(), Console(file=io.StringIO()))
        run_stages(run, ["ingest", "standardise", "resolve"])
        told[day] = left(run)
    return told


def left(run: Run) -> Found:
    tables = run.tables
    rows = {
        name: tables.rows(f"id.{name}") for name in ("edge", "device_owner", "household", "blocked_value")
    }
    rows["golden_member"] = [row for row in tables.rows("id.golden_member") if row["valid_to_on"] is None]
    rows["golden_history"] = [
        row for row in tables.rows("id.golden_history") if row["effective_on"] == run.on
    ]
    carried = sorted(
        tables.rows("silver.identifier"), key=lambda row: -len(row["value"])
    )  # an address after its hash
    value_of = {(row["namespace"], row["value_hmac"]): row["value"] for row in carried}
    for row in rows["blocked_value"]:
        row["value"] = value_of[row["namespace"], row["value_hmac"]]
    cookies = {row["device"] for row in tables.rows("silver.web_view") if row["device_namespace"] == "cookie"}
    key = hash_key(run.key)
    return Found(
        rows,
        {
            hmac.new(key, f"cookie\x1f{cookie}".encode(), hashlib.sha256).hexdigest(): cookie
            for cookie in cookies
        },
    )


def groups(text: str) -> Groups:
    return {frozenset(group.split()) for group in text.split("|") if group.strip()}


def together(ids: dict[str, str]) -> Groups:
    """Records and devices by golden id."""
    by_id: dict[str, set[str]] = defaultdict(set)
    for key, golden_id in ids.items():
        by_id[golden_id].add(key)
    return {frozenset(keys) for keys in by_id.values()}


def cases() -> Iterator[ParameterSet]:
    for place, case in enumerate(CASES):
        faults = [pytest.mark.xfail(strict=True, reason=case["fault"])] if "fault" in case else []
        yield pytest.param(place, id=case["case"], marks=faults)


@pytest.mark.parametrize("place", list(cases()))
def test_case(found: dict[str, Found], place: int) -> None:
    case = CASES[place]
    assert set(case) <= {"case", "fault", "accounts", *DAYS}
    for day in DAYS:
        # A day without deliveries: nothing may have changed.
        told = case.get(day, case["first"])
        assert set(told) <= DELIVERED | EXPECTED
        ids = found[day].ids(place)
        assert_persons(ids, told)
        assert_edges(found[day], told, place)
        assert_devices(found[day], told, place)
        assert_households(found[day], told, place)
        for value, reason in told.get("blocked", {}).items():
            blocked = {
                f"{r['namespace']} {r['value']}": r["reason"] for r in found[day].tables["blocked_value"]
            }
            assert blocked.get(value) == reason
    before, now = found["first"].ids(place), found["then"].ids(place)
    if "then" not in case:
        assert now == before
        assert not events(found["then"], place)
    for key, same in case.get("then", {}).get("ids", {}).items():
        assert now[key] == before[same], f"{key} has another golden id than {same} had"
    for key, told in case.get("then", {}).get("ledger", {}).items():
        assert sorted(events(found["then"], place)[key]) == sorted(told)


def assert_persons(ids: dict[str, str], told: dict[str, Any]) -> None:
    named_ones = groups(told.get("persons", ""))
    alone = {frozenset([key]) for key in ids} - {frozenset([key]) for group in named_ones for key in group}
    assert together(ids) == named_ones | alone
    delivered = {key for key, said in (told.get("records") or {}).items() if not (said or {}).get("deleted")}
    assert delivered <= set(ids)


def assert_edges(found: Found, told: dict[str, Any], place: int) -> None:
    edges: dict[str, str] = {}
    for row in found.tables["edge"]:
        pair = (found.own(row["source_key_l"], place), found.own(row["source_key_r"], place))
        if pair[0] is not None and pair[1] is not None:
            rule = "model" if row["kind"] == "probabilistic" else row["rule"]
            edges[f"{pair[0]} {pair[1]} {rule}"] = row["reason"] or row["fate"]
    expected = told.get("edges", {})
    assert {edge: edges.get(edge) for edge in expected} == expected


def assert_devices(found: Found, told: dict[str, Any], place: int) -> None:
    ids = found.ids(place)
    for device, whose in told.get("devices", {}).items():
        rows = [row for row in found.tables["device_owner"] if found.own(row["value_hmac"], place) == device]
        rows.sort(key=lambda row: row["from_at"])
        assert {row["is_shared"] for row in rows} == {whose.startswith("shared: ")}
        said = []
        for row in rows:
            owner = "/".join(sorted(key for key, golden_id in ids.items() if golden_id == row["golden_id"]))
            until = "" if row["to_at"] is None else f" until {row['to_at']:%Y-%m-%d}"
            said.append((owner, f"from {row['from_at']:%Y-%m-%d}{until}"))
        if whose == "nobody's":
            assert said == [(device, "from 1970-01-01")]
            continue
        expected = [part.split(" ", 1) for part in whose.removeprefix("shared: ").split(", ")]
        assert [interval for _, interval in said] == [interval for _, interval in expected]
        for (owner, _), (login, _) in zip(said, expected, strict=True):
            assert login in owner.split("/")


def assert_households(found: Found, told: dict[str, Any], place: int) -> None:
    ids = found.ids(place)
    homes = {
        row["golden_id"]: row["household_id"]
        for row in found.tables["household"]
        if row["golden_id"] in ids.values()
    }
    live = together({key: homes[golden_id] for key, golden_id in ids.items() if golden_id in homes})
    everyone = {key: {k for k in ids if ids[k] == ids[key]} for key in ids}
    expected = {
        frozenset(k for key in home for k in everyone[key]) for home in groups(told.get("households", ""))
    }
    assert live == expected


def events(found: Found, place: int) -> dict[str, list[str]]:
    """What the ledger says of the records of a case on its day: event and cause."""
    said: dict[str, list[str]] = defaultdict(list)
    for row in found.tables["golden_history"]:
        key = None if row["source_key"] is None else found.own(row["source_key"], place)
        if key is not None:
            said[key].append(f"{row['event']} {row['cause']}")
    return said


def test_cases_have_names_of_their_own() -> None:
    names = [case["case"] for case in CASES]
    assert len(set(names)) == len(names)


def test_nobody_is_one_with_another_case_or_the_others(found: dict[str, Found]) -> None:
    for day in found.values():
        cases: dict[str, set[str]] = defaultdict(set)
        for row in day.tables["golden_member"]:
            key = day.key_of.get(row["source_key"], row["source_key"])
            case = re.fullmatch(r"[MCutk]\d-(\d\d)", key)
            cases[row["golden_id"]].add(case[1] if case else "others")
        assert {len(those) for those in cases.values()} == {1}

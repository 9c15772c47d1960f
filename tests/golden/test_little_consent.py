"""A world in which three in ten who agreed still do: the run passes, and says what is left."""

import io
import re
import shutil
import zlib
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.golden.conftest import FIRST, WORLD, Published, World

pytestmark = pytest.mark.long


def still_agrees(who: str) -> bool:
    return zlib.crc32(who.encode()) % 10 < 3


def take_back(landing: Path) -> None:
    """Turn the yes of seven in ten into a no, in every source that asks."""
    for path in landing.glob("*/loyalty/consents*.csv"):
        lines = path.read_text(encoding="utf-8").split("\n")
        told = [line if still_agrees(line.split(",")[0]) else line.replace(",K,", ",E,") for line in lines]
        path.write_text("\n".join(told), encoding="utf-8")
    for path in landing.glob("*/crm/contacts*.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(map(_contact, lines)) + "\n", encoding="utf-8")
    for path in landing.glob("*/web_events/events*.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(map(_event, lines)) + "\n", encoding="utf-8")


def _contact(line: str) -> str:
    who = re.search(r'"contact_id":"(\w+)"', line)
    agrees = who is not None and still_agrees(who[1])
    return line if agrees else line.replace('"value":"granted"', '"value":"refused"')


def _event(line: str) -> str:
    who, choices = re.search(r'"cookie_id":"(\w+)"', line), re.search(r'"choices":\{[^}]*\}', line)
    if choices is None or (who is not None and still_agrees(who[1])):
        return line
    return line.replace(choices[0], choices[0].replace("true", "false"))


def test_a_run_with_little_consent_passes_and_says_what_is_left(
    published: Published, spark: SparkSession, tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    shutil.copytree(WORLD / "landing" / "2026-01-31", landing / "2026-01-31")
    take_back(landing)
    world = World(spark, landing, tmp_path / "warehouse", io.StringIO())
    summary = world.run(FIRST)
    coverage = {row["purpose"]: row for row in summary["coverage"]}
    usual = {row["purpose"]: row for row in published.first["coverage"]}
    for purpose in ("analytics", "personalise", "marketing.post"):
        left, before = coverage[purpose]["customers_share"], usual[purpose]["customers_share"]
        assert 0 < left < 0.6 * before, purpose
        assert coverage[purpose]["denied_mostly"]
    assert coverage["service"]["customers_share"] == 1  # rests on contract
    # The sums are the tills' whoever may be named.
    assert [line["difference"] for line in summary["reconciliation"]] == ["0.00"]
    named = world.frame("gold.purchase_fact")["golden_id"].notna().mean()
    assert 0 < named < published.frame("gold.purchase_fact")["golden_id"].notna().mean()
    permitted = world.frame("consent.effective")
    allowed = set(
        permitted[(permitted["purpose"] == "analytics") & (permitted["decision"] == "permit")]["golden_id"]
    )
    assert set(world.frame("gold.profile_analytics")["golden_id"]) <= allowed

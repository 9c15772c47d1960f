"""Decisions of a date stay explained: also when the source delivers a file again without what was said in it."""

import datetime as dt
import json

import pandas as pd
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config_reading import load_config
from identity.consent.history import explained, in_force
from identity.rights.decisions import decisions
from identity.rights.persons import find
from tests.golden.conftest import FIRST, ROOT, SECOND, Published, World
from tests.golden.test_erasure import erased

THIRD = SECOND + dt.timedelta(days=1)
CONF = ROOT / "conf" / "local.yaml"
OBJECTED, PERMITTED = "M00000002,EM,V,", "M23545609,ANA,K,"  # lines of the second day
FILE = "2026-02-01/loyalty/consents.csv"


def told_otherwise(world: World, *, on: dt.date) -> DataFrame:
    """Decisions of which the history says something else than what was decided."""
    members = world.tables.read("id.golden_member").where("valid_to_on is null")
    decided, events = world.tables.read("consent.effective"), world.tables.read("silver.consent_event")
    now = explained(decided, events, members)
    history = world.tables.read("consent.history").where(F.col("decided_on") <= F.lit(on))
    replayed = in_force(history).where("decision <> 'ended'").select(*now.columns)
    return now.exceptAll(replayed).union(replayed.exceptAll(now))


def test_the_history_replays_to_what_is_decided_and_grows_by_what_became_other(published: Published):
    assert told_otherwise(published, on=SECOND).count() == 0
    rows = published.frame("consent.history")
    by_day = rows["decided_on"].value_counts()
    assert set(by_day.index) == {FIRST, SECOND}
    decided = published.frame("consent.effective")
    unmoved = rows[~rows["golden_id"].isin(set(rows[rows["decided_on"] == SECOND]["golden_id"]))]
    assert len(unmoved) > 0.8 * len(decided)
    assert not rows.duplicated(["golden_id", "purpose", "contact_point", "decided_on"]).any()


def redelivered(world: World, *without: str) -> bytes:
    """The second day's consents once more, without some lines; returns the file as it was."""
    path = world.landing / FILE
    before = path.read_bytes()
    lines = before.decode().splitlines(keepends=True)
    kept = [text for text in lines if not text.startswith(without)]
    assert len(kept) == len(lines) - len(without)
    path.write_text("".join(kept), encoding="utf-8")
    return before


def decided(world: World, member: str, purpose: str, on: dt.date) -> list[tuple[str, int, str | None]]:
    config = load_config(CONF, warehouse=world.warehouse)
    subject = find(config, [f"loyalty_member={member}"], key=config.secret())
    told = decisions(config, subject, key=config.secret(), on=on, purpose=purpose)
    rows = [(r["decision"], r["rule_no"], (r["statement"] or {}).get("answer")) for r in told["decisions"]]
    return sorted(set(rows), key=str)


def loyalty_lines(world: World) -> pd.DataFrame:
    lines = world.frame("bronze.loyalty")
    consents = lines[lines["feed"] == "consents"].drop(columns=["batch_id"])
    return consents.sort_values(["file_id", "row_no"], ignore_index=True)


@pytest.mark.long
def test_a_refusal_does_not_vanish_with_a_file_that_is_replaced(copied: World):
    before = loyalty_lines(copied)
    assert decided(copied, "M00000002", "marketing.email", SECOND) == [("deny", 2, "objection")]
    assert decided(copied, "M23545609", "analytics", SECOND) == [("permit", 1, "yes")]
    whole = redelivered(copied, OBJECTED, PERMITTED)
    copied.run(THIRD)
    # The yes is taken back, and what was decided by it the day before can still be explained; the objection stands.
    kept = loyalty_lines(copied).query("kept_for == 'refusal'")
    assert [json.loads(text)["member_no"] for text in kept["record"]] == ["M00000002"]
    for on in (SECOND, THIRD):
        assert decided(copied, "M00000002", "marketing.email", on) == [("deny", 2, "objection")]
    assert decided(copied, "M23545609", "analytics", SECOND) == [("permit", 1, "yes")]
    assert decided(copied, "M23545609", "analytics", THIRD) == [("deny", 5, None)]
    assert told_otherwise(copied, on=THIRD).count() == 0
    files = copied.frame("ops.file").query("file == @FILE")
    assert sorted(files["status"]) == ["superseded", "taken", "taken", "taking", "taking"]
    # The file comes back as it was: all of it is whole again, and nothing happened on the third day.
    (copied.landing / FILE).write_bytes(whole)
    copied.run(THIRD)
    pd.testing.assert_frame_equal(loyalty_lines(copied), before)
    assert decided(copied, "M23545609", "analytics", THIRD) == [("permit", 1, "yes")]
    assert told_otherwise(copied, on=THIRD).count() == 0


@pytest.mark.long
def test_what_is_left_of_a_replaced_file_is_erased_with_the_person(copied: World):
    redelivered(copied, OBJECTED)
    copied.run(THIRD)
    history = copied.frame("consent.history")
    hers = set(copied.frame("id.golden_member").query("source_key == 'M00000002'")["golden_id"])
    assert set(history["golden_id"]) >= hers
    told = erased(copied, "loyalty_member=M00000002", on=THIRD)
    assert told["residue"] == 0
    assert loyalty_lines(copied).query("kept_for == 'refusal'").empty
    live = set(copied.frame("id.golden_member").query("valid_to_on.isna()")["golden_id"])
    assert set(copied.frame("consent.history")["golden_id"]).isdisjoint(hers - live)
    assert told_otherwise(copied, on=THIRD).count() == 0

"""The sample world grows old: what is expired is in no file any more, and nobody permits more than before."""

import datetime as dt
import json
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from identity.config_reading import load_config
from identity.erasure.scan import Sought, scan
from identity.retention.maintain import maintain
from identity.run import Run
from tests.golden.conftest import ROOT, World

pytestmark = pytest.mark.long

WEB_IS_OLD = dt.date(2027, 4, 1)  # 400 days after the last delivery
ALL_IS_OLD = dt.date(2032, 6, 1)  # longer than receipts are kept


def maintained(world: World, on: dt.date, **options: bool) -> dict[str, dict[str, Any]]:
    config = load_config(ROOT / "conf/local.yaml", landing=world.landing, warehouse=world.warehouse)
    run = Run(config, world.tables, on, config.secret(), Console(file=world.said, width=200))
    return {row["table_name"]: row for row in maintain(run, **options)}


def permitted(world: World) -> set[tuple[str, str, str]]:
    """What each record's part may be used for."""
    effective = world.frame("consent.effective").explode("permitted_parts").dropna(subset=["permitted_parts"])
    members = world.frame("id.golden_member")
    open_members = members[members["valid_to_on"].isna()]
    both = open_members.merge(
        effective, left_on=["golden_id", "part"], right_on=["golden_id", "permitted_parts"]
    )
    return set(both[["source", "source_key", "purpose"]].itertuples(index=False, name=None))


def statements(world: World) -> pd.DataFrame:
    events = world.frame("silver.consent_event").drop(columns=["delivered_on"])
    return events.sort_values(["source", "event_key", "purpose"], ignore_index=True)


def told_by_views_alone(world: World) -> list[str]:
    """Words searched for and cookies that no statement and no other source tells."""
    bronze = world.frame("bronze.web_events")
    elsewhere = " ".join(
        text
        for name in ("tills", "crm", "loyalty", "survey")
        for text in world.frame(f"bronze.{name}")["record"].str.lower()
    ) + " ".join(
        bronze["record"][
            bronze["record"].map(lambda record: bool(json.loads(record).get("choices")))
        ].str.lower()
    )
    told_by_web = bronze["record"].str.extractall(r'"(?:search_terms|cookie_id)":"([^"]{8,})"')[0].unique()
    looked_at = [text for text in told_by_web if text.lower() not in elsewhere]
    assert len(looked_at) > 20
    return looked_at


def test_what_is_expired_is_in_no_file_and_nobody_permits_more(copied: World):
    copied.run(WEB_IS_OLD, accept_blast_radius=True)  # the same day without retention, to compare with
    before, said = permitted(copied), statements(copied)
    members = copied.frame("id.golden_member").query("valid_to_on.isna()")
    of_web = members["source"].isin(["web_events", "cookie", "mobile_id"])
    elsewhere_only = members[~members["golden_id"].isin(members[of_web]["golden_id"])]
    bronze = copied.frame("bronze.web_events")
    looked_at = told_by_views_alone(copied)
    counted = maintained(copied, WEB_IS_OLD, dry_run=True)
    assert {"kept_for"} <= set(bronze.columns)
    assert len(copied.frame("bronze.web_events")) == len(bronze)

    told = maintained(copied, WEB_IS_OLD)

    assert {name: (row["gone"], row["reduced"]) for name, row in told.items()} == {
        name: (row["gone"], row["reduced"]) for name, row in counted.items()
    }
    assert {name for name, row in told.items() if row["gone"]} == {
        "bronze.web_events", "bronze.web_log", "landing", "ops.quarantine",
    }  # fmt: skip
    kept = copied.frame("bronze.web_events")
    assert set(kept["kept_for"]) == {"statement"}
    assert len(kept) == told["bronze.web_events"]["reduced"]
    sought = Sought(values=looked_at, suppressed=[], strong=looked_at, taken=[])
    assert scan(copied.warehouse, copied.landing, sought, lambda _: None).hits == {}
    assert copied.frame("silver.web_view").empty
    pd.testing.assert_frame_equal(statements(copied), said)
    after = permitted(copied)
    assert after <= before
    # A yes of a login speaks for nobody once nothing tells whose login it was; all others stay.
    unmoved = set(elsewhere_only[["source", "source_key"]].itertuples(index=False, name=None))
    assert len(unmoved) > 100
    assert {row for row in before - after if row[:2] in unmoved} == set()
    assert not copied.frame("gold.purchase_fact").empty
    again = maintained(copied, WEB_IS_OLD)
    assert not any(row["gone"] or row["reduced"] for row in again.values())
    assert len(copied.frame("ops.maintenance")) == 2 * len(told)
    assert copied.run(WEB_IS_OLD)["is_repeat"]

    # Years later only what sources still stand by is left, and what was said.
    maintained(copied, ALL_IS_OLD, accept_run_date=True)
    assert copied.frame("silver.sale_line").empty
    assert copied.frame("gold.purchase_fact").empty
    assert set(copied.frame("bronze.tills")["feed"]) == {"products", "stores"}
    sources = set(copied.frame("silver.person_record")["source"])
    assert sources == {"crm", "loyalty"}
    pd.testing.assert_frame_equal(statements(copied), said)
    assert permitted(copied) <= after
    folders = {
        path.relative_to(copied.landing).parts[1] for path in copied.landing.rglob("*.*") if path.is_file()
    }
    assert folders == set()


def test_killed_before_it_published_a_run_of_the_same_date_ends_it(
    copied: World, monkeypatch: pytest.MonkeyPatch
):
    copied.run(WEB_IS_OLD, accept_blast_radius=True)
    looked_at = told_by_views_alone(copied)

    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("identity.retention.maintain.do_stages", kill)
        with pytest.raises(KeyboardInterrupt):
            maintained(copied, WEB_IS_OLD)
    assert set(copied.frame("bronze.web_events")["kept_for"]) == {"statement"}
    assert "web_events" in set(copied.frame("silver.identifier")["source"])

    assert not copied.run(WEB_IS_OLD, accept_blast_radius=True).get("is_repeat")
    assert "web_events" not in set(copied.frame("silver.identifier")["source"])
    sought = Sought(values=looked_at, suppressed=[], strong=looked_at, taken=[])
    assert scan(copied.warehouse, copied.landing, sought, lambda _: None).hits == {}
    assert copied.run(WEB_IS_OLD)["is_repeat"]
    again = maintained(copied, WEB_IS_OLD)
    assert not any(row["gone"] or row["reduced"] for row in again.values())

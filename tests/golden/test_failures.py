"""A run that fails leaves gold as it was, says so in ops.run, and can be mended."""

import datetime as dt
import json
from typing import Any

import pandas as pd
import pytest

from identity.config import Publication
from identity.config_reading import load_config
from identity.contracts import TableContract
from identity.delta import LocalDelta
from identity.errors import BlastRadiusError, ConsentError, QualityGateError, RunDateError
from identity.resolve.ledger import replay
from tests.golden.conftest import FIRST, ROOT, SECOND, Published, World

THIRD, FOURTH = SECOND + dt.timedelta(days=1), SECOND + dt.timedelta(days=2)


def versions(world: World) -> dict[str, int]:
    return {name: world.tables.version(name) for name in world.names() if name.startswith("gold.")}


def test_a_delivery_with_too_many_bad_rows_stops_before_gold(copied: World) -> None:
    before = versions(copied)
    path = copied.landing / "2026-02-01" / "tills" / "stores_bad.csv"
    path.write_text(
        "store_id,name,city,postal_code,store_kind,valid_from\nS01,,,,store,2020-01-01\n", encoding="utf-8"
    )
    with pytest.raises(QualityGateError, match="quarantine_share"):
        copied.run(SECOND)
    assert versions(copied) == before
    rows = copied.frame("ops.run")
    assert rows.sort_values("started_at").iloc[-1][["outcome", "exit_code"]].tolist() == ["failed", 7]
    assert copied.tables.read("bronze.tills").where("file like '%stores_bad%'").count() == 0


def test_an_answer_nobody_mapped_stops_before_gold(copied: World) -> None:
    before = versions(copied)
    path = copied.landing / "2026-02-01" / "loyalty" / "consents_late.csv"
    header = "member_no,permission,answer,asked_in,asserted_at,notice_version,benefit_shown,benefit_type"
    path.write_text(f"{header}\nM00000001,EM,Z,web,2026-02-01T08:00:00Z,2025-2,true,none\n", encoding="utf-8")
    with pytest.raises(ConsentError, match="loyalty: answer Z"):
        copied.run(SECOND)
    assert versions(copied) == before


def test_an_earlier_date_is_refused_once_a_later_one_is_published(copied: World) -> None:
    assert copied.run(FIRST)["is_repeat"]
    with pytest.raises(RunDateError):
        copied.run(FIRST, again=True)


def deliver_changes(world: World) -> tuple[set[str], set[str]]:
    """A late file, taken on the third day: five contacts deleted, a second one of five others; their keys."""
    path = world.landing / "2026-01-31" / "crm" / "contacts.jsonl"
    members = world.frame("id.golden_member")
    permitted = members["valid_to_on"].isna() & (members["link_permission"] == "permitted")
    may = set(members[permitted & (members["source"] == "crm")]["source_key"])
    contacts = [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line[-1:] == "}"
    ]
    known = [contact for contact in contacts if contact.get("emails") and contact["contact_id"] in may]
    gone = [{**contact, "deleted": True, "updated_at": "2026-02-01T10:00:00Z"} for contact in known[:5]]
    twins = [
        {**contact, "contact_id": f"C9990000{n}", "updated_at": "2026-02-01T10:00:00Z"}
        for n, contact in enumerate(known[5:10])
    ]
    target = world.landing / SECOND.isoformat() / "crm" / "contacts_late.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in gone + twins), encoding="utf-8")
    return {row["contact_id"] for row in gone}, {row["contact_id"] for row in twins}


def assert_ledger_tells_the_membership(world: World, *dates: dt.date) -> None:
    ledger = world.frame("id.golden_history")
    assert not ledger["event_id"].duplicated().any()
    rows = world.frame("id.golden_member")
    for date in dates:
        told = replay(world.tables.read("id.golden_history"), on=date).collect()
        standing = rows[
            (rows["valid_from_on"] <= date) & (rows["valid_to_on"].isna() | (rows["valid_to_on"] > date))
        ]
        assert len(told) == len(standing) > 1500
        keys = standing[["golden_id", "source", "source_key"]].itertuples(index=False, name=None)
        assert {tuple(row) for row in told} == set(keys)
    minted = set(ledger[ledger["event"] == "minted"]["golden_id"])
    assert set(world.frame("id.crosswalk")["golden_id"]) == minted  # no id that never lived


@pytest.mark.long
def test_a_run_that_dies_amid_the_id_tables_is_finished_by_the_next_of_another_date(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, twins = deliver_changes(copied)

    def commit(self: LocalDelta, staged: str, address: str, contract: TableContract, **more: Any) -> None:
        if contract.name == "id.golden_member":  # the ledger is written, the membership is not
            raise KeyboardInterrupt
        whole(self, staged, address, contract, **more)

    whole = LocalDelta.commit
    with monkeypatch.context() as patched:
        patched.setattr(LocalDelta, "commit", commit)
        with pytest.raises(KeyboardInterrupt):
            copied.run(THIRD)
    copied.run(FOURTH)
    assert "what it left is written now" in copied.said.getvalue()
    ledger = copied.frame("id.golden_history")
    of_the_dead = ledger[ledger["effective_on"] == THIRD]
    assert gone <= set(of_the_dead[of_the_dead["event"] == "left"]["source_key"])
    assert twins <= set(of_the_dead[of_the_dead["event"] == "joined"]["source_key"])
    assert ledger[ledger["effective_on"] == FOURTH].empty  # everything had happened on the third day
    assert_ledger_tells_the_membership(copied, SECOND, THIRD, FOURTH)


@pytest.mark.long
def test_a_run_that_changes_too_many_ids_stops_until_somebody_says_yes(copied: World) -> None:
    """Without Splink many records part: a change of the configuration that nobody should publish unseen."""
    matching = load_config(ROOT / "conf" / "local.yaml").matching.model_copy(update={"probabilistic": False})
    limit = Publication(max_changed_ids_share=0.01, changed_ids_never_stopped=10)
    changed = {"matching": matching, "publication": limit}
    before = {
        name: copied.tables.version(name)
        for name in copied.names()
        if not name.startswith(("ops.", "silver."))
    }
    with pytest.raises(BlastRadiusError, match="--accept-blast-radius"):
        copied.run(THIRD, **changed)
    assert {name: copied.tables.version(name) for name in before} == before
    stages = copied.frame("ops.run_stage")
    counts = dict(stages[stages["stage"] == "resolve"].sort_values("started_at").iloc[-1]["counts"])
    told = {key.removeprefix("blast_radius."): n for key, n in counts.items()}
    members = copied.frame("id.golden_member")

    summary = copied.run(THIRD, accept_blast_radius=True, **changed)
    after = copied.frame("id.golden_member")
    key = ["source", "source_key"]
    was, now = (frame[frame["valid_to_on"].isna()].set_index(key)["golden_id"] for frame in (members, after))
    both = pd.concat([was.rename("was"), now.rename("now")], axis=1, join="inner").reset_index()
    moved = both[both["was"] != both["now"]]
    assert len(moved) == told["moved_matching"] > 50
    assert set(moved["was"]) | (set(moved["now"]) & set(was)) >= set(moved["was"])
    assert told["changed"] == len(set(moved["was"]) | (set(moved["now"]) & set(was)))
    assert told["kept"] == len(set(was) & set(now))
    assert told["new"] == len(set(now) - set(was)) > 50
    core = copied.tables.read("gold.profile_core", version=before["gold.profile_core"]).toPandas()
    touched = set(moved["was"]) | (set(moved["now"]) & set(was))
    assert told["rows gold.profile_core"] == core["golden_id"].isin(touched).sum() > 0
    shown = {row["what"]: row["golden_ids"] for row in summary["blast_radius"]["ids"]}
    assert shown["persons changed by matching"] == told["changed"]
    assert_ledger_tells_the_membership(copied, SECOND, THIRD)


def test_the_first_run_of_a_warehouse_has_no_yesterday(published: Published) -> None:
    assert published.first["blast_radius"] == {}
    assert published.second["blast_radius"]["ids"]


def test_ids_are_not_kept_backwards(copied: World) -> None:
    """A later date that resolved and was never published counts too: its events stand in the ledger."""
    publication = copied.warehouse / "ops" / "run"
    publication.rename(copied.warehouse / "ops" / "forgotten")
    with pytest.raises(RunDateError, match="golden ids are kept as of 2026-02-01"):
        copied.run(FIRST, again=True)

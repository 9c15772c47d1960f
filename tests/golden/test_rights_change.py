"""Four persons of the sample world ask for something to be changed, and the next runs go by it."""

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from identity.cli import main
from identity.config_reading import load_config
from identity.rights.corrections import correct
from identity.rights.persons import find
from identity.rights.requests import requests
from identity.rights.writing import answering
from identity.standardise.corrections import standardised
from tests.golden.conftest import FIRST, ROOT, SECOND, World

THIRD = dt.date(2026, 2, 2)
CONF = ROOT / "conf" / "local.yaml"
NEW_EMAIL = "rectified.person@posti.example"
RECORD = ["source", "source_key"]

pytestmark = pytest.mark.long


def ask(world: World, verb: str, golden_id: str, *options: str, on: dt.date = SECOND) -> int:
    """Run a verb of `identity rights`; returns how much it says it changed."""
    told = ["--conf", str(CONF), "--warehouse", str(world.warehouse), "--run-date", on.isoformat(), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["rights", verb, f"golden_id={golden_id}", *told, *options])
    return int(str(ended.value.code))


def changed(captured: pytest.CaptureFixture[str]) -> int:
    return int(json.loads(captured.readouterr().out.splitlines()[-1])["changed"])


def put_right(world: World, golden_id: str, changes: dict[str, str]) -> int:
    """As `identity rights correct` does, in the tests' own Spark session."""
    config = load_config(CONF, warehouse=world.warehouse)
    subject = find(config, [f"golden_id={golden_id}"], key=config.secret())
    right = standardised(world.spark, changes, on=SECOND)
    with answering(world.warehouse, "R-1", "rectification", subject, SECOND):
        return correct(world.warehouse, subject, right, only=None, request_id="R-1", on=SECOND)


def open_members(world: World) -> pd.DataFrame:
    members = world.frame("id.golden_member")
    return members[members["valid_to_on"].isna()]


def shown_in_gold(world: World, golden_id: str) -> set[str]:
    """Gold tables that hold a golden id in any column, whatever its type."""
    return {
        name
        for name in world.names()
        if name.startswith("gold.")
        and golden_id in world.frame(name).to_json(date_format="iso", default_handler=str)
    }


def sold(world: World) -> dict[str, Decimal]:
    return world.frame("gold.purchase_fact").groupby("currency")["net_amount"].sum().to_dict()


def redeliver(world: World, member_no: str, **differing: str) -> None:
    """The programme's last line of a member once more, dated the third day."""
    lines = []
    for day in (FIRST, SECOND):
        with (world.landing / day.isoformat() / "loyalty" / "members.csv").open(encoding="utf-8") as file:
            lines += [line for line in csv.DictReader(file) if line["member_no"] == member_no]
    line = max(lines, key=lambda each: each["updated_at"])
    folder = world.landing / THIRD.isoformat() / "loyalty"
    folder.mkdir(parents=True)
    # What every delivery must have, with nothing in it.
    tills = world.landing / THIRD.isoformat() / "tills"
    tills.mkdir()
    for name in ("receipt_lines.csv", "till_totals.csv"):
        header = (
            (world.landing / SECOND.isoformat() / "tills" / name).read_text(encoding="utf-8").split("\n")[0]
        )
        (tills / name).write_text(header + "\n", encoding="utf-8")
    with (folder / "members.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(line))
        writer.writeheader()
        writer.writerow({**line, "updated_at": f"{THIRD}T08:00:00Z", **differing})


def four(world: World) -> list[str]:
    """Golden ids of one part with a member and a contact, who buy and are reached by e-mail."""
    members = open_members(world)
    of_id = members.groupby("golden_id").agg(sources=("source", set), parts=("part", "nunique"))
    sure = of_id[(of_id["parts"] == 1) & of_id["sources"].map(lambda held: {"crm", "loyalty"} <= held)].index
    reached = set(world.frame("gold.profile_marketing_email")["golden_id"])
    buying = set(world.frame("gold.purchase_fact")["golden_id"].dropna())
    persons = world.frame("silver.person_record").merge(members[[*RECORD, "golden_id"]], on=RECORD)
    loyal = persons[persons["source"] == "loyalty"].set_index("golden_id")
    described = set(loyal[loyal["birth_date"].notna() & loyal["emails"].map(len).eq(1)].index)
    found = sorted(set(sure) & reached & buying & described)
    assert len(found) >= 4
    return found[:4]


def test_what_persons_ask_for_holds_in_the_next_runs(
    copied: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mistaken, restricted, objecting, leaving = four(copied)
    before, sums = open_members(copied), sold(copied)
    of = {
        golden: before[before["golden_id"] == golden] for golden in (mistaken, restricted, objecting, leaving)
    }
    assert shown_in_gold(copied, restricted) >= {"gold.purchase_fact", "gold.profile_core"}
    assert of[leaving]["source"].nunique() > 1
    [member_no] = of[mistaken].loc[of[mistaken]["source"] == "loyalty", "source_key"]
    silver = copied.frame("silver.person_record").set_index(RECORD)
    [wrong_email] = silver.loc[("loyalty", member_no), "emails"]

    # Each is asked twice: the second time changes nothing.
    changes = {"birth_date": "17.5.1980", "email": NEW_EMAIL.upper(), "language": "sv"}
    assert put_right(copied, mistaken, changes) > 0
    assert put_right(copied, mistaken, changes) == 0
    asked = {
        "restrict": (restricted, "--reason", "accuracy contested", "--request", "R-2"),
        "object": (objecting, "--request", "R-3"),
        "withdraw": (leaving, "--purpose", "identity.link"),
    }
    for verb, (golden, *options) in asked.items():
        assert ask(copied, verb, golden, *options) == 0
        assert changed(capsys) > 0
        assert ask(copied, verb, golden, *options) == 0
        assert changed(capsys) == 0
    register = requests(copied.warehouse)
    assert sorted(row["right"] for row in register) == [
        "objection",
        "rectification",
        "restriction",
        "withdrawal",
    ]
    assert {row["status"] for row in register} == {"closed"}

    copied.run(SECOND, again=True)

    persons = copied.frame("silver.person_record").set_index(RECORD)
    rows = persons.loc[[tuple(key) for key in of[mistaken][RECORD].to_numpy() if tuple(key) in persons.index]]
    told = rows[rows["birth_date"].notna()]
    assert set(told["birth_date"].astype(str)) == {"1980-05-17"}
    assert list(persons.loc[("loyalty", member_no), "emails"]) == [NEW_EMAIL]
    carried = copied.frame("silver.identifier")
    of_member = carried[(carried["source"] == "loyalty") & (carried["source_key"] == member_no)]
    assert of_member.loc[of_member["namespace"] == "email", "value"].tolist() == [NEW_EMAIL]

    assert shown_in_gold(copied, restricted) == set()
    assert sold(copied) == sums
    after = open_members(copied)
    stayed = after[after["golden_id"] == restricted]
    assert set(stayed["source_key"]) == set(of[restricted]["source_key"])

    marketing = {name for name in shown_in_gold(copied, objecting) if "marketing" in name}
    assert marketing == set()
    assert "gold.profile_service" in shown_in_gold(copied, objecting)

    apart = after.merge(of[leaving][RECORD], on=RECORD)
    assert apart["golden_id"].nunique() == len(apart) == len(of[leaving])
    assert set(apart["link_permission"]) == {"barred"}
    history = copied.frame("id.golden_history")
    events = history[(history["effective_on"].astype(str) == str(SECOND)) & (history["cause"] == "consent")]
    assert set(events["source_key"].dropna()) & set(of[leaving]["source_key"])

    # The old value again is no news; another value is.
    redeliver(copied, member_no, language="en")
    assert ask(copied, "restrict", restricted, "--lift", on=THIRD) == 0
    assert changed(capsys) == len(of[restricted])
    copied.run(THIRD)
    persons = copied.frame("silver.person_record").set_index(RECORD)
    record = persons.loc[("loyalty", member_no)]
    assert str(record["birth_date"]) == "1980-05-17"
    assert list(record["emails"]) == [NEW_EMAIL] != [wrong_email]
    assert record["language"] == "en"
    assert shown_in_gold(copied, restricted) >= {"gold.purchase_fact", "gold.profile_core"}
    assert sold(copied) == sums

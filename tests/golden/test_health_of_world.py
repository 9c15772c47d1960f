"""`evaluate` over the sample world: its counts are the tables', and no person is in what it tells."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from identity.cli import main
from identity.evaluation import evaluate, read_truth
from tests.golden.conftest import FIRST, ROOT, SECOND, WORLD, Published
from tests.golden.test_why_of_world import words

CONF = str(ROOT / "conf" / "local.yaml")
DEVICES = ("cookie", "mobile_id")


def asked(published: Published, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--warehouse", str(published.warehouse), *options])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def as_json(published: Published, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    code, said, _ = asked(published, capsys, "--json", *options)
    assert code == 0
    found: dict[str, Any] = json.loads(said)
    return found


def test_its_counts_are_the_tables(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(published, capsys, "--conf", CONF)["health"]
    members = published.frame("id.golden_member")
    open_rows = members[members["valid_to_on"].isna()]
    persons = open_rows[~open_rows["source"].isin(DEVICES)]
    assert told["as_of"] == str(SECOND)
    assert told["golden_ids"] == {
        "persons": persons["golden_id"].nunique(),
        "visitors": len(set(open_rows["golden_id"]) - set(persons["golden_id"])),
    }
    assert told["records"] == {"persons": len(persons), "devices": len(open_rows) - len(persons)}
    sizes = persons["golden_id"].value_counts()
    assert told["records_per_id"]["2"] == (sizes == 2).sum() > 0
    assert sum(told["records_per_id"].values()) == sum(told["sources_per_id"].values()) == len(sizes)
    assert told["largest"][0]["records"] == sizes.max()
    # Every id of several records has a weakest link.
    assert sum(told["weakest_link"].values()) == (sizes > 1).sum() == told["weak_bridge"]["of"]
    assert told["weakest_link"]["identifier or decision"] > 0 < told["weakest_link"]["0.999 or more"]

    edges = published.frame("id.edge")
    used = edges[edges["fate"] == "used"]["rule"].value_counts()
    assert {row["rule"]: row["edges"] for row in told["edges"]} == used.to_dict()
    assert sum(r["values"] for r in told["blocked_values"]) == len(published.frame("id.blocked_value"))
    silver = persons.merge(published.frame("silver.person_record"), on=["source", "source_key"])
    for row in told["values"]:
        known = silver[silver[row["field"]].notna()].groupby("golden_id")[row["field"]]
        assert row["golden_ids"] == (known.size() > 1).sum() > 0
        assert row["more_than_one"]["found"] == (known.nunique() > 1).sum()
    assert [row["golden_ids"] for row in told["limits"]] == [0, 0]


def test_churn_is_what_the_run_said_of_its_blast_radius(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    told = as_json(published, capsys)["health"]["churn"]
    assert told == as_json(published, capsys, "--since", str(FIRST))["health"]["churn"]
    assert told["since"] == str(FIRST)
    said = {row["what"]: row["golden_ids"] for row in published.second["blast_radius"]["ids"]}
    both = {key: told["persons"][key] + told["visitors"][key] for key in told["persons"]}
    assert both["kept"] == said["kept"] > 0
    assert both["merged"] == said["merged away"] > 0
    assert (both["retired"], both["split"], both["new"]) == (said["retired"], said["split"], said["new"])
    moved = sum(n for of in told["records"]["moved"].values() for n in of.values())
    assert moved == sum(row["records"] for row in published.second["blast_radius"]["records_moved"])
    ledger = published.frame("id.golden_history")
    assert both["merged"] == (ledger["event"] == "merged").sum()


def test_with_a_truth_the_scores_stay_where_they_were(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    members = published.frame("id.golden_member")
    expected = evaluate(
        members[members["valid_to_on"].isna()], published.frame("id.edge"), read_truth(WORLD / "truth")
    )
    found = as_json(published, capsys, "--truth", str(WORLD / "truth"))
    assert found.pop("health")["golden_ids"]["persons"] > 0
    assert found == json.loads(json.dumps(expected))


def test_nobody_is_told_of(published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "health.html"
    code, text, _ = asked(published, capsys, "--conf", CONF, "--html", str(page))
    assert code == 0
    shown = text + page.read_text(encoding="utf-8") + asked(published, capsys, "--json")[1]
    personal = words(published)
    assert len(personal) > 1000
    said = set(shown.split())
    assert not [word for word in personal if word in (said if word.isalpha() else shown)]
    keys = published.frame("id.golden_member")["source_key"]
    assert not [key for key in pd.unique(keys) if len(key) > 5 and key in shown]


@pytest.mark.parametrize(
    ("since", "said"), [("2020-01-01", "no golden ids yet"), (str(SECOND), "nothing has run since")]
)
def test_a_date_without_anything_to_compare(
    published: Published, capsys: pytest.CaptureFixture[str], since: str, said: str
) -> None:
    code, _, error = asked(published, capsys, "--since", since)
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1

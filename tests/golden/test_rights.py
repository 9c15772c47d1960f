"""Exports over the sample world: all that is a person's, nothing of anybody else's, in the published shape."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from benchmarks.export import Checked, check, compare, persons_to_ask
from benchmarks.export_expected import Known
from identity.cli import main
from identity.config import Config
from identity.config_reading import load_config
from identity.errors import SubjectError
from identity.rights.export import export, portable, to_json
from identity.rights.persons import find
from identity.rights.sections import PORTABLE
from identity.rights.statements import purposes_of
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import Tables
from tests.golden.conftest import ROOT, SECOND, WORLD, Published, World


@pytest.fixture(scope="module")
def config(published: Published) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", landing=WORLD / "landing", warehouse=published.warehouse)


def test_an_export_holds_all_of_hers_and_nothing_of_others(published: Published, config: Config) -> None:
    known = Known.read(config, WORLD / "truth")
    some = persons_to_ask(config, 4, seed=3)
    # Who refused to be joined has her receipts in no profile, and in her export.
    members = published.frame("id.golden_member")
    barred = members[members["link_permission"].eq("barred") & members["source"].eq("loyalty")]
    asked = [
        ("loyalty", key) for key in sorted(set(barred["source_key"])) if known.receipts_of({("loyalty", key)})
    ]
    assert len(asked) > 1
    some += asked[:2]
    # Whom the register deleted, and what was bought with the card.
    is_open = set(
        zip(*(members[members["valid_to_on"].isna()][n] for n in ("source", "source_key")), strict=True)
    )
    gone = sorted(
        record
        for record in set(zip(members["source"], members["source_key"], strict=True)) - is_open
        if record[0] in ("loyalty", "crm")
    )
    assert gone
    some += gone[-2:]
    # Who shares a loyalty account with somebody else is shown the account, and nothing of the other.
    holders: dict[str, set[str]] = defaultdict(set)
    for card in known.cards.values():
        holders[card["account_no"]].add(card["member_no"])
    joint = [members for _, members in sorted(holders.items()) if len(members) > 1]
    [one, other] = [("loyalty", member) for member in sorted(joint[0])]
    assert known.person_of[one] != known.person_of[other]
    some.append(one)
    tables = Tables(published.spark, published.warehouse)
    found = check(tables, config, known, some, key=config.secret(), on=SECOND)
    assert (found.missing, found.others, found.leaked) == ([], [], [])
    assert found.persons == 7 + len(gone[-2:])
    assert found.records > 6
    assert found.lines > 0
    assert found.doubtful > 0  # half of them were chosen so


def schema(name: str) -> Any:
    return json.loads((ROOT / "docs/schemas" / f"{name}-export.json").read_text(encoding="utf-8"))


PEKKA = "loyalty_member=M00000001"


@pytest.fixture(scope="module")
def whole(published: Published, config: Config) -> dict[str, Any]:
    """The export of the first persona, as its file."""
    subject = find(config, [PEKKA], key=config.secret())
    tables = Tables(published.spark, published.warehouse)
    told: dict[str, Any] = json.loads(
        to_json(export(tables, config, subject, key=config.secret(), on=SECOND))
    )
    return told


def test_a_persona_is_told_what_was_delivered_of_him(whole: dict[str, Any], config: Config) -> None:
    def shown(section: str, *columns: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row[column] for column in columns) for row in whole[section])

    assert shown("interactions", "source_key", "interaction_id", "interaction_type", "opened_at") == [
        ("C00000001", "I00000002", "conversation", "2026-01-19T15:40:00.000Z"),
        ("C00000002", "I00000001", "delivery", "2026-01-21T06:00:00.000Z"),
    ]
    assert shown("cards", "card_no", "account_no", "holder_role") == [
        ("L0000000001", "A00000001", "principal")
    ]
    assert shown("accounts", "account_no", "tier", "opened_on") == [("A00000001", "silver", "2019-04-02")]
    assert shown("purchases", "receipt_id", "line_no") == [(f"R00000000000{n}", 1) for n in (1, 2, 3)]
    views = {(row["event_id"], row["login_id"]) for row in whole["views"] if row["source"] == "web_events"}
    assert {(f"E000000000000000{n}", "u00000001") for n in (2, 3, 4, 6, 7, 8, 9)} <= views
    said = {
        (r["purpose"], r["value"], r["asserted_at"]) for r in whole["consents"] if r["source"] == "loyalty"
    }
    assert said == {
        (purpose, "n" if purpose == "marketing.phone" else "y", "2025-10-02T10:00:00.000Z")
        for purpose in config.purposes
        if purpose not in ("collect", "service")
    }
    assert {
        (row["feed"], row["record"].get("member_no") or row["record"]["account_no"])
        for row in whole["delivered"]
        if row["source"] == "loyalty"
    } == {
        ("members", "M00000001"),
        ("cards", "M00000001"),
        ("consents", "M00000001"),
        ("accounts", "A00000001"),
    }
    # Of his two cookies one said yes to being joined.
    cookie = hash_of("cookie", "1".rjust(32, "0"), key=hash_key(config.secret()))
    assert shown("devices", "namespace", "value_hmac", "to_at") == [("cookie", cookie, None)]
    assert {name: source["collection_basis"] for name, source in whole["sources"].items()} == {
        "crm": "contract",
        "loyalty": "contract",
        "survey": "legitimate_interest",
        "tills": "contract",
        "web_events": "consent",
        "web_log": "legitimate_interest",
    }
    [metrics] = whole["profiles"]["customer_metrics"]
    assert (metrics["purchases"], metrics["monetary_amount"]) == (3, 139.7)


@pytest.mark.parametrize(
    "section", ["records", "delivered", "purchases", "interactions", "views", "consents", "cards", "accounts"]
)
def test_the_benchmark_notices_an_empty_section(
    whole: dict[str, Any], published: Published, config: Config, section: str
) -> None:
    known = Known.read(config, WORLD / "truth")
    subject = find(config, [PEKKA], key=config.secret())
    result = Checked()
    compare(result, known, ("loyalty", "M00000001"), subject, whole, {}, ())
    assert (result.missing, result.others) == ([], [])
    compare(result, known, ("loyalty", "M00000001"), subject, {**whole, section: []}, {}, ())
    assert result.missing


def test_what_he_told_the_company_is_shown_before_any_run(
    copied: World, whole: dict[str, Any], config: Config
) -> None:
    at = load_config(ROOT / "conf/local.yaml", warehouse=copied.warehouse)
    day = ["--run-date", SECOND.isoformat(), "--warehouse", str(copied.warehouse)]
    for verb in (["object", PEKKA, "--request", "R-3"], ["receive", "R-4", "access", "--identifier", PEKKA]):
        with pytest.raises(SystemExit) as ended:
            main(["rights", *verb, "--conf", str(ROOT / "conf/local.yaml"), *day])
        assert ended.value.code == 0
    subject = find(at, [PEKKA], key=at.secret())

    told = export(copied.tables, at, subject, key=at.secret(), on=SECOND, answered="R-4")

    assert whole["statements"] == whole["requests"] == []
    said = {(row["purpose"], row["value"], row["basis"], row["request_id"]) for row in told["statements"]}
    assert said == {
        (purpose, "n", "objection", "R-3") for purpose in purposes_of("objection", (), config.purposes)
    }
    asked = [(r["request_id"], r["right"], r["status"], r["golden_ids"]) for r in told["requests"]]
    assert asked == [("R-3", "objection", "closed", told["golden_ids"])]


def test_exports_have_the_published_shape(whole: dict[str, Any]) -> None:
    jsonschema.validate(whole, schema("subject"), format_checker=jsonschema.FormatChecker())
    carried = json.loads(to_json(portable(whole)))
    jsonschema.validate(carried, schema("portable"))
    assert {name for name in PORTABLE if whole[name]} >= {
        "records",
        "delivered",
        "purchases",
        "views",
        "consents",
    }
    assert set(carried) == {"format", "made_on", *PORTABLE}  # no decision, no evidence, no profile
    assert "tier" not in to_json(carried).decode()
    assert whole["profiles"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**carried, "evidence": []}, schema("portable"))


def test_every_identifier_of_hers_finds_her(config: Config) -> None:
    key = config.secret()
    hers = find(config, ["record=loyalty:M00000001"], key=key)
    same = [
        "loyalty_member=M00000001",
        "loyalty_card=L0000000001",
        "crm_contact=C00000001",
        "login=u00000001",
    ]
    same += [
        "payment_token=tok_0000000000000001",
        f"golden_id={hers.golden_ids[0]}",
        "cookie=" + "1".rjust(32, "0"),
    ]
    assert [text for text in same if find(config, [text], key=key) != hers] == []


def test_doubtful_records_are_listed_for_staff_who_ask(
    config: Config, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    members = published.frame("id.golden_member")
    members = members[members["valid_to_on"].isna()]
    parts = members.groupby("golden_id")["part"].nunique()
    several = members[members["golden_id"].isin(parts[parts > 1].index)]
    first = several[several["source"].isin(["loyalty", "crm"])].iloc[0]
    others = several[(several["golden_id"] == first["golden_id"]) & (several["part"] != first["part"])]
    doubtful = sorted(others["source"] + ":" + others["source_key"])
    assert doubtful

    def told(*options: str) -> str:
        name = f"record={first['source']}:{first['source_key']}"
        where = ["--conf", str(ROOT / "conf/local.yaml"), "--warehouse", str(published.warehouse)]
        with pytest.raises(SystemExit) as ended:
            main(["rights", "find", name, *where, *options])
        assert ended.value.code == 0
        return capsys.readouterr().out

    lines = told("--doubtful").splitlines()
    assert [line.split() for line in lines if line.startswith("doubtful")] == [
        ["doubtful", r] for r in doubtful
    ]
    assert json.loads(told("--doubtful", "--json"))["doubtful"] == doubtful
    unasked = told() + told("--json")
    assert not any(record in unasked for record in doubtful)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email=nobody@nowhere.fi", "nobody is known"),
        ("phone=12", "cannot be read"),
        ("shoe_size=42", "is not written"),
        ("email=", "is not written"),
        ("record=crm:", "nobody is known"),
    ],
)
def test_who_cannot_be_told_is_refused_without_a_word_of_it(config: Config, text: str, said: str) -> None:
    with pytest.raises(SubjectError, match=said) as error:
        find(config, [text], key=config.secret())
    assert text.split("=")[1] not in str(error.value) or not text.split("=")[1]


def test_what_several_carry_names_nobody(config: Config, published: Published) -> None:
    rows = published.frame("silver.identifier")
    members = published.frame("id.golden_member")
    members = members[members["valid_to_on"].isna()]
    of = rows[rows["namespace"] == "email"].merge(members, on=["source", "source_key"])
    several = of.groupby("value")["golden_id"].nunique()
    shared = [value for value in several[several > 1].index if "@" in value]
    assert shared
    with pytest.raises(SubjectError, match="stands for") as error:
        find(config, [f"email={shared[0]}"], key=config.secret())
    assert shared[0] not in str(error.value)


def test_the_schemas_are_current() -> None:
    module: dict[str, Any] = {"__file__": str(ROOT / "docs/generate_schemas.py"), "__name__": "generate"}
    code = (ROOT / "docs/generate_schemas.py").read_text(encoding="utf-8")
    exec(compile(code, "generate_schemas.py", "exec"), module)
    told = module["schemas"]()
    found = {
        path.name: path.read_text(encoding="utf-8") for path in sorted(Path(ROOT / "docs/schemas").iterdir())
    }
    assert found == told, "run `python docs/generate_schemas.py`"

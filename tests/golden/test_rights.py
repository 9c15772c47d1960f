"""Exports over the sample world: all that is a person's, nothing of anybody else's, in the published shape."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from benchmarks.export import Known, check, persons_to_ask
from identity.config import Config
from identity.config_reading import load_config
from identity.errors import SubjectError
from identity.rights.export import PORTABLE, export, portable, to_json
from identity.rights.persons import find
from identity.tables import Tables
from tests.golden.conftest import ROOT, SECOND, WORLD, Published


@pytest.fixture(scope="module")
def config(published: Published) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", warehouse=published.warehouse)


def test_an_export_holds_all_of_hers_and_nothing_of_others(published: Published, config: Config) -> None:
    known = Known.read(published.warehouse, WORLD / "landing", WORLD / "truth")
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
    some += gone[:2]
    tables = Tables(published.spark, published.warehouse)
    found = check(tables, config, known, some, key=config.secret(), on=SECOND)
    assert (found.missing, found.others, found.leaked) == ([], [], [])
    assert found.persons == 6 + len(gone[:2])
    assert found.records > 6
    assert found.lines > 0
    assert found.doubtful > 0  # half of them were chosen so


def schema(name: str) -> Any:
    return json.loads((ROOT / "docs/schemas" / f"{name}-export.json").read_text(encoding="utf-8"))


def test_exports_have_the_published_shape(published: Published, config: Config) -> None:
    key = config.secret()
    tables = Tables(published.spark, published.warehouse)
    subject = find(config, ["loyalty_member=M00000001"], key=key)  # the first persona
    whole = json.loads(to_json(export(tables, config, subject, key=key, on=SECOND)))
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

"""Every case of resemblance.yaml, all in one table with a crowd, so that values are as common as they are among people."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from identity.config_reading import load_config
from identity.linkage.engine import link_records
from identity.linkage.known import Known
from identity.linkage.model_file import read_model
from identity.resolve.records import FIELDS, fields_of

MATCHING = load_config(Path(__file__).parents[2] / "conf" / "local.yaml").matching
CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("resemblance.yaml").read_text(encoding="utf-8")
)
SOURCES = {"M": "loyalty", "C": "crm"}
COLUMNS = {
    "given": "given_name", "other": "other_given_names", "family": "family_name", "born": "birth_date", "email": "email",
    "phone": "phone", "street": "street", "postal_code": "postal_code",
}  # fmt: skip


def row(source: str, source_key: str, said: dict[str, Any]) -> dict[str, str | None]:
    assert set(said) <= set(COLUMNS), f"{source_key}: {sorted(set(said) - set(COLUMNS))}"
    told = {column: str(said[name]) if name in said else None for name, column in COLUMNS.items()}
    return {"source": source, "source_key": source_key, "other_email": None, "city": None, **told}


def crowd() -> list[dict[str, str | None]]:
    """Others; a hundredth of them share the names of the namesakes."""
    chance = np.random.default_rng(7)
    people = []
    for n in range(600):
        said = {
            "given": f"{chance.choice(['matti', 'liisa', 'anna', 'eero', 'outi'])}{n % 10}",
            "family": f"{chance.choice(['virta', 'laine', 'niemi', 'salo'])}{n % 10}",
            "born": f"{1940 + n % 70}-{1 + n % 12:02}-{1 + n % 28:02}",
            "email": f"box{n}@posti.example",
            "phone": f"+3584055{n + 50_000}",
            "street": f"katu {n}",
            "postal_code": f"{n % 99:02}300",
        }
        people.append(row("crm", f"x{n:04}", said))
    return people


@pytest.fixture(scope="module")
def clusters() -> dict[tuple[int, str], int]:
    """Cluster of each record of each case."""
    rows = [
        row(SOURCES[key[0]], f"{place:03}{key}", said)
        for place, case in enumerate(CASES)
        for key, said in case["records"].items()
    ]
    table = pd.DataFrame(rows + crowd()).sort_values(["source", "source_key"], ignore_index=True)
    is_member = table["source"] == "loyalty"
    held = pd.DataFrame(
        {"record": np.flatnonzero(is_member), "namespace": "loyalty_member", "value": table["source_key"][is_member]}
    )  # fmt: skip
    linked = link_records(
        fields_of(table),
        Known(len(table), held=held, limits={"loyalty_member": 1}),
        model=read_model(MATCHING.model, FIELDS),
    )
    names = zip(table["source_key"], linked.labels.tolist(), strict=True)
    return {(int(name[:3]), name[3:]): label for name, label in names if not name.startswith("x")}


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case["case"] for case in CASES])
def test_case(place: int, clusters: dict[tuple[int, str], int]):
    case = CASES[place]
    groups: dict[int, set[str]] = {}
    for key in case["records"]:
        groups.setdefault(clusters[place, key], set()).add(key)
    expected = [set(person.split()) for person in case["persons"].split("|")]
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, expected))


def test_nobody_is_joined_with_another_case(clusters: dict[tuple[int, str], int]):
    cases: dict[int, set[int]] = {}
    for (place, _), label in clusters.items():
        cases.setdefault(label, set()).add(place)
    assert all(len(places) == 1 for places in cases.values())

"""Every case of persons_and_households.yaml through the line's own functions, from raw values to households."""

import datetime as dt
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.resolve.edges import DECISION, Evidence, resolve_edges
from identity.resolve.households import households
from identity.resolve.identifiers import blocked_values, shared_identifier_edges
from identity.sources import tills
from identity.sources.rows import IDENTIFIER, PERSON, names_of
from identity.standardise import records

CONFIG = load_config(Path(__file__).parents[2] / "conf" / "local.yaml", need_model=False)
CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("persons_and_households.yaml").read_text(encoding="utf-8")
)
DAY, SEEN = dt.date(2026, 2, 1), dt.date(2025, 1, 1)
KEY = b"a key of the tests, no secret"
SOURCES = {"M": "loyalty", "C": "crm", "u": "web_events", "t": "tills"}
OWN = {"M": "loyalty_member", "C": "crm_contact", "u": "login", "t": "payment_token"}
KNOWN = {
    "given",
    "family",
    "born",
    "street",
    "postal_code",
    "email",
    "phone",
    "member",
    "kind",
    "seen",
    "barred",
}
Groups = set[frozenset[str]]


@dataclass
class Found:
    """What came of a case, records by their key in it."""

    persons: Groups = field(default_factory=set)
    households: Groups = field(default_factory=set)
    edges: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)


def everybody() -> list[tuple[str, str, dict[str, Any]]]:
    """Every record of every case: its key over all cases, its key in its own, and what it says."""
    return [
        (f"{key}-{place}", key, said or {})
        for place, case in enumerate(CASES)
        for key, said in case["records"].items()
    ]


def persons_of(spark: SparkSession) -> DataFrame:
    rows = []
    for key, own, said in everybody():
        assert set(said) <= KNOWN
        seen = dt.datetime.combine(said.get("seen", SEEN), dt.time())
        row = dict.fromkeys(names_of(PERSON)) | {
            "source": SOURCES[own[0]],
            "source_key": key,
            "subject_kind": said.get("kind", "customer"),
            "linkage": "allowed",
            "first_names": said.get("given"),
            "last_names": said.get("family"),
            "birth_text": str(said["born"]) if "born" in said else None,
            "street": said.get("street"),
            "postal_code": said.get("postal_code"),
            "valid_from": seen,
            "first_seen_at": seen,
        }
        rows.append(tuple(row.values()))
    return spark.createDataFrame(rows, PERSON)


def identifiers_of(spark: SparkSession) -> DataFrame:
    rows = []
    for key, own, said in everybody():
        place = key.removeprefix(own)
        values = [(OWN[own[0]], key), ("email", said.get("email")), ("phone", said.get("phone"))]
        if own[0] == "u" and "email" in said:  # a tag collector sends the hash alone
            values[1] = ("email", hashlib.sha256(said["email"].lower().encode()).hexdigest())
        if "member" in said:
            values.append(("loyalty_member", said["member"] + place))
        rows += [(SOURCES[own[0]], key, name, str(value), None, None) for name, value in values if value]
    shown = shown_at_the_till(spark).where("namespace != 'payment_token'")
    return spark.createDataFrame(rows, IDENTIFIER).unionByName(shown)


def shown_at_the_till(spark: SparkSession) -> DataFrame:
    """What the receipts say of payment tokens, by the source's own rules."""
    receipts = [
        (f"R{number}-{place}", f"{token}-{place}", f"{member}-{place}")
        for place, case in enumerate(CASES)
        for number, (token, member) in enumerate(case.get("receipts", []))
    ]
    line = (
        "receipt_id string, line_no int, store_id string, sold_at timestamp, product_id string, quantity int, "
        "gross_amount double, discount_amount double, net_amount double, currency string, loyalty_card_no string, "
        "payment_token string, e_receipt_email string, delivered_on date, file string, row_no bigint"
    )
    nothing = dict.fromkeys(part.split()[0] for part in line.split(", "))
    at = {"line_no": 1, "sold_at": dt.datetime(2026, 1, 5)}  # noqa: DTZ001
    rows = [
        tuple({**nothing, **at, "receipt_id": r, "payment_token": t, "loyalty_card_no": m}.values())
        for r, t, m in receipts
    ]
    cards = [(member, member) for member in sorted({member for *_, member in receipts})]
    feed = "delivered_on date, file string, row_no bigint, file_id string, valid_from date"
    empty = {
        "till_totals": f"store_id string, business_date date, lines int, net_amount double, currency string, {feed}",
        "products": f"product_id string, sensitive boolean, {feed}",
        "stores": f"store_id string, {feed}",
    }
    feeds = {name: spark.createDataFrame([], shape) for name, shape in empty.items()}
    feeds["receipt_lines"] = spark.createDataFrame(rows, line)
    return tills.rows(feeds, cards=spark.createDataFrame(cards, "card_no string, member_no string"))[
        "identifier"
    ]


def cards_of(spark: SparkSession) -> DataFrame:
    rows = []
    for place, case in enumerate(CASES):
        for account, holders in case.get("accounts", {}).items():
            members = {holders["principal"]: "principal", **dict.fromkeys(holders["parallel"], "parallel")}
            closed = holders.get("closed", ())
            rows += [
                (
                    f"L{m}-{place}",
                    f"{account}-{place}",
                    f"{m}-{place}",
                    role,
                    None,
                    DAY if m in closed else None,
                )
                for m, role in members.items()
            ]
    columns = contract_of("silver.loyalty_card").columns
    return spark.createDataFrame(rows, ", ".join(f"{name} {column.type}" for name, column in columns.items()))


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> list[Found]:
    """What came of every case."""
    barred = {key for key, _, said in everybody() if said.get("barred")}
    identifiers = records.identifiers(
        identifiers_of(spark), namespaces=CONFIG.namespaces, key=KEY
    ).localCheckpoint()
    people = records.person_records(persons_of(spark), identifiers, on=DAY).localCheckpoint()
    may = identifiers.where(~F.col("source_key").isin(*barred))
    evidence = Evidence(
        shared=shared_identifier_edges(may, people, namespaces=CONFIG.namespaces),
        records=None,
        decisions=spark.createDataFrame([], DECISION),
        identifiers=may,
        before=spark.createDataFrame([], contract_of("id.golden_member").spark_schema),
    )
    resolved = resolve_edges(evidence, namespaces=CONFIG.namespaces, model=None)
    edges = resolved.edges.collect()
    before = spark.createDataFrame([], contract_of("id.blocked_value").spark_schema)
    blocked = blocked_values(may, people, before, namespaces=CONFIG.namespaces, on=DAY).join(
        identifiers.where("length(value) != 64").select("namespace", "value_hmac", "value", "source_key"),
        on=["namespace", "value_hmac"],
    )
    joined = {row["source_key"]: row["cluster"] for row in resolved.clusters.collect()}
    person_of = {key: joined.get(key, key) for key, *_ in everybody()}
    members = spark.createDataFrame(
        [
            (person_of[key], SOURCES[own[0]], key, "identified", "barred" if key in barred else "permitted")
            for key, own, _ in everybody()
        ],
        "golden_id string, source string, source_key string, level string, link_permission string",
    )
    homes = households(
        members,
        people,
        cards_of(spark),
        spark.createDataFrame([], contract_of("id.household").spark_schema),
        spark.createDataFrame([], contract_of("id.crosswalk").spark_schema),
        limits=CONFIG.matching.household,
        key=KEY,
        on=DAY,
    ).collect()
    return told(edges, blocked.collect(), person_of, homes)


def told(edges: list[Row], blocked: list[Row], person_of: dict[str, str], homes: list[Row]) -> list[Found]:
    """What was found, case by case."""
    found = [Found() for _ in CASES]
    persons: dict[str, set[str]] = defaultdict(set)
    for key, person in person_of.items():
        persons[person].add(key)
    together: dict[str, set[str]] = defaultdict(set)
    for row in homes:
        together[row["household_id"]] |= persons[row["golden_id"]]
    for groups, name in ((persons, "persons"), (together, "households")):
        for keys in groups.values():
            (place,) = {int(key.split("-")[1]) for key in keys}  # never over two cases
            getattr(found[place], name).add(frozenset(key.split("-")[0] for key in keys))
    for row in edges:
        left, right = sorted((row["source_key_l"], row["source_key_r"]))
        if row["reason"] is not None:
            found[int(left.split("-")[1])].edges[f"{left.split('-')[0]} {right.split('-')[0]}"] = row[
                "reason"
            ]
    for row in blocked:
        place = int(row["source_key"].split("-")[1])
        found[place].blocked[f"{row['namespace']} {row['value'].removesuffix(f'-{place}')}"] = row["reason"]
    return found


def groups(text: str) -> Groups:
    return {frozenset(group.split()) for group in text.split("|") if group.strip()}


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case["case"] for case in CASES])
def test_case(found: list[Found], place: int) -> None:
    case, came = CASES[place], found[place]
    assert set(case) <= {
        "case",
        "records",
        "accounts",
        "receipts",
        "persons",
        "edges",
        "blocked",
        "households",
    }
    named = groups(case.get("persons", ""))
    alone = {frozenset([key]) for key in case["records"]} - {
        frozenset([key]) for group in named for key in group
    }
    assert came.persons == named | alone
    edges = case.get("edges", {})
    if "others" in edges:
        assert came.edges
        assert set(came.edges.values()) == {edges["others"]}
    else:
        pair = {" ".join(sorted(keys.split())): reason for keys, reason in edges.items()}
        assert came.edges == pair
    assert came.blocked == case.get("blocked", {})
    # A household is named by one record of each of its members.
    person = {key: group for group in came.persons for key in group}
    expected = {
        frozenset(k for key in group for k in person[key]) for group in groups(case.get("households", ""))
    }
    assert came.households == expected


def test_cases_have_names_of_their_own() -> None:
    names = [case["case"] for case in CASES]
    assert len(set(names)) == len(names)

"""The fate of every edge, worked by hand; `tests/property/test_clustering.py` has the references for joining."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Namespace
from identity.config_reading import load_config
from identity.linkage.model import Thresholds, log_odds
from identity.linkage.model_file import read_model
from identity.resolve.edges import DECISION, Evidence, resolve_edges
from identity.resolve.identifiers import EDGE
from identity.resolve.records import FIELDS
from identity.resolve.spread import over_executors

ROOT = Path(__file__).parents[3]
NAMESPACES = {
    "loyalty_member": Namespace(level="identified", rank=2, links="always", max_persons=50, max_per_person=1),
    "email": Namespace(level="identified", rank=6, links="with_agreement", max_persons=8),
}
MATCHING = load_config(ROOT / "conf" / "local.yaml").matching
PERSON = (
    "source string, source_key string, given_name string, other_given_names string, family_name string, birth_date date, "
    "emails array<string>, phones array<string>, street string, postal_code string, city string"
)
Row = tuple[Any, ...]


def shared(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """Rows: left, right, rule, reason; records as `source:key`."""
    made = [
        (*a.split(":"), *b.split(":"), "deterministic", rule, NAMESPACES[rule].rank, None, None, why)
        for a, b, rule, why in rows
    ]
    return spark.createDataFrame(made, EDGE)


def persons(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """Rows: record, given name, family name, birth date, street."""
    import datetime as dt

    made = [
        (*record.split(":"), given, None, family, dt.date.fromisoformat(born) if born else None, [], [], street,
         "00100" if street else None, "helsinki" if street else None)
        for record, given, family, born, street in rows
    ]  # fmt: skip
    return spark.createDataFrame(made, PERSON)


def resolved(
    spark: SparkSession,
    rows: list[Row] = [],  # noqa: B006 - read only
    carried: list[tuple[str, str]] = [],  # noqa: B006
    *,
    decided: list[tuple[str, str, str]] = [],  # noqa: B006
    compared: list[Row] | None = None,
    before: dict[str, str] = {},  # noqa: B006
    thresholds: Thresholds | None = None,
    **options: Any,
) -> tuple[dict[tuple[str, str, str], tuple[str, str | None]], dict[str, str], dict[str, float]]:
    """Fates by edge, cluster by record, and confidence by record."""
    evidence = Evidence(
        shared=shared(spark, rows),
        records=None if compared is None else persons(spark, compared),
        decisions=spark.createDataFrame([(*a.split(":"), *b.split(":"), d) for a, b, d in decided], DECISION),
        identifiers=spark.createDataFrame(
            [("loyalty_member", *record.split(":"), value) for record, value in carried],
            "namespace string, source string, source_key string, value_hmac string",
        ),
        before=spark.createDataFrame(
            [(*record.split(":"), golden_id) for record, golden_id in before.items()],
            "source string, source_key string, golden_id string",
        ),
    )
    model = None if compared is None else read_model(MATCHING.model, FIELDS)
    if model is not None and thresholds is not None:
        model = replace(model, thresholds=thresholds)
    found = resolve_edges(evidence, namespaces=NAMESPACES, model=model, **options)
    fates = {
        (f"{r.source_l}:{r.source_key_l}", f"{r.source_r}:{r.source_key_r}", r.rule): (r.fate, r.reason)
        for r in found.edges.collect()
    }
    rows_of = found.clusters.collect()
    clusters = {f"{r.source}:{r.source_key}": r.cluster.replace("\x1f", ":") for r in rows_of}
    return fates, clusters, {f"{r.source}:{r.source_key}": r.confidence for r in rows_of}


ROWS: list[Row] = [
    ("crm:1", "loyalty:M1", "loyalty_member", None),  # contact 1 carries member M1 ...
    ("crm:1", "loyalty:M2", "email", None),  # ... and shares an e-mail with M2
    ("crm:3", "loyalty:M2", "email", "needs_agreement"),  # rejected before
]
CARRIED = [("crm:1", "M1"), ("loyalty:M1", "M1"), ("loyalty:M2", "M2"), ("crm:9", "M9")]


def test_the_stronger_identifier_wins_and_the_other_is_told_why(spark: SparkSession):
    fates, clusters, confidence = resolved(spark, ROWS, CARRIED)
    assert fates == {
        ("crm:1", "loyalty:M1", "loyalty_member"): ("used", None),
        ("crm:1", "loyalty:M2", "email"): ("rejected", "unique_namespace"),
        ("crm:3", "loyalty:M2", "email"): ("rejected", "needs_agreement"),
    }
    # A cluster is named by its first record; what was rejected before says nothing of crm:3.
    assert clusters == {"crm:1": "crm:1", "loyalty:M1": "crm:1", "loyalty:M2": "loyalty:M2"}
    assert confidence["crm:1"] == 1.0


def test_the_order_of_rows_does_not_matter(spark: SparkSession):
    expected = resolved(spark, ROWS, CARRIED)
    for seed in range(2):
        chance = random.Random(seed)
        mixed = chance.sample(ROWS, len(ROWS)), chance.sample(CARRIED, len(CARRIED))
        assert resolved(spark, *mixed) == expected


def test_a_person_decides_over_every_limit_and_before_every_identifier(spark: SparkSession):
    decided = [("loyalty:M1", "loyalty:M2", "must_link"), ("crm:1", "loyalty:M1", "cannot_link")]
    fates, clusters, _ = resolved(spark, ROWS, CARRIED, decided=decided)
    assert fates[("loyalty:M1", "loyalty:M2", "must_link")] == ("used", None)
    assert fates[("crm:1", "loyalty:M1", "cannot_link")] == ("rejected", "cannot_link")
    # M2 is one with M1 by now, so that what M1 must not be with, M2 must not either.
    assert fates[("crm:1", "loyalty:M1", "loyalty_member")] == ("rejected", "cannot_link")
    assert fates[("crm:1", "loyalty:M2", "email")] == ("rejected", "cannot_link")
    assert clusters == {"crm:1": "crm:1", "loyalty:M1": "loyalty:M1", "loyalty:M2": "loyalty:M1"}


def test_nothing_to_resolve(spark: SparkSession):
    assert resolved(spark) == ({}, {}, {})
    assert resolved(spark, compared=[]) == ({}, {}, {})
    assert resolved(spark, compared=CROWD[:1]) == ({}, {"crm:c0": "crm:c0"}, {"crm:c0": 1.0})


COMPARED: list[Row] = [
    ("loyalty:M1", "maija", "kuusiniemi", "1950-04-01", "tammitie 1"),
    ("crm:1", "maija", "kuusiniemi", "1950-04-01", "tammitie 1"),
    ("crm:2", "maija", "kuusiniemi", None, None),  # a namesake, or the same: names alone
    ("crm:3", "seppo", "kuusiniemi", "1948-02-11", "tammitie 1"),  # of her household
    ("loyalty:M4", "maija", "kuusiniemi", "1950-04-01", "tammitie 1"),  # another membership
]
# Others, so that names are as common as they are among people.
CROWD: list[Row] = [
    (
        f"crm:c{n}",
        f"{first}{n % 7}",
        f"{last}{n % 11}",
        f"{1940 + n % 60}-{1 + n % 12:02}-{1 + n % 28:02}",
        f"katu {n}",
    )
    for n, (first, last) in enumerate([("an", "virta"), ("eero", "laine"), ("outi", "niemi")] * 40)
]
MEMBERS = [("loyalty:M1", "M1"), ("loyalty:M4", "M4")]


def test_compared_records_are_joined_as_far_as_limits_allow(spark: SparkSession):
    fates, clusters, confidence = resolved(spark, carried=MEMBERS, compared=COMPARED + CROWD)
    rule = MATCHING.model.stem
    assert clusters["crm:1"] == clusters["loyalty:M1"] == "crm:1"
    assert clusters["crm:3"] == "crm:3"
    assert clusters["loyalty:M4"] == "loyalty:M4"
    assert fates[("crm:1", "loyalty:M1", rule)] == ("used", None)
    assert fates[("crm:1", "loyalty:M4", rule)] == ("rejected", "unique_namespace")
    assert fates[("loyalty:M1", "loyalty:M4", rule)] == ("rejected", "unique_namespace")
    assert 0.99 < confidence["crm:1"] < 1.0


def test_the_order_of_compared_records_does_not_matter(spark: SparkSession):
    rows, decided = (
        [*COMPARED, *CROWD],
        [("crm:2", "crm:3", "cannot_link"), ("crm:1", "crm:2", "cannot_link")],
    )
    before = {"crm:2": "A", "loyalty:M1": "A", "loyalty:M4": "B"}
    expected = resolved(spark, ROWS, MEMBERS, compared=rows, decided=decided, before=before)
    chance = random.Random(3)

    def mixed(told: list[Any]) -> list[Any]:
        return chance.sample(told, len(told))

    again = resolved(
        spark, mixed(ROWS), mixed(MEMBERS), compared=mixed(rows), decided=mixed(decided),
        before=dict(mixed([*before.items()])),
    )  # fmt: skip
    assert again == expected


def test_a_ban_is_told_as_such(spark: SparkSession):
    decided = [("crm:1", "loyalty:M1", "cannot_link")]
    fates, clusters, _ = resolved(spark, carried=MEMBERS, compared=COMPARED[:3] + CROWD, decided=decided)
    assert clusters["crm:1"] != clusters["loyalty:M1"]
    assert fates[("crm:1", "loyalty:M1", MATCHING.model.stem)] == ("rejected", "cannot_link")


def test_what_was_one_stays_one_down_to_the_keep_threshold(spark: SparkSession):
    strict = Thresholds(join=1 - 1e-9, keep=0.9)
    edge = ("crm:1", "loyalty:M1", MATCHING.model.stem)
    free, _, _ = resolved(spark, compared=COMPARED + CROWD, thresholds=strict)
    assert free[edge] == ("rejected", "weaker_than_threshold")
    before = {"crm:1": "A", "loyalty:M1": "A", "loyalty:M4": "B"}
    kept, clusters, _ = resolved(spark, compared=COMPARED + CROWD, before=before, thresholds=strict)
    assert kept[edge] == ("used", None)
    assert clusters["crm:1"] == clusters["loyalty:M1"] != clusters["loyalty:M4"]


def test_executors_find_what_the_driver_finds(spark: SparkSession):
    """The same frames over Python workers, in several parts."""
    many = [
        (f"{record}{town}", given, f"{family}{chr(97 + town) * 3}", born, f"tammitie {town}")
        for town in range(12)
        for record, given, family, born, _ in COMPARED
    ]
    seen: list[int] = []

    def spread(work: pa.Table, solve: Any) -> pa.Table:
        seen.append(work.num_rows)
        return over_executors(spark, few=0)(work, solve)

    unsure = Thresholds(join=0.01, keep=0.01)
    found = resolved(spark, compared=many + CROWD, thresholds=unsure, spread=spread)
    assert found == resolved(spark, compared=many + CROWD, thresholds=unsure)
    assert seen[0] > 30
    assert len(set(found[1].values())) < len(found[1])


def test_compared_pairs_keep_what_adds_up_to_their_weight(spark: SparkSession):
    nothing = spark.createDataFrame([], "source string, source_key string, golden_id string")
    evidence = Evidence(
        shared(spark, ROWS), persons(spark, COMPARED + CROWD), spark.createDataFrame([], DECISION),
        spark.createDataFrame([], "namespace string, source string, source_key string, value_hmac string"), nothing,
    )  # fmt: skip
    model = read_model(MATCHING.model, FIELDS)
    edges = resolve_edges(evidence, namespaces=NAMESPACES, model=model).edges.collect()
    compared = [edge for edge in edges if edge.kind == "probabilistic"]
    assert compared
    for edge in compared:
        assert {"given", "family"} <= {step.comparison for step in edge.evidence}
        bits = sum(step.bits for step in edge.evidence)
        assert log_odds(model.prior) + bits == pytest.approx(edge.match_weight, abs=1e-9)
        # Nothing of a record is in it but how it compares.
        assert not {"maija", "kuusiniemi", "tammitie"} & {
            word for s in edge.evidence for word in s.label.split()
        }
    assert {edge.evidence for edge in edges if edge.kind != "probabilistic"} == {None}


@pytest.mark.parametrize("sources", [("crm",), ("loyalty", "crm")])
def test_columns_and_keys_are_those_of_the_contract(spark: SparkSession, sources: tuple[str, ...]):
    from identity.contracts import contract_of

    rows = [row for row in COMPARED if row[0].split(":")[0] in sources]
    evidence = Evidence(
        shared(spark, ROWS), persons(spark, rows), spark.createDataFrame([], DECISION),
        spark.createDataFrame([], "namespace string, source string, source_key string, value_hmac string"),
        spark.createDataFrame([], "source string, source_key string, golden_id string"),
    )  # fmt: skip
    model = read_model(MATCHING.model, FIELDS)
    edges = resolve_edges(evidence, namespaces=NAMESPACES, model=model).edges
    contract = contract_of("id.edge")
    assert set(edges.columns) == set(contract.spark_schema.fieldNames())
    keys = edges.select(*contract.key)
    assert keys.distinct().count() == keys.count() > 0
    assert (
        edges.where("source_l > source_r or (source_l = source_r and source_key_l >= source_key_r)").count()
        == 0
    )

"""The gates before silver and before matching: silence bars, a yes permits, and what overrules what."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from identity.config import Namespace, Notice, Purpose, SourceContract
from identity.consent.gates import collectable, link_permission

ON = dt.date(2026, 2, 1)
NAMESPACES = {
    name: Namespace.model_validate({"level": level, "rank": rank, "links": "always", "max_persons": 9})
    for rank, (name, level) in enumerate(
        [("customer", "verified"), ("member", "identified"), ("login", "identified"), ("cookie", "cookie")], 1
    )
}
EVENT = (
    "subject_namespace string, subject_hmac string, purpose string, contact_point_hmac string, value string, "
    "basis string, asserted_at timestamp, event_key string, notice_version string"
)
Said = list[tuple[str, ...]]  # who (an identifier's kind), answer, when, perhaps the version of the notice


def events(spark: SparkSession, case: str, purpose: str, said: Said) -> list[tuple[Any, ...]]:
    """Statements about a case's own identifiers; an objection is a no of another basis."""
    return [
        (
            who,
            f"{case}: {who}",
            purpose,
            None,
            "n" if answer == "objection" else answer,
            "objection" if answer == "objection" else "consent",
            dt.datetime.fromisoformat(when),
            f"{number}",
            notice[0] if notice else None,
        )
        for number, (who, answer, when, *notice) in enumerate(said)
    ]


# Gate L. Every record carries one identifier of each kind.
LINK: dict[str, tuple[Said, str]] = {
    "silence bars": ([], "barred"),
    "a yes permits": ([("member", "y", "2026-01-01")], "permitted"),
    "a no bars": ([("member", "n", "2026-01-01")], "barred"),
    "pending is silence": ([("member", "pending", "2026-01-01")], "barred"),
    "unknown is silence": ([("member", "unknown", "2026-01-01")], "barred"),
    "unknown takes the place of an older yes": (
        [("member", "y", "2025-12-01"), ("member", "unknown", "2026-01-01")],
        "barred",
    ),
    "the yes of a cookie is enough": ([("cookie", "y", "2026-01-01")], "permitted"),
    "of one identifier the newer yes counts": (
        [("member", "n", "2025-12-01"), ("member", "y", "2026-01-01")],
        "permitted",
    ),
    "of one identifier the newer no counts": (
        [("member", "y", "2025-12-01"), ("member", "n", "2026-01-01")],
        "barred",
    ),
    "a newer yes of equal level beats a no": (
        [("member", "n", "2025-12-01"), ("login", "y", "2026-01-01")],
        "permitted",
    ),
    "a newer yes of higher level beats a no": (
        [("login", "n", "2025-12-01"), ("customer", "y", "2026-01-01")],
        "permitted",
    ),
    "a newer yes of lower level does not": ([("member", "n", "2025-12-01"), ("cookie", "y", "2026-01-01")], "barred"),
    "an older yes of higher level does not": ([("customer", "y", "2025-12-01"), ("cookie", "n", "2026-01-01")], "barred"),
    "a yes of the same time does not": ([("member", "n", "2026-01-01"), ("login", "y", "2026-01-01")], "barred"),
    "two noes, the stronger older: the yes must be as strong as that": (
        [("customer", "n", "2025-11-01"), ("cookie", "n", "2025-12-01"), ("member", "y", "2026-01-01")],
        "barred",
    ),
    "an objection is for good": ([("member", "objection", "2020-01-01"), ("customer", "y", "2026-01-01")], "barred"),
    "the last day of a yes": ([("member", "y", "2025-02-02 23:59:59")], "permitted"),
    "the day it expires": ([("member", "y", "2025-02-01 23:59:59")], "barred"),
    "a yes under a notice whose validity ended": ([("member", "y", "2026-01-01", "old")], "barred"),
    "a yes under another notice": ([("member", "y", "2026-01-01", "new")], "permitted"),
    "an older yes counts on when a newer expired by its notice": (
        [("member", "y", "2025-12-01"), ("login", "y", "2026-01-01", "old")],
        "permitted",
    ),
}  # fmt: skip


def permissions(
    spark: SparkSession, cases: dict[str, Said], *, linkage: str, purpose: Purpose
) -> dict[str, str]:
    records = spark.createDataFrame(
        [("s", case, linkage) for case in cases], "source string, source_key string, linkage string"
    )
    identifiers = spark.createDataFrame(
        [("s", case, name, f"{case}: {name}") for case in cases for name in NAMESPACES],
        "source string, source_key string, namespace string, value_hmac string",
    )
    rows = [row for case, said in cases.items() for row in events(spark, case, "identity.link", said)]
    # Somebody else's yes, and a yes for something else: neither says anything of these records.
    rows += events(spark, "nobody", "identity.link", [("member", "y", "2026-01-01")])
    rows += [
        row for case in cases for row in events(spark, case, "analytics", [("customer", "y", "2026-01-31")])
    ]
    found = link_permission(
        records,
        identifiers,
        spark.createDataFrame(rows, EVENT),
        purpose=purpose,
        notices={"old": Notice(valid_to_on=ON)},
        namespaces=NAMESPACES,
        on=ON,
    ).collect()
    assert len(found) == len(cases)
    return {row.source_key: row.link_permission for row in found}


@pytest.fixture(scope="module")
def permitted(spark: SparkSession) -> dict[str, str]:
    cases = {case: said for case, (said, _) in LINK.items()}
    return permissions(
        spark,
        cases,
        linkage="allowed",
        purpose=Purpose(basis="consent", retention_days=365, expires_days=365),
    )


@pytest.mark.parametrize("case", LINK)
def test_gate_l(permitted: dict[str, str], case: str):
    assert permitted[case] == LINK[case][1]


def test_a_source_that_forbids_linkage_bars_whatever_was_said(spark: SparkSession):
    said: dict[str, Said] = {"yes": [("customer", "y", "2026-01-01")]}
    assert permissions(
        spark, said, linkage="forbidden", purpose=Purpose(basis="consent", retention_days=365)
    ) == {"yes": "barred"}


def test_a_yes_that_does_not_expire_permits_for_good(spark: SparkSession):
    said: dict[str, Said] = {"old": [("member", "y", "1999-01-01")]}
    assert permissions(
        spark, said, linkage="allowed", purpose=Purpose(basis="consent", retention_days=365)
    ) == {"old": "permitted"}


# Collection. A view is on a cookie, by somebody logged in; `web` collects on consent, `log` does not.
COLLECT: dict[str, tuple[Said, bool, bool]] = {
    # what was said: kept of web, kept of log
    "silence": ([], False, True),
    "the cookie says yes": ([("cookie", "y", "2026-01-01")], True, True),
    "the login says yes": ([("login", "y", "2026-01-01")], True, True),
    "both say yes": ([("cookie", "y", "2026-01-01"), ("login", "y", "2026-01-02")], True, True),
    "the cookie says no": ([("cookie", "n", "2026-01-01")], False, False),
    "the login says no": ([("login", "n", "2026-01-01")], False, False),
    "a newer yes of the other does not lift a no": (
        [("cookie", "n", "2026-01-01"), ("login", "y", "2026-01-02")],
        False,
        False,
    ),
    "its own newer yes lifts a no": (
        [("cookie", "n", "2026-01-01"), ("cookie", "y", "2026-01-02")],
        True,
        True,
    ),
    "its own newer no takes back a yes": (
        [("cookie", "y", "2026-01-01"), ("cookie", "n", "2026-01-02")],
        False,
        False,
    ),
    "an objection is for good": (
        [("login", "objection", "2026-01-01"), ("login", "y", "2026-01-02")],
        False,
        False,
    ),
    "pending is silence": ([("cookie", "pending", "2026-01-01")], False, True),
    "a yes that was too old then is silence": ([("cookie", "y", "2025-02-01")], False, True),
    "a yes lasts its days": ([("cookie", "y", "2025-02-02")], True, True),
    "a yes under a notice that had ended then is silence": (
        [("cookie", "y", "2026-01-01", "old")],
        False,
        True,
    ),
    "a yes under a notice that ended since stands for what was before": (
        [("cookie", "y", "2026-01-01", "new")],
        True,
        True,
    ),
    "of two identifiers one whose yes stands is enough": (
        [("cookie", "y", "2025-02-01"), ("login", "y", "2026-01-01")],
        True,
        True,
    ),
    "a no does not expire": ([("cookie", "n", "2020-01-01", "old")], False, False),
}
SEEN_AT = dt.datetime(2026, 2, 1, 9, tzinfo=dt.UTC)


def source(name: str, basis: str) -> SourceContract:
    return SourceContract.model_validate(
        {
            "source": name, "version": 1, "meaning": "m", "owner": "o", "region": "EEA", "latency_hours": 1,
            "retention_days": 1, "linkage": "allowed", "collection_basis": basis, "consent": {"asked": False},
            "feeds": {"f": {"pattern": "*", "format": "json", "columns": {"c": {"type": "string"}}}},
        }
    )  # fmt: skip


def kept(
    spark: SparkSession, views: list[tuple[str, str, str | None, str | None]], said: dict[str, Said]
) -> DataFrame:
    sources = {"web": source("web", "consent"), "log": source("log", "legitimate_interest")}
    rows = [row for case, s in said.items() for row in events(spark, case, "collect", s)]
    rows += [
        row for case in said for row in events(spark, case, "analytics", [("cookie", "n", "2026-01-31")])
    ]
    seen = spark.createDataFrame(views, "source string, case string, device string, login string")
    return collectable(
        seen.withColumn("occurred_at", F.lit(SEEN_AT)),
        spark.createDataFrame(rows, EVENT),
        sources=sources,
        purpose=Purpose(basis="legitimate_interest", retention_days=365, expires_days=365),
        notices={"old": Notice(valid_to_on=SEEN_AT.date()), "new": Notice(valid_to_on=dt.date(2026, 2, 2))},
        namespaces=NAMESPACES,
        hashed={"device": F.col("device"), "login": F.col("login")},
    )


def test_collection(spark: SparkSession):
    views = [(name, case, f"{case}: cookie", f"{case}: login") for case in COLLECT for name in ("web", "log")]
    df = kept(spark, views, {case: said for case, (said, _, _) in COLLECT.items()})
    assert df.columns == ["source", "case", "device", "login", "occurred_at", "is_collectable"]
    rows = df.collect()
    assert len(rows) == len(views)
    found = {(row.case, row.source): row.is_collectable for row in rows}
    assert {case: (found[case, "web"], found[case, "log"]) for case in COLLECT} == {
        case: (web, log) for case, (_, web, log) in COLLECT.items()
    }


def test_a_view_without_device_or_login_has_nobody_to_say_yes(spark: SparkSession):
    df = kept(
        spark, [("web", "x", None, None), ("log", "x", None, None)], {"x": [("cookie", "y", "2026-01-01")]}
    )
    assert {row.source: row.is_collectable for row in df.collect()} == {"web": False, "log": True}

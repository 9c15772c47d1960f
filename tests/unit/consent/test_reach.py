"""Whose words reach whom: one's own in full, and from further off only a no."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from identity.config import Namespace
from identity.consent.reach import contact_points, held, subjects

NAMESPACES = {
    "member": Namespace(level="identified", rank=2, links="always", max_persons=50),
    "email": Namespace(level="identified", rank=6, links="with_agreement", max_persons=2),
    "phone": Namespace(level="identified", rank=7, links="with_agreement", max_persons=2),
}
# record: golden id, permission, given name, what it carries
RECORDS: dict[str, tuple[str, str, str | None, list[tuple[str, str]]]] = {
    # A has two records; together they carry a member number, an e-mail and a phone
    "a1": ("A", "permitted", "aino", [("member", "M1"), ("email", "aino@x.fi")]),
    "a2": ("A", "permitted", "aino", [("phone", "+3581")]),
    # B forbade joining; shares Aino's e-mail and goes by her name
    "b1": ("B", "barred", "aino", [("member", "M2"), ("email", "aino@x.fi")]),
    # C forbade joining too; shares the phone, but goes by another name
    "c1": ("C", "barred", "eero", [("member", "M3"), ("phone", "+3581")]),
    # D and E share an e-mail; E is barred and has no name
    "d1": ("D", "permitted", "oona", [("email", "oona@x.fi")]),
    "e1": ("E", "barred", None, [("member", "M5"), ("email", "oona@x.fi")]),
    # F, G, H share an e-mail of three, one more than the limit: it reaches nobody
    "f1": ("F", "permitted", "iida", [("email", "family@x.fi")]),
    "g1": ("G", "barred", "iida", [("member", "M7"), ("email", "family@x.fi")]),
    "h1": ("H", "barred", "iida", [("email", "family@x.fi")]),
    # I and J share a member number only, which is no contact point
    "i1": ("I", "permitted", "ulla", [("member", "M9")]),
    "j1": ("J", "barred", "ulla", [("member", "M9"), ("phone", "+3589")]),
}


def frames(spark: SparkSession) -> tuple[DataFrame, DataFrame, DataFrame]:
    members = spark.createDataFrame(
        [(golden, "s", key, may) for key, (golden, may, _, _) in RECORDS.items()],
        "golden_id string, source string, source_key string, link_permission string",
    )
    identifiers = spark.createDataFrame(
        [(*carried, "s", key) for key, (*_, each) in RECORDS.items() for carried in each],
        "namespace string, value_hmac string, source string, source_key string",
    )
    persons = spark.createDataFrame(
        [("s", key, name) for key, (_, _, name, _) in RECORDS.items()],
        "source string, source_key string, given_name string",
    )
    return members, identifiers, persons


def test_ones_own_words_in_full_and_a_no_from_further_off(spark: SparkSession):
    rows = subjects(held(*frames(spark)), namespaces=NAMESPACES).collect()
    found: dict[str, Any] = {golden: {} for golden, *_ in RECORDS.values()}
    for row in rows:
        assert row.value_hmac not in found[row.golden_id]
        found[row.golden_id][row.value_hmac] = "no only" if row.no_only else "all"
    assert found == {
        # B's member number reaches A by the shared e-mail; C's does not, for another name
        "A": {"M1": "all", "aino@x.fi": "all", "+3581": "all", "M2": "no only"},
        # A may be joined, so nothing of A reaches B in this way
        "B": {"M2": "all", "aino@x.fi": "all"},
        "C": {"M3": "all", "+3581": "all"},
        # a record without a name could be anybody's
        "D": {"oona@x.fi": "all", "M5": "no only"},
        "E": {"M5": "all", "oona@x.fi": "all"},
        "F": {"family@x.fi": "all"},
        "G": {"M7": "all", "family@x.fi": "all"},
        "H": {"family@x.fi": "all"},
        "I": {"M9": "all"},
        "J": {"M9": "all", "+3589": "all"},
    }


def test_an_id_can_be_reached_at_the_contact_points_of_its_records(spark: SparkSession):
    holdings = held(*frames(spark))
    rows = [tuple(row) for row in contact_points(holdings).collect()]
    assert sorted(rows) == sorted(
        {
            (golden, kind, value)
            for golden, _, _, carried in RECORDS.values()
            for kind, value in carried
            if kind in ("email", "phone")
        }
    )

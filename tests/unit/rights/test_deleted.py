"""Records that their source deleted are still somebody's, on tables written by hand."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure.subjects import subjects
from identity.errors import SubjectError
from identity.rights.persons import find
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import replace_at
from tests.unit.by_hand import write

CONF = Path(__file__).parents[3] / "conf" / "local.yaml"
D1, D2, D3 = (dt.date(2026, 2, day) for day in (1, 2, 3))
# Golden id, part, record, open from and to.
MEMBERS = [
    ("g1", "her", "loyalty:M1", D1, None),
    ("old", "hers", "crm:C1", D1, D2),  # in an id that was merged into g1 since
    ("g1", "her", "crm:C1", D2, D3),
    ("g1", "doubt", "crm:C2", D1, D2),
    ("g1", "her", "cookie:c", D1, D2),  # who has the device now, nobody knows
    ("g1", "her", "crm:C3", D1, D2),  # moved to somebody else
    ("g2", "else", "crm:C3", D2, None),
    ("gone", "twins", "crm:C4", D1, D2),
    ("gone too", "twins", "loyalty:M4", D1, D3),  # their ids were merged between the two
    ("g2", "else", "crm:C5", D1, None),
    ("g3", "payer", "tills:T1", D1, None),
]


@pytest.fixture
def config(warehouse: Path) -> Config:
    read = load_config(CONF, warehouse=warehouse)
    told = [
        {"golden_id": golden_id, "part": part, "source": record.split(":")[0], "source_key": record.split(":")[1],
         "level": "identified", "link_permission": "permitted", "valid_from_on": begin, "valid_to_on": end}
        for golden_id, part, record, begin, end in MEMBERS
    ]  # fmt: skip
    replace_at(warehouse, told, contract_of("id.golden_member"))
    key = hash_key(read.secret())
    # C5 tells of members: of M4, who is deleted, and of M7, who was erased or never delivered. T1 paid for others.
    carried = [("crm", "C5", "loyalty_member", f"M{n}") for n in (4, 7)] + [
        ("crm", "C5", "crm_contact", "C5")
    ]
    carried += [("tills", "T1", "loyalty_card", "of M1"), ("tills", "T1", "loyalty_card", "of M4")]
    carried += [("tills", "T1", "loyalty_card", "of nobody known")]
    carried += [("tills", "T1", "payment_token", "T1"), ("loyalty", "M1", "loyalty_card", "of M1")]
    seen = dict.fromkeys(("first_seen_at", "last_seen_at"), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    rows = [
        {"source": source, "source_key": source_key, "namespace": namespace, "value": value,
         "value_hmac": hash_of(namespace, value, key=key), **seen}
        for source, source_key, namespace, value in carried
    ]  # fmt: skip
    replace_at(warehouse, rows, contract_of("silver.identifier"))
    cards = [{"card_no": f"of {member}", "member_no": member} for member in ("M1", "M4")]
    write(warehouse, contract_of("silver.loyalty_card"), *cards)
    return read


HERS = {("loyalty", "M1"), ("crm", "C1")}
NAMED = [
    ("record=loyalty:M1", HERS),
    ("record=crm:C1", HERS),
    ("crm_contact=C1", HERS),
    ("crm_contact= C2 ", {("crm", "C2")}),
    ("record=crm:C3", {("crm", "C3"), ("crm", "C5")}),
    ("crm_contact=C4", {("crm", "C4"), ("loyalty", "M4")}),
    (
        "loyalty_member=M4",
        {("crm", "C4"), ("loyalty", "M4")},
    ),  # not C5, who carries it and was never of that part
    ("loyalty_card=of M1", HERS),
    ("loyalty_card=of M4", {("crm", "C4"), ("loyalty", "M4")}),  # not T1, who paid
    ("payment_token=T1", {("tills", "T1")}),
]


@pytest.mark.parametrize(("text", "records"), NAMED)
def test_a_deleted_record_is_its_parts_and_names_it(
    spark: SparkSession, config: Config, text: str, records: set[tuple[str, str]]
) -> None:
    secret = config.secret()
    found = subjects(
        spark, config.warehouse, [text], namespaces=config.namespaces, key=hash_key(secret)
    )  # fmt: skip
    assert (found.records, found.persons, found.unknown) == (records, 1, 0)
    # An id without an open membership has ended already.
    ends = {("loyalty", "M1"): "g1", ("crm", "C5"): "g2", ("tills", "T1"): "g3"}
    assert found.retired == sorted(ends[record] for record in records & ends.keys())
    assert set(find(config, [text], key=secret, with_deleted=True).records) == records


def test_a_golden_id_stands_for_who_is_in_it_today(spark: SparkSession, config: Config) -> None:
    secret = config.secret()

    def named(text: str) -> set[tuple[str, str]]:
        asked = {"namespaces": config.namespaces, "key": hash_key(secret)}
        return subjects(spark, config.warehouse, [text], **asked).records

    assert named("golden_id=g1") == HERS
    assert named("golden_id=gone") == set()
    assert named("crm_contact=C9") == set()
    # And not who names the member, or paid for one.
    assert named("loyalty_member=M7") == named("loyalty_card=of nobody known") == set()
    with pytest.raises(SubjectError, match="nobody is known"):
        find(config, ["record=crm:C1"], key=secret)  # rights that change something do not reach it
    with pytest.raises(SubjectError, match="nobody is known"):
        find(config, ["loyalty_member=M4"], key=secret)
    for text in ("loyalty_member=M7", "loyalty_card=of nobody known"):
        with pytest.raises(SubjectError, match="nobody is known"):
            find(config, [text], key=secret, with_deleted=True)
    with pytest.raises(SubjectError, match="nobody is known"):
        find(config, ["crm_contact=C9"], key=secret, with_deleted=True)

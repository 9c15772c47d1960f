"""Gate U and what feeds gold: only what belongs to parts that permit, worked by hand on one golden id of two parts."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from identity.config import Purpose
from identity.contracts import contract_of
from identity.profile.golden_record import golden_records, known_records, permitted_attributes
from identity.profile.purchases import identified_lines, purchase_fact, purchase_metrics, receipts
from identity.profile.touchpoints import touchpoints
from identity.publish.purposes import allowed_categories, permitted_parts, usable_parts, with_detail

ON, SOLD_AT = dt.date(2026, 2, 1), dt.datetime(2026, 1, 10, 9, tzinfo=dt.UTC)
PURPOSES = {
    "analytics": Purpose(
        basis="consent", retention_days=9, detail="product", categories=frozenset({"demographic", "location"})
    ),
    "marketing.post": Purpose(basis="consent", retention_days=9, paused_by_complaint=True),
    "service": Purpose(basis="contract", retention_days=9, categories=frozenset({"service"})),
}
GRANTING = {
    "detail.group": Purpose(basis="consent", retention_days=9, profile=False, grants_detail="product_group"),
    "detail.product": Purpose(basis="consent", retention_days=9, profile=False, grants_detail="product"),
}


def rows(spark: SparkSession, table: str, *told: dict[str, Any]) -> DataFrame:
    """Rows of a table; columns that are not told are null."""
    contract = contract_of(table)
    return spark.createDataFrame(
        [tuple(row.get(name) for name in contract.columns) for row in told], contract.spark_schema
    )


def decided(spark: SparkSession, *told: tuple[str, str, list[str]]) -> DataFrame:
    """consent.effective: golden id, purpose, parts permitted (none: denied)."""
    return rows(
        spark,
        "consent.effective",
        *(
            {
                "golden_id": golden_id,
                "purpose": purpose,
                "contact_point": "person",
                "decision": "permit" if parts else "deny",
                "permitted_parts": parts,
            }
            for golden_id, purpose, parts in told
        ),
    )


def kinds(spark: SparkSession, **told: str) -> DataFrame:
    return spark.createDataFrame(sorted(told.items()), "golden_id string, subject_kind string")


def found(frame: DataFrame) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in frame.collect()}


@pytest.fixture(scope="module")
def members(spark: SparkSession) -> DataFrame:
    """Golden id g: a loyalty member with a card (part a) and a CRM contact (part b), held together by a comparison."""
    one = {"golden_id": "g", "level": "identified", "confidence": 1.0, "link_permission": "permitted"}
    return rows(
        spark,
        "id.golden_member",
        {**one, "part": "a", "source": "loyalty", "source_key": "m1"},
        {**one, "part": "b", "source": "crm", "source_key": "c1"},
        {**one, "part": "b", "source": "tills", "source_key": "t1"},
    )


def line(receipt: str, product: str, **who: str | None) -> dict[str, Any]:
    return {
        "receipt_id": receipt, "line_no": 1 if product != "pill" else 2, "sold_at": SOLD_AT,
        "product_id": product, "quantity": 1, "net_amount": Decimal(10), "currency": "EUR", "store_id": "s", **who,
    }  # fmt: skip


@pytest.fixture(scope="module")
def lines(spark: SparkSession, members: DataFrame) -> DataFrame:
    sold = rows(
        spark,
        "silver.sale_line",
        line("r1", "pan", member_no="m1"),
        line("r1", "pill", member_no="m1"),
        line("r2", "pan", payment_token="t1"),
        line("r3", "pan", email_hmac="both"),
        line("r4", "pan", email_hmac="of_b"),
    )
    carried = [("both", "loyalty", "m1"), ("both", "crm", "c1"), ("of_b", "crm", "c1")]
    emails = rows(
        spark,
        "silver.identifier",
        *({"namespace": "email", "value_hmac": v, "source": s, "source_key": k} for v, s, k in carried),
    )
    since = {"valid_from_on": dt.date(2020, 1, 1), "unit_cost": Decimal(4)}
    goods = rows(
        spark,
        "silver.product",
        {"product_id": "pan", "product_group": "pans", "is_sensitive": False, **since},
        {"product_id": "pill", "product_group": "pills", "is_sensitive": True, **since},
    )
    return identified_lines(sold, members, emails, goods).cache()


def test_a_purchase_belongs_to_the_part_whose_card_or_email_it_was(lines: DataFrame):
    assert found(lines.select("receipt_id", "product_id", "buyer", "part")) == {
        ("r1", "pan", "g", "a"),
        ("r1", "pill", "g", "a"),
        ("r2", "pan", "g", "b"),
        ("r3", "pan", None, None),  # an e-mail of both parts does not say which of them bought
        ("r4", "pan", "g", "b"),
    }


def test_a_product_is_what_it_was_on_the_day_of_sale_and_sensitive_while_nobody_knows(
    spark: SparkSession, members: DataFrame
):
    ended, later, end = dt.date(2026, 1, 10), dt.date(2026, 1, 20), dt.date(2026, 1, 25)
    versions = [
        ("late", "old", False, later, end),
        ("late", "new", True, end, None),
        ("changed", "old", True, dt.date(2020, 1, 1), ended),
        ("changed", "new", False, ended, None),
    ]
    names = ("product_id", "product_group", "is_sensitive", "valid_from_on", "valid_to_on")
    goods = rows(spark, "silver.product", *(dict(zip(names, version, strict=True)) for version in versions))
    sold = rows(spark, "silver.sale_line", *(line("r", p, member_no="m1") for p in ("late", "changed", "?")))
    told = identified_lines(sold, members, rows(spark, "silver.identifier"), goods)
    assert found(told.select("product_id", "product_group", "is_sensitive")) == {
        ("late", "old", False),
        ("changed", "new", False),
        ("?", None, True),
    }


def test_a_buyer_is_named_only_where_the_part_that_bought_may_be_used(spark: SparkSession, lines: DataFrame):
    usable = spark.createDataFrame([("g", "a", "product")], "golden_id string, part string, detail string")
    facts = purchase_fact(lines, usable)
    assert found(facts.select("receipt_id", "line_no", "golden_id", "product_id", "product_group")) == {
        ("r1", 1, "g", "pan", "pans"),
        ("r1", 2, "g", None, None),  # sensitive
        ("r2", 1, None, "pan", "pans"),
        ("r3", 1, None, "pan", "pans"),
        ("r4", 1, None, "pan", "pans"),
    }
    assert sum(row["net_amount"] for row in facts.collect()) == 50


@pytest.mark.parametrize(
    ("detail", "shown"),
    [("total", (None, None)), ("product_group", (None, "pans")), ("product", ("pan", "pans"))],
)
def test_a_known_buyers_purchases_are_shown_in_the_detail_granted(
    spark: SparkSession, lines: DataFrame, detail: str, shown: tuple[str | None, str | None]
):
    usable = spark.createDataFrame([("g", "b", detail)], "golden_id string, part string, detail string")
    facts = purchase_fact(lines.where("receipt_id = 'r2'"), usable)
    assert found(facts.select("golden_id", "product_id", "product_group")) == {("g", *shown)}


@pytest.mark.parametrize(("part", "purchases", "amount"), [("a", 1, 10), ("b", 2, 20)])
def test_metrics_count_the_parts_own_receipts_without_sensitive_products(
    lines: DataFrame, part: str, purchases: int, amount: int
):
    [row] = purchase_metrics(receipts(lines).where(f"part = '{part}'"), on=ON).collect()
    assert (row["purchases"], row["monetary_amount"], row["margin_amount"]) == (
        purchases, amount, Decimal(6) * purchases,
    )  # fmt: skip


def test_touchpoints_are_of_permitted_parts(spark: SparkSession, lines: DataFrame):
    nothing = rows(spark, "silver.web_view").selectExpr("*", "'' as golden_id", "'' as part")
    contacts = rows(
        spark,
        "silver.interaction",
        *(
            {"source": "crm", "interaction_id": i, "channel": "phone", "interaction_type": "conversation"}
            for i in ("1", "2")
        ),
    ).selectExpr("*", "'g' as golden_id", "if(interaction_id = '1', 'a', 'b') as part")
    usable = spark.createDataFrame([("g", "a")], "golden_id string, part string")
    points = touchpoints(nothing, lines, contacts, usable, key=b"k" * 16)
    assert sorted(row["touchpoint_type"] for row in points.collect()) == ["conversation", "purchase"]


def test_only_permitted_parts_are_used(spark: SparkSession):
    effective = decided(
        spark,
        ("g", "analytics", ["a"]),
        ("g", "service", ["a", "b"]),
        ("h", "analytics", []),
        ("h", "service", ["c"]),
        ("g", "collect", ["a", "b"]),
    )
    nobody = kinds(spark, none="x").limit(0)
    usable = usable_parts(
        permitted_parts(effective), kinds(spark, g="customer", h="customer"), nobody, purposes=PURPOSES
    )
    assert found(usable) == {
        ("analytics", "g", "a"), ("service", "g", "a"), ("service", "g", "b"), ("service", "h", "c"),
    }  # fmt: skip


def test_staff_tests_and_complaints(spark: SparkSession):
    who = {
        "c": "customer",
        "s": "staff",
        "t": "test",
        "m": "mystery_shopper",
        "b": "b2b_contact",
        "angry": "customer",
    }
    effective = decided(spark, *((g, p, [f"part of {g}"]) for g in who for p in PURPOSES))
    complaining = spark.createDataFrame([("angry",), ("angry",)], "golden_id string")
    usable = usable_parts(
        permitted_parts(effective), kinds(spark, **who), complaining, purposes=PURPOSES
    ).collect()
    by_purpose = {p: sorted(row["golden_id"] for row in usable if row["purpose"] == p) for p in PURPOSES}
    assert by_purpose == {
        "analytics": ["angry", "b", "c"],
        "marketing.post": ["b", "c"],
        "service": ["angry", "b", "c", "s"],
    }


def test_detail_is_the_less_of_need_and_grant(spark: SparkSession):
    effective = decided(
        spark, ("g", "detail.group", ["a", "b"]), ("g", "detail.product", ["a"]), ("h", "detail.product", [])
    )
    usable = spark.createDataFrame(
        [("analytics", "g", "a"), ("analytics", "g", "b"), ("analytics", "h", "c"), ("service", "g", "a")],
        "purpose string, golden_id string, part string",
    )
    permitted = permitted_parts(effective)
    assert found(with_detail(usable, permitted, purposes=PURPOSES | GRANTING)) == {
        ("analytics", "g", "a", "product"),
        ("analytics", "g", "b", "product_group"),
        ("analytics", "h", "c", "total"),
        ("service", "g", "a", "total"),
    }
    # Where nobody is asked, the purpose's need counts alone.
    assert {row["detail"] for row in with_detail(usable, permitted, purposes=PURPOSES).collect()} == {
        "product",
        "total",
    }


def test_attributes_come_from_records_of_permitted_parts(spark: SparkSession, members: DataFrame):
    one = {"subject_kind": "customer", "first_seen_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}
    persons = rows(
        spark,
        "silver.person_record",
        {**one, "source": "loyalty", "source_key": "m1", "language": "fi", "postal_code": "00100",
         "valid_from": dt.datetime(2025, 1, 1, tzinfo=dt.UTC)},
        {**one, "source": "crm", "source_key": "c1", "language": "sv", "subject_kind": "staff",
         "valid_from": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
    )  # fmt: skip
    known = known_records(members, persons)
    assert {row["subject_kind"] for row in known.collect()} == {"staff"}
    [whole] = golden_records(known, on=ON).collect()
    assert (whole["language"], whole["records"]) == ("sv", 3)  # the newest of all
    allowed = allowed_categories(
        permitted_parts(decided(spark, ("g", "analytics", ["a"]), ("g", "service", ["a", "b"]))),
        purposes=PURPOSES,
    )
    [core] = permitted_attributes(known, allowed, on=ON).collect()
    assert (core["language"], core["postal_area"], core["records"]) == ("fi", "00", 3)
    assert {(p["attribute"], p["source"]) for p in core["provenance"]} == {
        ("language", "loyalty"),
        ("postal_area", "loyalty"),
    }
    assert core["customer_since_on"] == dt.date(2020, 1, 1)
    none = allowed.where("false")
    [bare] = permitted_attributes(known, none, on=ON).collect()
    assert (bare["language"], bare["customer_since_on"], bare["provenance"]) == (None, None, [])

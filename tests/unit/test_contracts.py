"""The field catalogue: what every contract owes, and what `conform` says of a frame that does not fit."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from identity.config import CATEGORIES
from identity.contracts import (
    ALL_CATEGORIES,
    ColumnContract,
    TableContract,
    all_contracts,
    conform,
    contract_of,
    purpose_contract,
    purpose_table,
    retention_faults,
)
from identity.errors import ContractError

PURPOSES = yaml.safe_load((Path(__file__).parents[2] / "conf/purposes.yaml").read_text(encoding="utf-8"))
TABLES = all_contracts()
COLUMNS = [
    pytest.param(table, name, column, id=f"{table.name}.{name}")
    for table in TABLES
    for name, column in table.columns.items()
]
TEMPLATE = "gold.profile__purpose"


@pytest.mark.parametrize(("table", "name", "column"), COLUMNS)
def test_a_column_has_known_purposes_and_a_meaning(table: TableContract, name: str, column: ColumnContract):
    known = {*PURPOSES["purposes"], *PURPOSES["technical"]}
    template = {"{purpose}"} if table.name == TEMPLATE else set()
    assert column.purposes
    assert set(column.purposes) <= known | template
    assert column.meaning.endswith(".")


def test_a_column_without_purpose_or_of_no_known_category_is_refused():
    column = {"type": "string", "meaning": "M.", "category": "contact", "purposes": ["service"]}
    assert ColumnContract.model_validate(column)
    with pytest.raises(ValidationError, match="purposes"):
        ColumnContract.model_validate({**column, "purposes": []})
    with pytest.raises(ValidationError, match=r"unknown category contacts; known are .*'contact'"):
        ColumnContract.model_validate({**column, "category": "contacts"})


def test_a_category_is_known_to_purposes_or_of_no_profile():
    used = {column.category for table in TABLES for column in table.columns.values()}
    assert used == ALL_CATEGORIES
    of_profiles = {column.category for column in contract_of(TEMPLATE).columns.values()}
    assert of_profiles <= CATEGORIES | {"reference"}


@pytest.mark.parametrize(
    ("kept", "days", "fault"),
    [
        ({}, 9, "says either ages_by or kept"),
        ({"ages_by": "on", "kept": "for_good"}, 9, "says either ages_by or kept"),
        ({"ages_by": "on"}, None, "retention_days is missing"),
        ({"kept": "golden_id"}, None, "retention_days is missing"),
        ({"kept": "made_anew"}, 9, "retention_days is never counted where it is kept made_anew"),
        ({"ages_by": "on"}, 9, None),
        ({"kept": "file"}, 9, None),
        ({"kept": "for_good"}, None, None),
    ],
)
def test_a_table_says_how_long_it_is_kept_and_no_days_that_nothing_counts(
    kept: dict[str, str], days: int | None, fault: str | None
):
    column = {
        "type": "date", "meaning": "M.", "category": "reference", "purposes": ["p"], "retention_days": days,
    }  # fmt: skip
    table = {"name": "silver.x", "meaning": "X.", "key": ["on"], "columns": {"on": column}, **kept}
    assert [*retention_faults(TableContract.model_validate(table))] == ([fault] if fault else [])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_a_meaning_and_a_key_of_its_own_columns(table: TableContract):
    assert table.meaning.endswith(".")
    assert set(table.key) <= set(table.columns)
    assert table.layer in ("bronze", "silver", "id", "consent", "gold", "ops")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_delta_keeps_no_statistics_of_personal_columns(table: TableContract):
    personal = {name for name, column in table.columns.items() if column.personal}
    assert personal.isdisjoint(table.statistics_columns)
    # And it keeps them of all others that have an order.
    without = {
        n for n, c in table.columns.items() if c.type.startswith(("array", "map", "struct", "boolean"))
    }
    assert set(table.statistics_columns) == set(table.columns) - personal - without


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_personal_value_reaches_ids_decisions_or_gold(table: TableContract):
    if table.layer in ("gold", "id", "consent"):
        assert [name for name, column in table.columns.items() if column.personal] == []


def test_the_guard_above_has_something_to_guard():
    assert any(column.personal for table in TABLES for column in table.columns.values())
    assert {"gold", "id", "consent"} <= {table.layer for table in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_type_is_one_that_spark_knows(spark: SparkSession, table: TableContract):
    df = spark.createDataFrame(
        [], ", ".join(f"{name} {column.type}" for name, column in table.columns.items())
    )
    assert {f.name: f.dataType.simpleString() for f in df.schema} == {
        name: column.type for name, column in table.columns.items()
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_known_without_spark_is_what_spark_says(spark: SparkSession, table: TableContract):
    assert table.spark_schema == StructType.fromDDL(table.ddl)


# Profiles


@pytest.mark.parametrize("purpose", PURPOSES["purposes"])
def test_a_profile_shows_the_columns_of_the_purposes_categories_and_no_other(purpose: str):
    categories = frozenset(PURPOSES["purposes"][purpose].get("categories", ()))
    contract = purpose_contract(purpose, categories=categories)
    template = contract_of(TEMPLATE)
    assert contract.name == purpose_table(purpose) == f"gold.profile_{purpose.replace('.', '_')}"
    assert list(contract.columns) == [
        name for name, column in template.columns.items() if column.category in categories | {"reference"}
    ]
    assert {column.purposes for column in contract.columns.values()} == {(purpose,)}
    assert purpose in contract.meaning


def test_contact_points_are_shown_only_to_purposes_that_may_contact():
    shown = {
        purpose
        for purpose, told in PURPOSES["purposes"].items()
        if "contact_points"
        in purpose_contract(purpose, categories=frozenset(told.get("categories", ()))).columns
    }
    assert shown == {"marketing.email", "marketing.sms", "marketing.phone"}


# Tables of numbers


def _hides_small_numbers(table: TableContract) -> bool:
    """Whether a table says where its numbers are hidden, and every column beside its key can be empty there."""
    flag = table.columns.get("is_hidden")
    beside = {n: c for n, c in table.columns.items() if n not in {*table.key, "is_hidden"}}
    return (
        flag is not None and flag.type == "boolean" and flag.required
        and not any(column.required for column in beside.values())
    )  # fmt: skip


def _of_nobody(table: TableContract) -> bool:
    """Whether the rows of a gold table are of no golden id: then they are numbers of many."""
    return table.layer == "gold" and "golden_id" not in table.columns


@pytest.mark.parametrize("table", filter(_of_nobody, TABLES), ids=lambda table: table.name)
def test_a_gold_table_of_numbers_hides_the_small_ones(table: TableContract):
    assert _hides_small_numbers(table)


def test_the_tables_of_numbers_are_these_and_one_that_forgets_is_found():
    assert {"gold.consent_kpi", "gold.coverage"} <= {t.name for t in TABLES if _of_nobody(t)}
    # Nor does a key of golden ids, receipt lines or events go without the golden id.
    keys = {t.key for t in TABLES if t.layer == "gold" and not _of_nobody(t)}
    assert keys == {
        ("golden_id",), ("golden_id", "as_of_on", "currency"), ("receipt_id", "line_no"), ("touchpoint_id",),
    }  # fmt: skip
    kpi = contract_of("gold.consent_kpi")
    without = {name: column for name, column in kpi.columns.items() if name != "is_hidden"}
    assert not _hides_small_numbers(kpi.model_copy(update={"columns": without}))
    always = kpi.columns | {"customers": kpi.columns["customers"].model_copy(update={"required": True})}
    assert not _hides_small_numbers(kpi.model_copy(update={"columns": always}))


# Finding a contract


def test_every_source_has_a_bronze_table_of_one_shape():
    assert contract_of("bronze.erp").name == "bronze.erp"
    assert contract_of("bronze.erp").columns == contract_of("bronze._source").columns


@pytest.mark.parametrize("name", ["silver.nothing", "gold.profile_nothing", "person_record"])
def test_a_table_without_contract_is_an_error(name: str):
    with pytest.raises(ContractError, match=f"no contract for table {name}"):
        contract_of(name)


# conform

CONTRACT = TableContract.model_validate(
    {
        "name": "silver.card",
        "meaning": "A card.",
        "key": ["card"],
        "columns": {
            name: {
                "type": type_,
                "meaning": "M.",
                "category": "reference",
                "purposes": ["p"],
                "retention_days": 1,
            }
            for name, type_ in {
                "card": "string",
                "points": "int",
                "paid": "decimal(18,2)",
                "on": "date",
            }.items()
        },
    }
)


def test_conform_puts_columns_in_order_and_casts_them(spark: SparkSession):
    # Another order, and wider types than the contract's.
    df = spark.createDataFrame(
        [("2026-01-31", 1.5, 7, 42)], "on string, paid double, card bigint, points bigint"
    )
    fitting = conform(df, CONTRACT)
    assert [(f.name, f.dataType.simpleString()) for f in fitting.schema] == [
        ("card", "string"),
        ("points", "int"),
        ("paid", "decimal(18,2)"),
        ("on", "date"),
    ]
    assert [str(value) for value in fitting.collect()[0]] == ["7", "42", "1.50", "2026-01-31"]


def test_conform_names_missing_and_surplus_columns_together(spark: SparkSession):
    df = spark.createDataFrame([("1", 1, "x", "y")], "card string, points int, owner string, colour string")
    with pytest.raises(ContractError) as error:
        conform(df, CONTRACT)
    assert str(error.value) == (
        "silver.card: missing columns ['paid', 'on'], surplus columns ['owner', 'colour']"
    )

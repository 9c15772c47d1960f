"""The field catalogue: one contract a table, from which schemas, comments and quality suites come.

A contract says what a row means, its key, and of every column its type, meaning, data category, purposes
and retention, and whether it is personal. The catalogue itself is data (`*.yaml` beside this file).
"""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, Self

import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from identity.config import CATEGORIES
from identity.errors import ContractError

LAYERS = ("bronze", "silver", "id", "consent", "gold", "ops")
# Beside the categories that a purpose may name: what no purpose's profile shows, and what every one may.
ALL_CATEGORIES = CATEGORIES | {"name", "address", "record", "consent", "reference"}
Kept = Literal["source", "made_anew", "record", "golden_id", "file", "for_good"]
# How long rows stay that no date of their own ends, in words for the docs.
_KEPT: Final[dict[Kept, str]] = {
    "source": "as the source's contract says",
    "made_anew": "as long as the lines it is made from; every run makes it anew",
    "record": "while its record is there, and {days} days after it ended",
    "golden_id": "while the golden id lives, and {days} days after it ended",
    "file": "{days} days, and as long as the file lies in landing or a line of it in bronze",
    "for_good": "without end",
}
_COUNTED: Final = ("record", "golden_id", "file")
# Types that are known without asking Spark, which would have to run: some tables are read and written without it.
_TYPES: Final[dict[str, DataType]] = {
    "string": StringType(),
    "int": IntegerType(),
    "bigint": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "array<string>": ArrayType(StringType()),
    "array<struct<comparison:string,level:int,label:string,bits:double>>": ArrayType(
        StructType(
            [
                StructField("comparison", StringType()),
                StructField("level", IntegerType()),
                StructField("label", StringType()),
                StructField("bits", DoubleType()),
            ]
        )
    ),
}


class ColumnContract(BaseModel):
    """A column: what it means, what it may hold, whether it is personal, and what it is for.

    Attributes:
        retention_days: Days it is kept; None where its table does not count days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    meaning: str
    category: str
    purposes: tuple[str, ...] = Field(min_length=1)
    retention_days: int | None = Field(default=None, gt=0)
    personal: bool = False
    required: bool = False
    values: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None

    @field_validator("category")
    @classmethod
    def _is_known(cls, category: str) -> str:
        if category not in ALL_CATEGORIES:
            raise ValueError(f"unknown category {category}; known are {sorted(ALL_CATEGORIES)}")
        return category


class TableContract(BaseModel):
    """A table: `layer.name`, what a row means, its key and its columns, in order.

    Attributes:
        ages_by: Column whose day says how old a row is; None where rows do not age by themselves.
        kept: How long they are kept then; None where they age by themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    meaning: str
    key: tuple[str, ...] = Field(min_length=1)
    ages_by: str | None = None
    kept: Kept | None = None
    columns: dict[str, ColumnContract]

    @model_validator(mode="after")
    def _ages_by_its_own_column(self) -> Self:
        if self.ages_by is not None and self.ages_by not in self.columns:
            raise ValueError(f"ages_by {self.ages_by} is no column")
        return self

    @property
    def layer(self) -> str:
        """The layer the table lives in: the part before the dot."""
        return self.name.split(".", 1)[0]

    @property
    def days(self) -> int:
        """Days its rows are kept, where days count."""
        days = self.columns[self.ages_by or self.key[0]].retention_days
        assert days is not None, f"{self.name} counts no days"
        return days

    @property
    def retention(self) -> str:
        """How long its rows are kept, in words."""
        if self.kept is None:
            return f"{self.days} days by `{self.ages_by}`"
        return _KEPT[self.kept].format(days=self.days if self.kept in _COUNTED else None)

    @property
    def ddl(self) -> str:
        """The schema as Spark DDL; keys and required columns are enforced by gates, not by Delta."""
        return ", ".join(f"`{name}` {column.type}" for name, column in self.columns.items())

    @property
    def spark_schema(self) -> StructType:
        """The schema as a Spark type; a running Spark is needed only for decimals, maps and structures."""
        if all(column.type in _TYPES for column in self.columns.values()):
            return StructType([StructField(name, _TYPES[c.type]) for name, c in self.columns.items()])
        return _parsed(self.ddl)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema as an Arrow type, with the meaning of each column as its comment."""
        columns = zip(to_arrow_schema(self.spark_schema), self.columns.values(), strict=True)
        return pa.schema([field.with_metadata({"comment": column.meaning}) for field, column in columns])

    @property
    def statistics_columns(self) -> list[str]:
        """Columns Delta may keep minima and maxima of: no personal ones, and none of a type it cannot."""
        return [
            name
            for name, column in self.columns.items()
            if not column.personal and not column.type.startswith(("array", "map", "struct", "boolean"))
        ]


def conform(df: DataFrame, contract: TableContract) -> DataFrame:
    """Put a frame into its contract's shape: the same columns, in order, cast to their types.

    Raises:
        ContractError: A column is missing or surplus; all of them are named together.
    """
    present = df.columns
    missing = [name for name in contract.columns if name not in present]
    surplus = [name for name in present if name not in contract.columns]
    if missing or surplus:
        raise ContractError(f"{contract.name}: missing columns {missing}, surplus columns {surplus}")
    # As SQL: one call to the JVM, where Column objects take five for every column.
    return df.selectExpr(*(f"cast(`{name}` as {c.type}) as `{name}`" for name, c in contract.columns.items()))


def unexpired(df: DataFrame, contract: TableContract, *, on: dt.date) -> DataFrame:
    """Rows of a table that ages that may still be kept on a date; all rows of any other."""
    if contract.ages_by is None:
        return df
    oldest = on - dt.timedelta(days=contract.days)
    return df.where(F.col(contract.ages_by).cast("date") >= F.lit(oldest))


def contract_of(table: str) -> TableContract:
    """Return the contract of `layer.name`; `bronze.<source>` and `gold.profile_<purpose>` come from templates.

    Raises:
        ContractError: No such table is in the catalogue.
    """
    catalogue = _catalogue()
    if table in catalogue:
        return catalogue[table]
    if table.startswith("bronze."):
        return catalogue["bronze._source"].model_copy(update={"name": table})
    raise ContractError(f"no contract for table {table}")


def purpose_table(purpose: str) -> str:
    """Return the gold table of a purpose: `marketing.email` is served by `gold.profile_marketing_email`."""
    return "gold.profile_" + purpose.replace(".", "_")


def purpose_contract(purpose: str, *, categories: frozenset[str]) -> TableContract:
    """Return the contract of a purpose's profile: the template's columns whose category the purpose may use."""
    template = _catalogue()["gold.profile__purpose"]
    columns = {
        name: column.model_copy(update={"purposes": (purpose,)})
        for name, column in template.columns.items()
        if column.category == "reference" or column.category in categories
    }
    return template.model_copy(
        update={
            "name": purpose_table(purpose),
            "meaning": template.meaning.format(purpose=purpose),
            "columns": columns,
        }
    )


def all_contracts() -> list[TableContract]:
    """Every contract of the catalogue, templates included, in the catalogue's order."""
    return list(_catalogue().values())


@cache
def _parsed(ddl: str) -> StructType:
    schema = StructType.fromDDL(ddl)
    assert isinstance(schema, StructType)
    return schema


@cache
def _catalogue() -> dict[str, TableContract]:
    tables: dict[str, TableContract] = {}
    faults: list[str] = []
    for layer in LAYERS:
        text = files(__package__).joinpath(f"{layer}.yaml").read_text(encoding="utf-8")
        for name, entry in yaml.safe_load(text).items():
            try:
                tables[name] = _table(name, entry)
            except ValidationError as error:
                faults += [f"{name}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            else:
                faults += [f"{name}: {fault}" for fault in retention_faults(tables[name])]
    if faults:
        raise ContractError("field catalogue: " + "; ".join(faults))
    return tables


def retention_faults(contract: TableContract) -> Iterable[str]:
    """What is missing for its retention to be told, and days that nothing would count."""
    if (contract.ages_by is None) == (contract.kept is None):
        yield "says either ages_by or kept"
        return
    counts = contract.ages_by is not None or contract.kept in _COUNTED
    if any((column.retention_days is not None) != counts for column in contract.columns.values()):
        yield "retention_days is " + (
            "missing" if counts else f"never counted where it is kept {contract.kept}"
        )


def _table(name: str, entry: dict[str, Any]) -> TableContract:
    """Build a contract; columns inherit the table's purposes and retention unless they name their own."""
    inherited = {"purposes": entry.pop("purposes", ()), "retention_days": entry.pop("retention_days", None)}
    columns = {column: {**inherited, **spec} for column, spec in entry.pop("columns").items()}
    return TableContract.model_validate({"name": name, "columns": columns, **entry})

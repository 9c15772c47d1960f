"""`identity review`: pairs for a person to decide on, as a file; and decisions from a file into `id.review_pair`.

Reads and writes the warehouse without Spark.
"""

import datetime as dt
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from identity.config import Config
from identity.contracts import contract_of
from identity.erasure.plan import require_whole, writing
from identity.errors import ConfigError, DecisionError, SourceError
from identity.linkage.files import read_tables
from identity.linkage.model import Thresholds
from identity.linkage.model_file import read_model
from identity.private import write_privately
from identity.resolve.decisions import PAIR, Pair
from identity.resolve.questions import QUESTION, questions, rate
from identity.resolve.records import PERSONAL
from identity.resolve.review_file import COLUMNS, Known, Merged, by_pair, merged, read_decisions
from identity.tables import among, columns_at, replace_at, rows_at

_TABLE: Final = "id.review_pair"
_EDGE: Final = [*PAIR, "kind", "rule", "rank", "match_weight", "probability", "fate", "reason"]
_DECIMALS: Final = {"match_weight": 2, "probability": 4, "informativeness": 2}
_ASKED_OF: Final = ("why", "kind", "rule", "match_weight", "probability")
_IMPORTED: Final = "imported"
# A spreadsheet takes a text that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        found: Pairs worth a decision.
        by_why: Pairs in the file, by why they are there.
    """

    found: int
    by_why: Mapping[str, int]


@dataclass(frozen=True)
class Imported:
    """What was taken.

    Attributes:
        merged: What is new, replaced and unchanged.
        undecided: Rows without a decision.
        resting: Decisions stored now that no run can use: a record is gone, or may not be joined.
    """

    merged: Merged
    undecided: int
    resting: int


def export_questions(
    config: Config, out: Path, *, limit: int | None = None, with_personal_data: bool = False
) -> Exported:
    """Write the pairs that a person should decide on, most telling first; only the owner may read the file.

    Args:
        config: Warehouse and thresholds.
        out: A file that is not there yet, `.csv` or `.parquet`.
        limit: The most pairs to write; all by default.
        with_personal_data: Whether the two persons of a pair are written side by side.

    Raises:
        ConfigError: The warehouse is none, or the file is there already or of another kind.
        PlatformError: The file cannot be written.
        LockError: A run died while it wrote tables that belong together.
        ErasureError: An erasure is not finished.
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"--out {out}: a file name ends in .csv or .parquet")
    if out.exists():
        raise ConfigError(f"--out {out}: is there already, and may hold decisions; choose another name")
    _require_warehouse(config.warehouse)
    require_whole(config.warehouse)
    edges = columns_at(config.warehouse, "id.edge", _EDGE).to_pandas()
    stored = columns_at(config.warehouse, _TABLE, [*PAIR, "decision"]).to_pandas()
    sure = _thresholds(config)
    found = questions(edges, stored, join=sure.join, keep=sure.keep)
    asked = found.head(limit) if limit is not None else found
    table = _with_persons(config.warehouse, asked) if with_personal_data else asked
    _write_privately(table.round(_DECIMALS).assign(decision=None, reviewer=None), out)
    return Exported(len(found), Counter(asked["why"].tolist()))


def import_decisions(config: Config, file: Path, *, on: dt.date) -> Imported:
    """Store what persons decided, all of a file or nothing.

    Args:
        config: Warehouse, namespaces and thresholds.
        file: CSV or Parquet with the columns `COLUMNS`; others are not read.
        on: Date of the decisions.

    Raises:
        ConfigError: The warehouse is none.
        SourceError: The file cannot be read, or lacks columns.
        DecisionError: Rows are wrong, or decisions contradict each other.
        LockError: A run is writing, or died while it wrote tables that belong together.
        ErasureError: An erasure is not finished.
    """
    table = read_tables([file])
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise SourceError(f"{file}: missing columns {', '.join(missing)}")
    _require_warehouse(config.warehouse)
    with writing(config.warehouse):
        before = by_pair(rows_at(config.warehouse, _TABLE))
        members = _members(config.warehouse, table, before)
        known = Known(before, set(members), _devices(config))
        said, undecided, faults = read_decisions(table, known, on=on)
        if faults:
            raise DecisionError("\n".join([f"{file}: nothing was taken", *faults]))
        found = merged(before, said, on=on)
        after = {**before, **_rows(config, before, found)}
        if found.rows:
            rows = [_row(pair, after[pair]) for pair in sorted(after)]
            replace_at(config.warehouse, rows, contract_of(_TABLE))
    resting = sum(
        row["decision"] is not None and not all(members.get(record) for record in pair)
        for pair, row in after.items()
    )
    return Imported(found, undecided, resting)


def _require_warehouse(warehouse: Path) -> None:
    if not (warehouse / "id").is_dir():
        raise ConfigError(f"{warehouse} is no warehouse: it has no id tables; run `identity run` first")


def _devices(config: Config) -> set[str]:
    return {name for name, n in config.namespaces.items() if n.level in ("cookie", "mobile")}


def _members(warehouse: Path, table: pd.DataFrame, before: Mapping[Pair, Any]) -> dict[tuple[str, str], bool]:
    """Every record that is spoken of and ever had a golden id, with whether it is there and may be joined."""
    spoken_of = {*table["source_key_l"].dropna(), *table["source_key_r"].dropna()}
    spoken_of |= {key for pair in before for _, key in pair}
    rows = rows_at(warehouse, "id.golden_member", among("source_key", spoken_of))
    members: dict[tuple[str, str], bool] = {}
    for row in rows:
        record = (row["source"], row["source_key"])
        may = row["valid_to_on"] is None and row["link_permission"] == "permitted"
        members[record] = members.get(record, False) or may
    return members


def _rows(config: Config, before: Mapping[Pair, Mapping[str, Any]], found: Merged) -> dict[Pair, dict[str, Any]]:  # fmt: skip
    """Rows to store; of a new pair, why it was worth asking and what its edge says now."""
    why: dict[Pair, dict[str, Any]] = {pair: {"why": _IMPORTED} for pair in found.new}
    if found.new:
        edges = columns_at(config.warehouse, "id.edge", _EDGE).to_pandas()
        sure = _thresholds(config)
        rated = rate(edges, join=sure.join, keep=sure.keep)
        plain = edges[edges["kind"] != "human"].sort_values([*PAIR, "rank", "rule"]).assign(why=_IMPORTED)
        for table in (plain.groupby([*PAIR], as_index=False).first(), rated):
            for row in table[[*PAIR, *_ASKED_OF]].astype(object).to_dict("records"):
                pair = _pair(row)
                if pair in why:
                    why[pair] = {name: None if pd.isna(row[name]) else row[name] for name in _ASKED_OF}
    return {pair: {**(why.get(pair) or before[pair]), **row} for pair, row in found.rows.items()}


def _thresholds(config: Config) -> Thresholds:
    matching = config.matching
    return read_model(matching.model).thresholds if matching.probabilistic else Thresholds()


def _pair(row: Mapping[Any, Any]) -> Pair:
    return (row["source_l"], row["source_key_l"]), (row["source_r"], row["source_key_r"])


def _row(pair: Pair, row: Mapping[str, Any]) -> dict[str, Any]:
    (source_l, key_l), (source_r, key_r) = pair
    told = {name: row.get(name) for name in (*_ASKED_OF, "decision", "reviewer", "decided_on")}
    return {"source_l": source_l, "source_key_l": key_l, "source_r": source_r, "source_key_r": key_r, **told}


def _with_persons(warehouse: Path, asked: pd.DataFrame) -> pd.DataFrame:
    """What silver knows of both persons, field by field side by side."""
    is_asked = among("source_key", {*asked["source_key_l"], *asked["source_key_r"]})
    names = ["source", "source_key", *PERSONAL]
    persons = columns_at(warehouse, "silver.person_record", names, is_asked).to_pandas()  # fmt: skip
    for name in ("emails", "phones"):
        persons[name] = [None if values is None else "; ".join(values) for values in persons[name]]
    table = asked
    for side in ("l", "r"):
        table = table.merge(persons.add_suffix(f"_{side}"), on=[f"source_{side}", f"source_key_{side}"], how="left")  # fmt: skip
    return table[[*QUESTION, *(f"{name}_{side}" for name in PERSONAL for side in ("l", "r"))]]


def _write_privately(table: pd.DataFrame, out: Path) -> None:
    """Write a file that nobody but its owner may read, or none."""
    file = io.BytesIO()
    if out.suffix.lower() == ".parquet":
        table.to_parquet(file, index=False)
    else:
        _harmless(table).to_csv(file, index=False)
    write_privately(out, file.getvalue())


def _harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Personal values of a CSV without formulas: what a customer typed must not run on a steward's machine."""
    told = table.copy()
    for column in set(table.columns) - {*QUESTION}:
        is_formula = told[column].map(lambda text: isinstance(text, str) and text.startswith(_FORMULA))
        told.loc[is_formula, column] = "'" + told.loc[is_formula, column].astype(object)
    return told

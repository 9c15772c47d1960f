"""`identity link`: any table of persons in, golden ids out. No configuration, no labels, and no Spark unless asked."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from identity.errors import ConfigError, SourceError
from identity.linkage.engine import Linked, link_records
from identity.linkage.fields import standardise
from identity.linkage.files import read_tables, write_all
from identity.linkage.known import Known
from identity.linkage.model import log_odds
from identity.linkage.model_file import model_text, read_model
from identity.linkage.scores import score_clusters, score_edges
from identity.linkage.types import Guess, check_types, guess_types
from identity.linkage.work import Spread, here

# Columns that name a record, where nobody says which.
_ID_COLUMNS: Final = ("record_id", "id", "unique_id", "rec_id", "row_id")
# Types by which alone nobody can be told from anybody.
_SAY_LITTLE: Final = frozenset({"source", "ignore", "sex", "category", "noisy_category", "age", "as_of"})


@dataclass(frozen=True)
class LinkRequest:
    """What is to be linked, and what is known of it.

    Attributes:
        files: CSV or Parquet; together one table.
        id_column: Column that names each record; None for one of the usual names, else the number of the row.
        source_column: Column that says where a record is from.
        types: Semantic type by column, as far as they are known.
        model: A model to score with, instead of one learnt from the table.
        truth: A file with `record_id`, `entity_id`; it scores and does nothing else.
    """

    files: Sequence[Path]
    id_column: str | None = None
    source_column: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None
    truth: Path | None = None


@dataclass(frozen=True)
class LinkResult:
    """What `link` found.

    Attributes:
        types: Type of each column, and what told it.
        golden_ids: `record_id`, `golden_id`, and `source` where there is one; a row a record, by `record_id`.
        edges: `record_id_l`, `record_id_r`, `match_weight`, `match_probability`, `is_used`, and `source_l`, `source_r`
            where there are sources; a row a compared pair.
        model: The model, as the text of its file.
        summary: The figures, as `--json` prints them.
    """

    types: Mapping[str, Guess]
    golden_ids: pd.DataFrame
    edges: pd.DataFrame
    model: str
    summary: dict[str, Any]

    def write(self, out: Path, *, page: str) -> None:
        """Write `golden_ids.parquet`, `edges.parquet`, `model.json` and `report.html`, or nothing.

        Args:
            out: The folder; files of an earlier result are replaced.
            page: The report.

        Raises:
            PlatformError: The folder cannot be written.
        """
        tables = {"golden_ids.parquet": self.golden_ids, "edges.parquet": self.edges}
        write_all(out, tables, {"model.json": self.model, "report.html": page})


def link(
    request: LinkRequest, *, spread: Spread = here, tell: Callable[[str], None] = lambda _: None
) -> LinkResult:
    """Link the records of a table.

    Args:
        request: What to link.
        spread: Who solves the components.
        tell: Called with what is being done.

    Raises:
        SourceError: A file cannot be read, or a record id comes twice or is empty.
        ConfigError: A column or type is unknown, or no column says anything of a person.
        ModelError: The model file does not fit.
    """
    began = time.monotonic()
    tell("read")
    table = read_tables(request.files)
    if not len(table):
        raise SourceError(f"{', '.join(map(str, request.files))}: no records")
    ids = _record_ids(table, request.id_column)
    types = _types(table.drop(columns=ids.name, errors="ignore"), request)
    kinds = {column: guess.kind for column, guess in types.items()}
    sources = _sources(table, kinds)
    _require_unique(ids, sources)
    # In the order of ids, so that the order of rows and files changes nothing.
    order = np.lexsort((sources.to_numpy(str), ids.to_numpy(str)))
    records = table.iloc[order].reset_index(drop=True)
    ids, sources = (column.iloc[order].reset_index(drop=True) for column in (ids, sources))
    truth = None if request.truth is None else _truth(request.truth, ids)
    tell("standardise")
    fields = standardise(records, kinds)
    model = None if request.model is None else read_model(request.model, fields.columns)
    linked = link_records(fields, Known(len(fields)), model=model, spread=spread, tell=tell)
    golden = _golden_ids(ids, sources, linked, with_source="source" in kinds.values())
    summary: dict[str, Any] = {
        "records": len(records),
        "golden_ids": int(golden["golden_id"].nunique()),
        "seconds": 0.0,
        "types": {column: kind for column, kind in kinds.items() if kind != "ignore"},
    }
    if truth is not None:
        tell("score")
        summary |= _scores(linked, truth)
    summary["seconds"] = round(time.monotonic() - began, 2)
    model_file = model_text(linked.model, kinds, records=len(records), fingerprint=_fingerprint(ids))
    return LinkResult(types, golden, _edges(linked, golden), model_file, summary)


def _record_ids(table: pd.DataFrame, column: str | None) -> pd.Series:
    if column is not None and column not in table.columns:
        raise ConfigError(f"--id: no column {column}; there are {', '.join(table.columns)}")
    by_name = {name.lower(): name for name in reversed(list(table.columns))}
    found = column or next((by_name[name] for name in _ID_COLUMNS if name in by_name), None)
    if found is None:
        return pd.Series([f"{row:010d}" for row in range(1, len(table) + 1)], dtype=object, name="")
    ids = table[found]
    if ids.isna().any():
        raise SourceError(f"column {found}: {int(ids.isna().sum())} records have no id")
    return ids.astype(str)


def _sources(table: pd.DataFrame, kinds: Mapping[str, str]) -> pd.Series:
    """Where each record is from; empty where nobody says."""
    column = next((column for column, kind in kinds.items() if kind == "source"), None)
    nowhere = pd.Series("", index=table.index, dtype=object)
    return nowhere if column is None else table[column].fillna("").astype(str)


def _require_unique(ids: pd.Series, sources: pd.Series) -> None:
    shared = pd.DataFrame({"id": ids, "source": sources}).duplicated(keep=False)
    if shared.any():
        raise SourceError(
            f"column {ids.name}: {int(shared.sum())} records share an id with another of their source; "
            "name the right columns with --id and --source"
        )


def _types(records: pd.DataFrame, request: LinkRequest) -> dict[str, Guess]:
    given = dict(request.types)
    if request.source_column is not None:
        given[request.source_column] = "source"
    faults = check_types(given, list(records.columns))
    if faults:
        raise ConfigError("; ".join(faults))
    types = guess_types(records, given)
    if {guess.kind for guess in types.values()} <= _SAY_LITTLE:
        raise ConfigError(
            f"no column of {', '.join(records.columns)} is known to say who somebody is; "
            "say what they are with --map COLUMN=TYPE"
        )
    return types


def _truth(path: Path, ids: pd.Series) -> npt.NDArray[np.int64]:
    """Entity of each record, as a number."""
    if ids.duplicated().any():
        raise SourceError(
            f"{path}: records of several sources share an id, so a truth by record_id cannot tell them apart"
        )
    table = read_tables([path])
    if not {"record_id", "entity_id"} <= set(table.columns):
        raise SourceError(f"{path}: expected the columns record_id, entity_id")
    entity = ids.map(table.drop_duplicates("record_id").set_index("record_id")["entity_id"])
    if entity.isna().any():
        raise SourceError(f"{path}: {int(entity.isna().sum())} of {len(ids)} records are not in it")
    return pd.factorize(entity)[0].astype(np.int64)


def _golden_ids(ids: pd.Series, sources: pd.Series, linked: Linked, *, with_source: bool) -> pd.DataFrame:
    """A golden id is made of its first record's: the same records in one group are the same id in every run."""
    first = np.unique(linked.labels)
    names = (f"identity:link:{sources.iloc[record]}:{ids.iloc[record]}" for record in first.tolist())
    made = dict(
        zip(first.tolist(), (hashlib.sha256(name.encode()).hexdigest()[:32] for name in names), strict=True)
    )
    golden = pd.DataFrame(
        {"record_id": ids.to_numpy(object), "golden_id": [made[label] for label in linked.labels.tolist()]}
    )
    return golden.assign(source=sources.to_numpy(object)) if with_source else golden


def _edges(linked: Linked, golden: pd.DataFrame) -> pd.DataFrame:
    worth = np.flatnonzero(linked.weights.round(4) >= log_odds(linked.model.thresholds.candidate))
    left, right, weights = (
        linked.candidates.left[worth],
        linked.candidates.right[worth],
        linked.weights[worth],
    )
    names = golden.drop(columns="golden_id")
    sides = {"_l": names.iloc[left], "_r": names.iloc[right]}
    return pd.concat(
        [side.add_suffix(end).reset_index(drop=True) for end, side in sides.items()], axis=1
    ).assign(
        match_weight=weights.round(4),
        match_probability=(1 / (1 + np.exp2(-weights))).round(6),
        is_used=linked.labels[left] == linked.labels[right],
    )


def _scores(linked: Linked, entity: npt.NDArray[np.int64]) -> dict[str, Any]:
    left = np.concatenate([linked.candidates.left, linked.copies["l"]])
    right = np.concatenate([linked.candidates.right, linked.copies["r"]])
    sure = linked.weights >= log_odds(linked.model.thresholds.join)
    used = np.concatenate([sure, np.ones(len(linked.copies), dtype=bool)])
    edges = score_edges(left, right, used, entity)
    return {
        "edges": {"pairwise": edges["pairwise"]},
        "clusters": score_clusters(linked.labels, entity),
        "blocking_recall": edges["blocking_recall"],
    }


def _fingerprint(ids: pd.Series) -> str:
    """Says whether it was the same table, and nothing of it."""
    return hashlib.sha256(json.dumps(ids.tolist()).encode()).hexdigest()[:16]

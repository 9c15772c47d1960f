"""A model is learnt: silver in, the model as the text of its file, its report and its figures out."""

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from identity.config import Config
from identity.errors import ModelError
from identity.linkage.engine import learn
from identity.linkage.files import write_all
from identity.linkage.learnt import figures_of
from identity.linkage.model import Model, Thresholds
from identity.linkage.model_file import model_text
from identity.pages.model import training_page
from identity.resolve.records import TYPES, comparable, comparable_records, fields_of
from identity.stages.evidence import permission_of
from identity.tables import Tables

_FEWEST_TO_LEARN_FROM = 200


@dataclass(frozen=True)
class Trained:
    """What training found.

    Attributes:
        model: The model.
        text: The text of its file.
        facts: Its figures: those of `learnt.figures_of`, and `version`, `run_date`, `seed`, `records`, `fingerprint`,
            `thresholds`.
    """

    model: Model
    text: str
    facts: dict[str, Any]

    def write(self, target: Path) -> None:
        """Write the model, and its report beside it as HTML; both or neither.

        Raises:
            PlatformError: They cannot be written.
        """
        page = training_page(self.facts, self.model.comparisons)
        write_all(target.parent, {}, {target.name: self.text, report_of(target).name: page})


def report_of(target: Path) -> Path:
    """Where the report of a model stands."""
    return target.with_suffix(".html")


def train_model(
    tables: Tables, config: Config, *, version: str, thresholds: Thresholds, on: dt.date
) -> Trained:
    """Learn a model from the records that may be joined on a date.

    Args:
        tables: The warehouse.
        config: What is compared, and the seed.
        version: Its name.
        thresholds: How sure is sure enough, from now on.
        on: The date whose permissions hold.

    Raises:
        ModelError: Silver holds too few records to learn from.
    """
    matching = config.matching
    persons = tables.read("silver.person_record")
    permission = permission_of(tables, config, persons, tables.read("silver.identifier"), on=on)
    records = comparable_records(persons, permission, sources=matching.sources)
    rows = comparable(records, config.namespaces)
    if len(rows) < _FEWEST_TO_LEARN_FROM:
        raise ModelError(
            f"silver holds {len(rows)} records to learn from; {_FEWEST_TO_LEARN_FROM} are the least"
        )
    learnt = learn(fields_of(rows), seed=matching.seed)
    model = replace(learnt.model, thresholds=thresholds, version=version)
    fingerprint = _fingerprint(rows)
    facts = {
        "version": version,
        "run_date": on.isoformat(),
        "seed": matching.seed,
        "records": len(rows),
        "fingerprint": fingerprint,
        "thresholds": thresholds._asdict(),
        **figures_of(learnt),
    }
    return Trained(model, model_text(model, TYPES, records=len(rows), fingerprint=fingerprint), facts)


def _fingerprint(rows: pd.DataFrame) -> str:
    """A hash of the training records' keys: says whether it is the same data, and nothing of it."""
    keys = "\n".join((rows["source"] + "\x1f" + rows["source_key"]).tolist())
    return hashlib.sha256(keys.encode()).hexdigest()[:16]

"""Models as files: what was learnt, of what, under which version, and how sure groups must be.

A file holds no value that could name somebody: of values only those that many records share, and how many.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from identity.errors import ModelError
from identity.linkage.frequencies import Frequencies
from identity.linkage.model import Household, Model, Thresholds

FORMAT: Final = "identity-link-2"
_WRITES: Final = "`identity train` and `identity link` write one"


def model_text(model: Model, types: Mapping[str, str], *, records: int, fingerprint: str) -> str:
    """A model as the text of its file, the same text for the same model.

    Args:
        model: The model.
        types: Semantic type by column of the table it was learnt from.
        records: How many records that had.
        fingerprint: Says whether it was the same table, and nothing of it.
    """
    told = {
        "format": FORMAT,
        "version": model.version,
        "types": dict(types),
        "training": {"records": records, "fingerprint": fingerprint},
        "thresholds": model.thresholds._asdict(),
        "splink": model.splink,
        "household": model.household
        and {"prior": model.household.prior, "probabilities": model.household.probabilities},
        "frequencies": {"values": dict(model.frequencies.values), "common": dict(model.frequencies.common)},
    }
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_model(path: Path, fields: Collection[str] | None = None) -> Model:
    """Read a model file for a table that has these fields, or for none.

    Raises:
        ModelError: It is not there, of another format, or compares what the table does not have.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path}: no model file; {_WRITES}") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ModelError(f"{path}: not a model of format {FORMAT}; learn a new one")
    try:
        model = _model(told)
        missing = [] if fields is None else sorted(model.fields - set(fields))
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"{path}: parts of the model are missing; learn a new one") from None
    if not model.thresholds.in_order:
        raise ModelError(f"{path}: thresholds: 0 < candidate <= keep <= join < 1 must hold")
    if missing:
        raise ModelError(f"{path}: the model compares {', '.join(missing)}, which the table does not have")
    return model


def read_version(path: Path, fields: Collection[str]) -> Model:
    """Read a model file that is known by its version: the file is called as the model is.

    Raises:
        ModelError: As `read_model`, or it is called otherwise.
    """
    model = read_model(path, fields)
    if model.version != path.stem:
        raise ModelError(
            f"{path}: says it is version {model.version}; call the file {model.version}.json again"
        )
    return model


def _model(told: Mapping[str, Any]) -> Model:
    household, frequencies = told["household"], told["frequencies"]
    return Model(
        splink=told["splink"],
        household=household and Household(household["prior"], household["probabilities"]),
        frequencies=Frequencies(frequencies["values"], frequencies["common"]),
        thresholds=Thresholds(**told["thresholds"]),
        version=str(told["version"]),
    )

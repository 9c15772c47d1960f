"""The Splink model: what is compared how, which pairs are looked at, and the pinned file with the learnt weights.

The file is ours (version, data fingerprint, training facts) around Splink's own settings, so that a model of
another shape is refused and not misread. It holds no value of any record.
"""

import json
from pathlib import Path
from typing import Any

from identity.errors import ModelError

FORMAT = 1

# What a record brings to matching, beside its key. All standardised, all nullable.
COLUMNS = (
    "given_name", "other_given_names", "family_name", "birth_date", "emails", "phones", "street", "postal_code", "city",
    "given_name_x", "family_name_x", "email", "phone",
)  # fmt: skip

# Pairs are looked at when they agree on one of these. Each is rare enough to stay small at a million persons.
BLOCKING_RULES = (
    ("family_name", "birth_date"),
    ("given_name", "birth_date"),
    ("birth_date", "postal_code"),
    ("given_name", "family_name", "postal_code"),
    ("given_name", "family_name", "substr(birth_date, 1, 4)"),
    ("given_name", "street", "postal_code"),
    ("given_name", "family_name", "city"),
    ("email",),
    ("phone",),
)


def load_model(path: Path) -> dict[str, Any]:
    """Read a model file.

    Raises:
        ModelError: It is missing, not a model, or of another format or other columns.
    """
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path}: not a model file; make one with `identity train`") from None
    if not isinstance(model, dict) or model.get("format") != FORMAT:
        raise ModelError(f"{path}: not a model of format {FORMAT}; make one with `identity train`")
    if model.get("columns") != list(COLUMNS):
        raise ModelError(f"{path}: the model compares other columns than this version; train anew")
    return model


def save_model(model: dict[str, Any], path: Path) -> None:
    """Write a model file, the same bytes for the same model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(model, indent=1, sort_keys=True) + "\n", encoding="utf-8")

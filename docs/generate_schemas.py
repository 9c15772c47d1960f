"""Writes docs/schemas/*.json from the contracts: `python docs/generate_schemas.py`; prints nothing."""

import json
from pathlib import Path
from typing import Any

from identity.contracts import TableContract, contract_of
from identity.rights.sections import DROPPED, LEFT_OUT, PORTABLE, SECTIONS

TARGET = Path(__file__).with_name("schemas")
_KINDS = {
    "string": "string", "int": "integer", "bigint": "integer", "double": "number", "boolean": "boolean",
    "date": "string", "timestamp": "string",
}  # fmt: skip
_DROPPED = {
    **DROPPED,
    "delivered": ("file_id", "file", "row_no", "batch_id", "contract_version", "kept_for"),
}


def kind_of(kind: str) -> dict[str, Any]:
    """A Spark type as JSON has it; what is not there is null."""
    if kind.startswith("array<"):
        return {"type": ["array", "null"]}
    if kind.startswith(("map<", "struct<")):
        return {"type": ["object", "null"]}
    name = _KINDS.get(kind, "number")
    told: dict[str, Any] = {"type": [name, "null"]}
    if kind in ("date", "timestamp"):
        told["format"] = "date" if kind == "date" else "date-time"
    return told


def rows_of(section: str, contract: TableContract) -> dict[str, Any]:
    """The rows of a section."""
    columns = {n: c for n, c in contract.columns.items() if n not in _DROPPED.get(section, ())}
    properties = {name: {**kind_of(c.type), "description": c.meaning} for name, c in columns.items()}
    if section == "delivered":
        properties["record"] = {"type": ["object", "string"], "description": columns["record"].meaning}
    return {
        "type": "array",
        "description": contract.meaning,
        "items": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def schema(name: str, says: str, sections: tuple[str, ...], others: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file."""
    properties = {
        "format": {"const": f"identity-{name}-export-1"},
        "made_on": {"type": "string", "format": "date"},
        **{section: rows_of(section, contract_of(SECTIONS[section])) for section in sections},
        **others,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"identity: {name} export of a data subject",
        "description": says,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schemas() -> dict[str, str]:
    """File names and contents."""
    named = {"type": "object", "additionalProperties": {"type": "object"}}
    whole = {
        "golden_ids": {"type": "array", "items": {"type": "string"}},
        "doubtful_records": {"type": "integer", "minimum": 0},
        "sources": named,
        "purposes": named,
        "profiles": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "object"}},
        },
    }
    missing = "; ".join(f"{table} ({reason})" for table, reason in LEFT_OUT.items())
    all_of_hers = f"All that is held of a person. Tables about persons that it does not show: {missing}."
    carried = "What a person provided and what was observed of her; nothing that was inferred."
    every = {
        "subject-export.json": schema("subject", all_of_hers, tuple(SECTIONS), whole),
        "portable-export.json": schema("portable", carried, PORTABLE, {}),
    }
    return {name: json.dumps(told, indent=1) + "\n" for name, told in every.items()}


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (TARGET / name).write_text(text, encoding="utf-8")

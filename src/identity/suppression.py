"""The suppression list in a person's hands: what stands on it, and taking an identifier off after a fresh sign-up."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from identity.config import Namespace
from identity.contracts import contract_of
from identity.errors import ConfigError, SuppressionError
from identity.standardise.contacts import dialled
from identity.standardise.identifiers import hash_key, normal_form, normalised, under_every_key
from identity.tables import Tables, columns_at, in_parallel

_LIST = contract_of("consent.suppression")
_LIFTS = contract_of("ops.suppression_lift")


def listed(warehouse: Path) -> list[dict[str, Any]]:
    """How many identifiers are suppressed, by namespace, reason, day and key; no value and no hash. Needs no Spark."""
    by = ["namespace", "reason", "since_on", "key_fingerprint"]
    rows = columns_at(warehouse, _LIST.name, by).to_pylist()
    counts = Counter(tuple(row[name] for name in by) for row in rows)
    return [{**dict(zip(by, group, strict=True)), "identifiers": n} for group, n in sorted(counts.items())]


def identifiers_of(texts: Sequence[str], namespaces: Mapping[str, Namespace]) -> list[tuple[str, str]]:
    """Identifiers as typed, `namespace=value`, as pairs.

    Raises:
        ConfigError: One is written otherwise or its namespace is unknown; what was typed is not quoted.
    """
    pairs = []
    for number, text in enumerate(texts, start=1):
        namespace, _, value = text.partition("=")
        if namespace not in namespaces or not value.strip():
            raise ConfigError(
                f"identifier {number}: write namespace=value, the namespace one of {', '.join(sorted(namespaces))}"
            )
        pairs.append((namespace, value))
    return pairs


def lift(
    tables: Tables,
    identifiers: Sequence[tuple[str, str]],
    *,
    namespaces: Mapping[str, Namespace],
    keys: Sequence[bytes],
    reason: str,
    on: dt.date,
) -> int:
    """Take identifiers off the suppression list and log that it was done, without values; both or neither.

    Rows go by rewriting the list, not by a condition: a condition would stand in Delta's log.

    Args:
        tables: The tables; the caller holds the warehouse's lock.
        identifiers: Namespace and value, as typed.
        namespaces: The identifier hierarchy.
        keys: The secret key, and retired ones: who was suppressed long ago may be known by one of them alone.
        reason: Why, in words; kept in `ops.suppression_lift`.
        on: Run date.

    Returns:
        How many were lifted.

    Raises:
        ConfigError: The reason is empty or quotes a value.
        SuppressionError: None of them is on the list; nothing was changed.
    """
    if not reason.strip():
        raise ConfigError("--reason: say why, such as 'signed up again at the till'")
    if any(_quotes(reason, namespace, value) for namespace, value in identifiers):
        raise ConfigError("--reason quotes the identifier; the log of lifts keeps no values")
    asked = normalised(
        tables.spark.createDataFrame(list(identifiers), "namespace string, raw string"),
        namespaces=namespaces,
        key=hash_key(keys[0]),
    )
    by = ["namespace", "value_hmac"]
    asked = under_every_key(asked, keys[1:]).select(*by).distinct()
    now = tables.read(_LIST.name)
    found = now.join(F.broadcast(asked), on=by, how="left_semi").orderBy(
        "namespace", "since_on", "value_hmac"
    )
    gone = found.select("namespace", "reason", "since_on").collect()
    if not gone:
        raise SuppressionError("none of these identifiers is on the suppression list; nothing was changed")
    last = max((row["lift_no"] for row in tables.rows(_LIFTS.name)), default=0)
    rows = [
        (last + number, on, row["namespace"], row["reason"], row["since_on"], reason.strip())
        for number, row in enumerate(gone, start=1)
    ]
    lifts = tables.spark.createDataFrame(rows, _LIFTS.spark_schema)
    kept = now.join(F.broadcast(asked), on=by, how="left_anti")
    in_parallel([lambda: tables.stage(kept, _LIST), lambda: tables.stage(lifts, _LIFTS)])
    tables.commit_as_one({_LIST.name: "overwrite", _LIFTS.name: "append"})
    tables.clear_staging(_LIST.name, _LIFTS.name)  # a run started stage by stage may have staged others
    return len(gone)


def _quotes(reason: str, namespace: str, value: str) -> bool:
    """Whether a reason tells an identifier, however either is spelled."""
    forms = {_alike(form) for form in (value, normal_form(namespace, value) or value)}
    if any(form in _alike(reason) for form in forms if form) or value.strip().casefold() in reason.casefold():
        return True
    # What every way of dialling a phone has in common is the number without its country and zeros.
    numbers = {number.lstrip("0") for number in dialled(value)} if namespace == "phone" else set()
    digits = "".join(filter(str.isdigit, reason))
    return any(number in digits for number in numbers)


def _alike(text: str) -> str:
    """Letters and digits alone, without regard to case."""
    return "".join(filter(str.isalnum, text.casefold()))

"""`identity evaluate`: golden ids against a truth, and their health without one. Reads the warehouse without Spark."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds

from identity import evaluation
from identity.errors import ConfigError
from identity.health import FIELDS, Facts, health
from identity.tables import among, columns_at

_KEY: Final = ["source", "source_key"]
_EDGE: Final = ["source_l", "source_key_l", "source_r", "source_key_r", "kind", "rule", "match_weight"]
_EVENT: Final = ["event", "golden_id", "other_golden_id", *_KEY, "cause", "effective_on", "recorded_at"]


def require_warehouse(warehouse: Path) -> None:
    """Make sure golden ids are there.

    Raises:
        ConfigError: They are not.
    """
    if not (warehouse / "id" / "golden_member").is_dir():
        raise ConfigError(f"{warehouse} is no warehouse: it has no id tables; run `identity run` first")


def scores(warehouse: Path, truth: Path) -> dict[str, Any]:
    """Golden ids against truth, as `evaluation.evaluate` tells them.

    Raises:
        SourceError: The truth cannot be read.
    """
    known = evaluation.read_truth(truth)
    stands = ds.field("valid_to_on").is_null()
    wanted = [*_KEY, "golden_id", "link_permission"]
    members = columns_at(warehouse, "id.golden_member", wanted, stands).to_pandas()
    edges = columns_at(warehouse, "id.edge", [*_EDGE, "fate"]).to_pandas()
    return evaluation.evaluate(members, edges, known)


def health_of(
    warehouse: Path, *, limits: Mapping[str, int] | None = None, since: dt.date | None = None
) -> dict[str, Any]:
    """The health of the golden ids of a warehouse, as `health.health` tells it.

    Args:
        warehouse: Its folder.
        limits: By namespace, `max_per_person`; without it limits are left out.
        since: Earlier date to compare with; by default the run date before the last.

    Raises:
        ConfigError: There is nothing to compare with on that date.
    """
    spans = ["golden_id", *_KEY, "valid_from_on", "valid_to_on"]
    limited = among("namespace", limits or {})
    history = columns_at(warehouse, "id.golden_history", _EVENT).to_pandas()
    published = columns_at(warehouse, "ops.publication", ["published_for"]).to_pandas()
    facts = Facts(
        members=columns_at(warehouse, "id.golden_member", spans).to_pandas(),
        edges=columns_at(warehouse, "id.edge", _EDGE, ds.field("fate") == "used").to_pandas(),
        history=history,
        persons=columns_at(warehouse, "silver.person_record", [*_KEY, *FIELDS]).to_pandas(),
        identifiers=columns_at(
            warehouse, "silver.identifier", ["namespace", "value_hmac", *_KEY], limited
        ).to_pandas(),
        blocked=columns_at(warehouse, "id.blocked_value", ["namespace", "reason"]).to_pandas(),
        # Stages run apart resolve before they publish, and a day without any change leaves no event.
        run_dates={*published["published_for"], *history["effective_on"]},
        limits=limits,
    )
    return health(facts, since=since)

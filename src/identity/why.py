"""`identity why` and `identity why-not`: what makes two records one, or keeps them two.

Reads the warehouse without Spark, and of each table no more rows than those of the two golden ids.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from identity.config import Config
from identity.linkage.meeting import Meeting, best_meeting
from identity.linkage.model import Model, Thresholds, log_odds
from identity.linkage.model_file import read_model
from identity.linkage.waterfall import bars_of
from identity.resolve.decisions import Record, named
from identity.resolve.paths import Edge, by_strength, ends_of, path
from identity.resolve.records import FIELDS, PERSONAL, comparable_rows, fields_of
from identity.resolve.why_not import Facts, Row, may_be_compared, reasons
from identity.why_tables import (
    devices_of,
    edges_between,
    facts_of,
    owners_of,
    persons_of,
    record_of_name,
    sides_of,
)  # fmt: skip

MOST_EDGES: Final = 10
# Records of a golden id that are compared for want of an edge; more would hardly say more.
_MOST_COMPARED: Final = 40


def why(config: Config, a: str, b: str, *, with_personal_data: bool = False) -> dict[str, Any]:
    """Tell what makes two one.

    Args:
        config: Warehouse and namespaces.
        a: A record, as `source:source_key`, or a golden id, which stands for all its records.
        b: The other.
        with_personal_data: Whether `persons` is told.

    Returns:
        `a`, `b`, `are_one`, `golden_ids`. Where they are one: `path`, the fewest steps from the one to the other
        (`start`, `end`, and the used `edges` between them, strongest first, as `_told` tells them); `records` at its
        ends, with their `confidence`; `devices` among the two, with the intervals in which they are the golden id's;
        `persons`, what silver says of the two records.

    Raises:
        ConfigError: There is no warehouse, or both are the same.
        UnknownIdError: A golden id was never published.
        UnknownRecordError: A record has no golden id today, or a golden id no record.
    """
    sides = sides_of(config, a, b)
    one, other = sides
    found: dict[str, Any] = {"a": a, "b": b, "golden_ids": [side.golden_id for side in sides]}
    found["are_one"] = one.golden_id == other.golden_id
    if not found["are_one"]:
        return found
    starts, ends = _apart(one.asked, other.asked)
    edges = [
        edge for edge in edges_between(config.warehouse, one.members, one.members) if edge["fate"] == "used"
    ]
    steps = path(edges, starts, ends)
    found["path"] = [
        {"start": named(start), "end": named(end), "edges": [_told(edge) for edge in between]}
        for start, end, between in steps or []
    ]
    left, right = (steps[0].start, steps[-1].end) if steps else (starts[0], ends[0])
    found["records"] = [
        {"record": named(record), "confidence": one.members[record]["confidence"]} for record in (left, right)
    ]
    devices = [record for record in (left, right) if record[0] in devices_of(config)]
    found["devices"] = [
        {"device": named((row["namespace"], row["value_hmac"]))}
        | {name: row[name] for name in ("from_at", "to_at", "is_shared")}
        for row in owners_of(config.warehouse, devices)
        if row["golden_id"] == one.golden_id
    ]
    if with_personal_data:
        found["persons"] = _persons_told((left, right), persons_of(config.warehouse, (left, right)))
    return found


def why_not(config: Config, a: str, b: str, *, with_personal_data: bool = False) -> dict[str, Any]:
    """Tell what keeps two apart.

    Args:
        config: Warehouse, namespaces, thresholds, and the model.
        a: A record, as `source:source_key`, or a golden id, which stands for all its records.
        b: The other.
        with_personal_data: Whether `persons` is told.

    Returns:
        `a`, `b`, `are_one`, `golden_ids`. Where they are two: `reasons` (`reason`, `says`, `edge`), in order;
        `threshold`, the bits from which groups are joined; `edges` between the two golden ids, the strongest first, and
        how many `more_edges` there are; `would`, what comparing the records that were asked about says, where no edge of
        theirs tells; `persons`, what silver says of the two records.

    Raises:
        ConfigError: There is no warehouse, or both are the same.
        UnknownIdError: A golden id was never published.
        UnknownRecordError: A record has no golden id today, or a golden id no record.
        ModelError: The model cannot be read, and is needed.
    """
    sides = sides_of(config, a, b)
    one, other = sides
    found: dict[str, Any] = {"a": a, "b": b, "golden_ids": [side.golden_id for side in sides]}
    found["are_one"] = one.golden_id == other.golden_id
    if found["are_one"]:
        return found
    facts = facts_of(config, sides)
    between = by_strength(facts.edges)
    asked = {*one.asked, *other.asked}
    compared = next(
        (e for e in between if e["kind"] == "probabilistic" and asked.issuperset(ends_of(e))), None
    )
    model = read_model(config.matching.model, FIELDS) if config.matching.probabilistic else None
    would = None if compared or model is None else _would(config, facts, model)
    join = (Thresholds() if model is None else model.thresholds).join
    found["threshold"] = log_odds(join)
    found["reasons"] = [
        {"reason": r.reason, "says": r.says, "edge": r.edge and _told(r.edge)}
        for r in reasons(facts, config.matching, join=join)
    ]
    found["edges"] = [_told(edge) for edge in between[:MOST_EDGES]]
    found["more_edges"] = len(between) - len(found["edges"])
    found["would"] = would
    if with_personal_data:
        pair = (one.asked[0], other.asked[0])
        if compared is not None:
            pair = ends_of(compared) if ends_of(compared)[0] in one.asked else ends_of(compared)[::-1]
        elif would is not None:
            pair = record_of_name(would["left"]), record_of_name(would["right"])
        found["persons"] = _persons_told(pair, facts.persons)
    return found


def _would(config: Config, facts: Facts, model: Model) -> dict[str, Any] | None:
    """What the records asked about would come to, where they are compared at all."""
    groups = [may_be_compared(side, facts, config.matching)[:_MOST_COMPARED] for side in facts.sides]
    if not all(groups):
        return None
    records = [record for group in groups for record in group]
    fields = fields_of(comparable_rows((facts.persons[record] for record in records), config.namespaces))
    met = best_meeting(fields, len(groups[0]), model)
    return {
        "left": named(records[met.left]), "right": named(records[met.right]), "keys": met.keys, "match_weight": met.weight,
        "says": _made_of(met, model.thresholds), "waterfall": _waterfall(met.steps, met.weight),
    }  # fmt: skip


def _made_of(met: Meeting, thresholds: Thresholds) -> str:
    """Why what comparing two records says is no edge."""
    if not met.keys:
        return "no blocking key brings them together, so no run compares them"
    if met.weight < (least := log_odds(thresholds.candidate)):
        return f"a pair below {least:.2f} bits is not kept as an edge"
    return (
        "the last run kept no edge of them: what they share is more common than the model remembers, or their blocking keys "
        "bring too many together"
    )


def _told(edge: Edge) -> dict[str, Any]:
    """An edge: its records, what id.edge says of it, and `waterfall` (a bar a row; None where nothing was compared)."""
    left, right = ends_of(edge)
    kept = ("kind", "rule", "match_weight", "probability", "fate", "reason")
    said, weight = edge.get("evidence"), edge["match_weight"]
    bars = None if said is None else _waterfall(said, weight)
    return (
        {"left": named(left), "right": named(right)}
        | {name: edge[name] for name in kept}
        | {"waterfall": bars}
    )


def _waterfall(steps: Iterable[Row], weight: float) -> list[dict[str, Any]]:
    return [bar._asdict() for bar in bars_of(steps, weight)]


def _persons_told(pair: Iterable[Record], persons: Mapping[Record, Row]) -> list[dict[str, Any]]:
    """Both records, with what silver says of the person; nothing where it knows none."""
    told = []
    for record in pair:
        row = persons.get(record, {})
        values = {name: row.get(name) for name in PERSONAL}
        told.append(
            {"record": named(record)}
            | {name: "; ".join(v) if isinstance(v, list) else v and str(v) for name, v in values.items()}
        )
    return told


def _apart(one: Collection[Record], other: Collection[Record]) -> tuple[list[Record], list[Record]]:
    """Where to start and where to end, where one of the two may be part of the other."""
    starts, ends = sorted({*one} - {*other}), sorted({*other} - {*one})
    return starts or sorted(one), ends or sorted({*other} - {*starts})

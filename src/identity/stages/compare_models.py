"""compare-models: what a switch from one model to another would do to today's golden ids. It writes no table."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity import evaluation
from identity.linkage.model import Model, Thresholds, log_odds
from identity.resolve import golden_id, model_comparison
from identity.resolve.edges import Evidence, Resolved, resolve_edges
from identity.resolve.records import KEY, comparable_records
from identity.resolve.spread import over_executors
from identity.run import Run
from identity.stages.devices import clusters_of_persons
from identity.stages.evidence import evidence_of, permission_of
from identity.stages.resolve import born_of, require_not_before
from identity.standardise.identifiers import hash_key

_PAIR: Final = ["source_l", "source_key_l", "source_r", "source_key_r"]
# A pair is kept from here on, if neither model keeps weaker ones: what one joins, the other should have weighed.
_LEAST: Final = Thresholds().candidate


def compare_models(run: Run, *, old: Model | None, new: Model, truth: Path | None) -> dict[str, Any]:
    """Resolve the records of silver with both models, and hold the results side by side.

    Person records only: devices follow their persons.

    Args:
        run: The run date and the warehouse, of which this process is the only writer, for frames are staged.
        old: The model to compare against; None where only identifiers and decisions join.
        new: The other one.
        truth: Folder with person_of_record.parquet; None scores nothing.

    Returns:
        `run_date`, `old` and `new` (version, thresholds), `records`, `may_be_joined`, `persons`, `pairs`,
        `golden_ids` (of both, by `model_comparison.of_ids`), `differs_in`, `disagreements`, `weights`, and `truth`.

    Raises:
        RunDateError: Golden ids are kept as of a later date.
        SourceError: The truth cannot be read.
    """
    known = None if truth is None else evaluation.read_truth(truth)
    tables = run.tables
    members = tables.read("id.golden_member")
    require_not_before(run, members)
    persons, identifiers = tables.read("silver.person_record"), tables.read("silver.identifier")
    permission = tables.staged(
        permission_of(tables, run.config, persons, identifiers, on=run.on), "link_permission"
    )
    # Records to compare also where the configuration compares none yet.
    compared = comparable_records(persons, permission, sources=run.config.matching.sources)
    evidence = replace(evidence_of(run, permission), records=compared)
    models = {"old": old, "new": new}
    floor = min(_LEAST, *(model.thresholds.candidate for model in models.values() if model is not None))
    resolved = {name: _resolved(run, evidence, model, floor) for name, model in models.items()}
    today = members.where("valid_to_on is null")
    records = persons.select(*KEY)
    for name, found in resolved.items():
        clusters = clusters_of_persons(persons, identifiers, permission, found.clusters)
        ids = golden_id.inherit(clusters, today, born_of(run), key=hash_key(run.key), on=run.on).members
        told = ids.select(
            *KEY, F.col("cluster").alias(f"{name}_cluster"), F.col("golden_id").alias(f"{name}_id")
        )
        records = records.join(tables.staged(told, f"compared_{name}"), on=[*KEY], how="inner")
    held = today.select(*KEY, F.col("golden_id").alias("before"))
    records = records.join(held, on=[*KEY], how="left").join(permission, on=[*KEY], how="left")
    side_by_side = tables.staged(records, "compared")
    rows = side_by_side.toPandas()
    pairs = _pairs(resolved, side_by_side).toPandas()
    together = model_comparison.of_clusters(rows["old_cluster"], rows["new_cluster"])
    differing = model_comparison.differing(pairs)
    only = {name: together["pairs"][f"{name}_only"] for name in models}
    figures = {
        "run_date": run.on.isoformat(),
        **{name: _named(model) for name, model in models.items()},
        "records": len(rows),
        "may_be_joined": int((rows["link_permission"] == "permitted").sum()),
        **together,
        "golden_ids": {name: model_comparison.of_ids(rows["before"], rows[f"{name}_id"]) for name in models},
        "differs_in": model_comparison.reasons_of(differing, only),
        "disagreements": model_comparison.strongest(differing, floor=log_odds(floor)),
        "weights": model_comparison.weights_of(pairs),
    }
    return figures if known is None else figures | {"truth": _scores(rows, known)}


def _resolved(run: Run, evidence: Evidence, model: Model | None, floor: float) -> Resolved:
    """What the model finds; it keeps pairs down to the same floor as the other one, which changes no cluster."""
    if model is not None:
        model = replace(model, thresholds=model.thresholds._replace(candidate=floor))
    return resolve_edges(
        evidence, namespaces=run.config.namespaces, model=model, spread=over_executors(run.tables.spark)
    )


def _pairs(resolved: dict[str, Resolved], clusters: DataFrame) -> DataFrame:
    """Pairs that either model weighed; what their weights rest on where they are one person under one model only."""
    weighed = [
        found.edges.where("kind = 'probabilistic'").select(
            *_PAIR, F.col("match_weight").alias(f"{name}_weight"), F.col("evidence").alias(f"{name}_steps")
        )
        for name, found in resolved.items()
    ]
    pairs = weighed[0].join(weighed[1], on=_PAIR, how="full")
    names = [f"{name}_cluster" for name in resolved]
    for side in "lr":
        of_side = clusters.select(
            *(F.col(key).alias(f"{key}_{side}") for key in KEY),
            *(F.col(n).alias(f"{n}_{side}") for n in names),
        )
        pairs = pairs.join(of_side, on=[f"{key}_{side}" for key in KEY], how="inner")
    old, new = (F.col(f"{name}_l") == F.col(f"{name}_r") for name in names)
    differs = old != new
    return pairs.select(
        *_PAIR,
        *(f"{name}_weight" for name in resolved),
        *(F.when(differs, F.col(f"{name}_steps")).alias(f"{name}_steps") for name in resolved),
        *(f"{name}_{side}" for name in names for side in "lr"),
    )


def _named(model: Model | None) -> dict[str, Any] | None:
    return None if model is None else {"version": model.version, "thresholds": model.thresholds._asdict()}


def _scores(rows: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """Pairwise scores of both, of all records in the truth and of those that may be joined."""
    scored = truth.merge(rows, on=[*KEY], how="inner")
    permitted = scored[scored["link_permission"] == "permitted"]
    return {
        "records": len(scored),
        **{
            name: {
                "pairwise": evaluation.pairwise(scored, f"{name}_cluster"),
                "permitted": evaluation.pairwise(permitted, f"{name}_cluster"),
            }
            for name in ("old", "new")
        },
    }

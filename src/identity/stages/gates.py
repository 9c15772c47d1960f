"""The gates of a run: every result is kept for `ops.dq_result` and the Data Docs, and a failure stops the run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity import quality
from identity.quality_docs import CheckResult, Gate
from identity.run import Run
from identity.sources.rows import union
from identity.tables import Contracted


def check_landing(run: Run, register: Iterable[Mapping[str, Any]]) -> None:
    """Every file: delivered = accepted + quarantined + suppressed, and not too much in quarantine."""
    _settle(run, "landing", quality.check_landing(register=register))


def check_tables(run: Run, gate: Gate, frames: Mapping[str, Contracted]) -> dict[str, int]:
    """Every table against its contract; returns its rows by table."""
    results = quality.check_gate(gate=gate, frames=frames)
    _settle(run, gate, results)
    return {result.table: result.checked for result in results if result.checked is not None}


def check_id_facts(
    run: Run, members: DataFrame, edges: DataFrame, crosswalk: DataFrame, persons: DataFrame
) -> None:
    """Every record has exactly one open membership, no used edge touches a barred record, every live id is known."""
    key = ["source", "source_key"]
    is_open = members.where("valid_to_on is null")
    barred = is_open.where("link_permission = 'barred'").select(*key)
    used = edges.where("fate = 'used'")
    touched = [
        used.join(
            barred.toDF(f"source_{side}", f"source_key_{side}"),
            on=[f"source_{side}", f"source_key_{side}"],
            how="left_semi",
        )
        for side in ("l", "r")
    ]
    facts = {
        "records_without_open_membership": persons.join(is_open, on=key, how="left_anti"),
        "records_with_several_open_memberships": is_open.groupBy(*key).count().where("count > 1"),
        "edges_used_on_barred_records": touched[0].unionByName(touched[1]),
        "live_ids_not_in_crosswalk": is_open.join(
            crosswalk.where("why = 'live'"), on="golden_id", how="left_anti"
        ),
    }
    _settle(run, "id", quality.check_facts(gate="id", facts=_counts(facts)))


def check_gold_facts(
    run: Run,
    frames: Mapping[str, DataFrame],
    purposes: Mapping[str, str],
    effective: DataFrame,
    lines: DataFrame,
) -> None:
    """No row of a purpose's profile without a standing permission; receipt amounts sum to what silver holds."""
    shown = union([frames[t].select(F.lit(p).alias("purpose"), "golden_id") for t, p in purposes.items()])
    permit = effective.where("decision = 'permit'").select("purpose", "golden_id")
    total = F.sum("net_amount").alias("net_amount")
    sold = lines.groupBy("currency").agg(total).alias("s")
    told = frames["gold.purchase_fact"].groupBy("currency").agg(total).alias("t")
    facts = {
        "profile_rows_without_permit": shown.join(permit, on=["purpose", "golden_id"], how="left_anti"),
        "currencies_whose_sales_differ": sold.join(told, on="currency", how="full").where(
            "not (s.net_amount <=> t.net_amount)"
        ),
    }
    _settle(run, "gold", quality.check_facts(gate="gold", facts=_counts(facts)))


def _counts(facts: Mapping[str, DataFrame]) -> dict[str, int]:
    """Rows of every frame, in one action."""
    named = [frame.select(F.lit(name).alias("fact")) for name, frame in facts.items()]
    found = {row["fact"]: row["count"] for row in union(named).groupBy("fact").count().collect()}
    return {name: found.get(name, 0) for name in facts}


def _settle(run: Run, gate: Gate, results: Sequence[CheckResult]) -> None:
    run.checks += results
    quality.raise_if_failed(gate=gate, results=results)

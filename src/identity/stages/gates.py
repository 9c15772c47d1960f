"""The gates of a run: every result is kept for `ops.dq_result` and the Data Docs, and a failure stops the run."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity import quality
from identity.quality_docs import CheckResult, Gate
from identity.run import Run
from identity.sources.rows import union
from identity.tables import Contracted, in_parallel


def check_landing(run: Run, register: Iterable[Mapping[str, Any]]) -> None:
    """Every file: delivered = accepted + quarantined + suppressed, and not too much in quarantine."""
    _settle(run, "landing", quality.check_landing(register=register))


def check_tables(
    run: Run, gate: Gate, frames: Mapping[str, Contracted], facts: Mapping[str, DataFrame] | None = None
) -> dict[str, int]:
    """Every table against its contract, and facts about several of them; returns each table's rows.

    Args:
        run: The run, which keeps the results.
        gate: The gate.
        frames: Frame and contract by table.
        facts: By name, frames that must have no row.

    Raises:
        QualityGateError: A contract is broken, or a fact does not hold.
    """
    of_tables = partial(quality.check_gate, gate=gate, frames=frames)
    results, counts = in_parallel([of_tables, partial(_counts, facts or {})])
    _settle(run, gate, results + quality.check_facts(gate=gate, facts=counts))
    return {result.table: result.checked for result in results if result.checked is not None}


def id_facts(
    members: DataFrame, edges: DataFrame, crosswalk: DataFrame, persons: DataFrame
) -> dict[str, DataFrame]:
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
    return {
        "records_without_open_membership": persons.join(is_open, on=key, how="left_anti"),
        "records_with_several_open_memberships": is_open.groupBy(*key).count().where("count > 1"),
        "edges_used_on_barred_records": touched[0].unionByName(touched[1]),
        "live_ids_not_in_crosswalk": is_open.join(
            crosswalk.where("why = 'live'"), on="golden_id", how="left_anti"
        ),
    }


def gold_facts(
    frames: Mapping[str, Contracted], purposes: Mapping[str, str], effective: DataFrame, lines: DataFrame
) -> dict[str, DataFrame]:
    """No row of a purpose's profile without a standing permission; receipt amounts sum to what silver holds."""
    shown = union([frames[t][0].select(F.lit(p).alias("purpose"), "golden_id") for t, p in purposes.items()])
    permit = effective.where("decision = 'permit'").select("purpose", "golden_id")
    total = F.sum("net_amount").alias("net_amount")
    sold = lines.groupBy("currency").agg(total).alias("s")
    told = frames["gold.purchase_fact"][0].groupBy("currency").agg(total).alias("t")
    return {
        "profile_rows_without_permit": shown.join(permit, on=["purpose", "golden_id"], how="left_anti"),
        "currencies_whose_sales_differ": sold.join(told, on="currency", how="full").where(
            "not (s.net_amount <=> t.net_amount)"
        ),
    }


def _counts(facts: Mapping[str, DataFrame]) -> dict[str, int]:
    """Rows of every frame, in one action."""
    if not facts:
        return {}
    named = [frame.select(F.lit(name).alias("fact")) for name, frame in facts.items()]
    found = {row["fact"]: row["count"] for row in union(named).groupBy("fact").count().collect()}
    return {name: found.get(name, 0) for name in facts}


def _settle(run: Run, gate: Gate, results: Sequence[CheckResult]) -> None:
    run.checks += results
    quality.raise_if_failed(gate=gate, results=results)

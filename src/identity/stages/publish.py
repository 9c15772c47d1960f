"""publish: staging → gate U and the gold gate → gold, all tables under one publication."""

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import functions as F

from identity.contracts import contract_of, purpose_table
from identity.run import Run
from identity.stages.gates import TableGate, gold_facts
from identity.stages.profile import gold_contracts, restricted_today
from identity.tables import Contracted


def publish(run: Run) -> None:
    """Check what is staged, write gold, and name the versions that belong together in ops.publication.

    Raises:
        QualityGateError: A gold table breaks its contract; gold stays as it was.
    """
    with run.stage("publish") as stage:
        tables, contracts = run.tables, gold_contracts(run)
        staged = {name: (tables.from_staging(contract), contract) for name, contract in contracts.items()}
        purposes = {purpose_table(name): name for name in run.config.profile_purposes}
        facts = gold_facts(
            staged,
            purposes,
            tables.read("consent.effective"),
            tables.read("silver.sale_line"),
            restricted_today(run),
        )
        hidden = _hidden(run, staged, purposes)
        with TableGate(run, "gold") as gate:
            for name, table in staged.items():
                gate.check(table, is_hidden=hidden.get(name))
            counts = gate.settle(facts)
        tables.commit(contracts.values())
        versions = [tables.version(name) for name in contracts]
        number = 1 + max((row["publication_no"] for row in tables.rows("ops.publication")), default=0)
        row: dict[str, Any] = {
            "publication_no": number,
            "run_id": run.id,
            "published_for": run.on,
            "versions": dict(zip(contracts, versions, strict=True)),
        }
        tables.append_rows([row], contract_of("ops.publication"))
        tables.clear_staging()
        stage.counts.update(counts)


def _hidden(
    run: Run, staged: Mapping[str, Contracted], purposes: Mapping[str, str]
) -> dict[str, Callable[[int], bool]]:
    """By table of golden ids, which numbers of rows are not told: small ones, and any where the coverage is hidden.

    The rows of a profile are nearly the customers that permit its purpose; what `gold.coverage` hides would be told by
    them.
    """
    covered = staged["gold.coverage"][0].where(F.col("as_of_on") == F.lit(run.on))
    whole = covered.groupBy("purpose").agg(F.every("is_hidden").alias("is_hidden")).where("is_hidden")
    uncovered = {row["purpose"] for row in whole.collect()}
    return {
        name: bool if purposes.get(name) in uncovered else run.config.publication.is_few
        for name, (_, contract) in staged.items()
        if "golden_id" in contract.columns
    }

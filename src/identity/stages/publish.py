"""publish: staging → gate U and the gold gate → gold, all tables under one publication."""

from typing import Any

from identity.contracts import contract_of, purpose_table
from identity.run import Run
from identity.stages.gates import TableGate, gold_facts
from identity.stages.profile import gold_contracts, restricted_today


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
        with TableGate(run, "gold") as gate:
            for table in staged.values():
                gate.check(table)
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

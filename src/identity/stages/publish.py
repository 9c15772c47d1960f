"""publish: staging → gate U and the gold gate → gold, all tables under one publication."""

from functools import partial
from typing import Any

from identity.contracts import contract_of, purpose_table
from identity.run import Run
from identity.stages.gates import check_gold_facts, check_tables
from identity.stages.profile import gold_contracts
from identity.tables import in_parallel


def publish(run: Run) -> None:
    """Check what is staged, write gold, and name the versions that belong together in ops.publication.

    Raises:
        QualityGateError: A gold table breaks its contract; gold stays as it was.
    """
    with run.stage("publish") as stage:
        tables, contracts = run.tables, gold_contracts(run)
        frames = {name: tables.from_staging(contract) for name, contract in contracts.items()}
        counts = check_tables(run, "gold", {name: (frame, contracts[name]) for name, frame in frames.items()})
        purposes = {purpose_table(name): name for name in run.config.profile_purposes}
        check_gold_facts(
            run, frames, purposes, tables.read("consent.effective"), tables.read("silver.sale_line")
        )
        in_parallel([partial(tables.overwrite, frame, contracts[name]) for name, frame in frames.items()])
        versions = in_parallel([partial(tables.version, name) for name in contracts])
        number = 1 + max(
            (row[0] for row in tables.read("ops.publication").select("publication_no").collect()), default=0
        )
        row: dict[str, Any] = {
            "publication_no": number,
            "run_id": run.id,
            "published_for": run.on,
            "versions": dict(zip(contracts, versions, strict=True)),
        }
        publication = contract_of("ops.publication")
        tables.append(tables.rows([row], publication), publication)
        tables.clear_staging()
        stage.counts.update(counts)

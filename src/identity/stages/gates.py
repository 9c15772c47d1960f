"""The gates of a run: every result is kept for `ops.dq_result` and the Data Docs, and a failure stops the run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Self

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity import quality
from identity.contracts import TableContract
from identity.quality_docs import CheckResult, Gate
from identity.run import Run
from identity.sources.rows import union
from identity.tables import Contracted

# One table's planning in Python overlaps another's job in the JVM. On 2 cores the third thread gains nothing.
_THREADS: Final = 3
# Tables of gold that are no profile and name whom analytics may use.
_ANALYSED: Final = ("gold.purchase_fact", "gold.touchpoint", "gold.customer_metrics")


def check_landing(run: Run, register: Iterable[Mapping[str, Any]]) -> None:
    """Every file: delivered = accepted + quarantined + suppressed, and not too much in quarantine."""
    _settle(run, "landing", quality.check_landing(register=register))


class TableGate:
    """A gate that checks each staged table beside the making of the others.

    To be used in a `with` statement; nothing may be committed before `settle`.
    """

    def __init__(self, run: Run, gate: Gate) -> None:
        self._run, self._gate = run, gate
        self._pool = ThreadPoolExecutor(_THREADS)
        self._checks: dict[str, Future[list[CheckResult]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def stage(self, frame: DataFrame, contract: TableContract) -> Contracted:
        """Stage a frame as its contract's table; it is checked while the caller goes on."""
        return self.check(self._run.tables.stage(frame, contract))

    def check(self, staged: Contracted, *, is_hidden: Callable[[int], bool] | None = None) -> Contracted:
        """Check a table that is staged already; what `is_hidden` says of its number of rows is not told anywhere."""
        self._checks[staged[1].name] = self._pool.submit(self._results, *staged, is_hidden)
        return staged

    def settle(self, facts: Mapping[str, DataFrame] | None = None) -> dict[str, int | None]:
        """Wait for every table, and count facts about several of them; returns each table's rows, None where hidden.

        Args:
            facts: By name, frames that must have no row.

        Raises:
            QualityGateError: A contract is broken, or a fact does not hold.
        """
        counts = _counts(facts or {})
        results = [result for _, check in sorted(self._checks.items()) for result in check.result()]
        _settle(self._run, self._gate, results + quality.check_facts(gate=self._gate, facts=counts))
        return {result.table: result.checked for result in results}

    def _results(
        self, frame: DataFrame, contract: TableContract, is_hidden: Callable[[int], bool] | None
    ) -> list[CheckResult]:
        rows = self._run.tables.at_hand(contract)
        results = quality.check_table(
            gate=self._gate, rows=frame if rows is None else rows, contract=contract
        )
        if is_hidden is None:
            return results
        return [replace(r, checked=None) if r.checked and is_hidden(r.checked) else r for r in results]


def id_facts(
    members: DataFrame,
    edges: DataFrame,
    crosswalk: DataFrame,
    persons: DataFrame,
    replayed: DataFrame,
    households: DataFrame,
) -> dict[str, DataFrame]:
    """Every record has one open membership, no used edge touches a barred record, the ledger tells the same members.

    Args:
        members: id.golden_member as it will be.
        edges: id.edge as it will be.
        crosswalk: id.crosswalk as it will be; knows every live id.
        persons: silver.person_record.
        replayed: What the ledger, as it will be, replays to.
        households: id.household as it will be: of live ids whose records may be joined, and of two at least.
    """
    key = ["source", "source_key"]
    is_open = members.where("valid_to_on is null")
    barred = is_open.where("link_permission = 'barred'").select(*key)
    used = edges.where("fate = 'used'")
    standing = is_open.select("golden_id", *key)
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
        "memberships_the_ledger_tells_otherwise": standing.unionByName(replayed)
        .groupBy("golden_id", *key)
        .count()
        .where("count <> 2"),
        "household_ids_not_live": households.join(is_open, on="golden_id", how="left_anti"),
        "household_ids_barred": households.join(
            is_open.where("link_permission = 'barred'"), on="golden_id", how="left_semi"
        ),
        "households_of_one": households.groupBy("household_id").count().where("count < 2"),
    }


def gold_facts(
    frames: Mapping[str, Contracted],
    purposes: Mapping[str, str],
    effective: DataFrame,
    lines: DataFrame,
    restricted: DataFrame | None,
) -> dict[str, DataFrame]:
    """What must hold of gold as it will be.

    No golden id is shown to a purpose without a standing permission, none that is restricted is shown at all, and
    receipt amounts sum to what silver holds.

    Args:
        frames: The tables of gold.
        purposes: Purposes by the tables of their profiles.
        effective: consent.effective.
        lines: silver.sale_line.
        restricted: `golden_id` of whose processing is restricted; None where nobody's is.
    """
    shown = union([frames[t][0].select(F.lit(p).alias("purpose"), "golden_id") for t, p in purposes.items()])
    analysed = [
        frames[table][0].select(F.lit("analytics").alias("purpose"), "golden_id") for table in _ANALYSED
    ]
    shown = union([shown, *analysed]).where("golden_id is not null").distinct()
    permit = effective.where("decision = 'permit'").select("purpose", "golden_id")
    total = F.sum("net_amount").alias("net_amount")
    sold = lines.groupBy("currency").agg(total).alias("s")
    told = frames["gold.purchase_fact"][0].groupBy("currency").agg(total).alias("t")
    facts = {} if restricted is None else {"restricted_ids_shown": _shown_of(frames, restricted)}
    return facts | {
        "profile_rows_without_permit": shown.join(permit, on=["purpose", "golden_id"], how="left_anti"),
        "currencies_whose_sales_differ": sold.join(told, on="currency", how="full").where(
            "not (s.net_amount <=> t.net_amount)"
        ),
    }


def _shown_of(frames: Mapping[str, Contracted], ids: DataFrame) -> DataFrame:
    """Rows of any gold table about one of these golden ids."""
    named = [
        frame.select("golden_id") for frame, contract in frames.values() if "golden_id" in contract.columns
    ]
    return union(named).join(F.broadcast(ids), on="golden_id", how="left_semi")


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

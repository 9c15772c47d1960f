"""The quality gates: what a table's contract promises, checked by Great Expectations, told without any value.

The only module that imports Great Expectations, and it does so inside a function: the import takes seconds.
Suites are generated from the contracts, so there is no second list of columns. What leaves this module is
counts, column names and what the contract itself says; `docs/adr/0003-quality-gates.md` has the measurements.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any, ClassVar, Final

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.contracts import TableContract
from identity.errors import QualityGateError
from identity.quality_docs import (
    COLUMNS_TO_MATCH,
    CheckResult,
    Expectation,
    Gate,
    expectations_of,
    write_site,
)

# Great Expectations first says only what holds, and then counts what does not. These two formats quote no cell;
# all others do, SUMMARY as it comes and COMPLETE with `exclude_unexpected_values` among them.
_HOLDS: Final = "BOOLEAN_ONLY"
_COUNTS: Final = {"result_format": "SUMMARY", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class _Outcome:
    """What Great Expectations says of an expectation, less everything that could be a value."""

    success: bool = False
    checked: int | None = None
    unexpected: int | None = None


def warm_up() -> None:
    """Import Great Expectations and use it once; meant for a thread while the JVM starts."""
    check_facts(gate="silver", facts={"warm": 0})


def suite_of(contract: TableContract) -> Any:
    """The Great Expectations suite of a contract."""
    return _gx().suite(contract.name, expectations_of(contract))


def check_table(*, gate: Gate, rows: DataFrame | pa.Table, contract: TableContract) -> list[CheckResult]:
    """Check a table against its contract: one pass to see what holds, another, if need be, to count what does not.

    A frame is read by two Spark jobs, however many expectations it has: its keys, then its cells; again only to
    count what failed. Nothing is persisted here, so a frame dearer to compute than to read should come so. Rows that
    are in this process already are checked here, without Spark.

    Args:
        gate: The gate the table stands at.
        rows: The table.
        contract: What it promises.

    Returns:
        The result of every expectation, in the order of the contract.
    """
    data = rows.to_pandas() if isinstance(rows, pa.Table) else rows
    # A missing column fails its table by itself; asking for its cells would make Spark fail everything else.
    expectations = [e for e in expectations_of(contract) if e.needs <= set(data.columns)]
    outcomes = _validate(data, expectations, result_format=_HOLDS)
    # The key's expectation has counted the rows; None when there was no telling.
    count = next((outcome.checked for outcome in outcomes if outcome.checked is not None), None)
    outcomes = [_Outcome(True, count, 0) if outcome.success else outcome for outcome in outcomes]
    failed = [i for i, outcome in enumerate(outcomes) if outcome.unexpected is None]
    counts = _validate(data, [expectations[i] for i in failed], result_format=_COUNTS)
    for i, counted in zip(failed, counts, strict=True):
        checked = count if counted.unexpected is not None else None
        outcomes[i] = _Outcome(False, checked, counted.unexpected)
    return _results(gate, contract.name, expectations, outcomes)


def check_landing(*, register: Iterable[Mapping[str, Any]]) -> list[CheckResult]:
    """Check the register of landed files: in = out, not too much in quarantine, each file once.

    Args:
        register: A row a file: source, feed, file, delivered, accepted, quarantined, suppressed, and limit,
            the share of the delivered rows that may be quarantined.
    """
    counts = ["delivered", "accepted", "quarantined", "suppressed"]
    files = pd.DataFrame(list(register), columns=["source", "feed", "file", *counts, "limit"])
    if files.empty:
        return []
    files["accounted_for"] = files["accepted"] + files["quarantined"] + files["suppressed"]
    files["quarantine_share"] = (
        files["quarantined"] / files["delivered"].where(files["delivered"] > 0)
    ).fillna(0.0)
    within = {"column_A": "limit", "column_B": "quarantine_share", "or_equal": True}
    expectations = [
        Expectation("expect_compound_columns_to_be_unique", {"column_list": ["source", "feed", "file"]}),
        *(
            Expectation("expect_column_values_to_not_be_null", {"column": name})
            for name in [*counts, "limit"]
        ),
        Expectation(
            "expect_column_pair_values_to_be_equal", {"column_A": "delivered", "column_B": "accounted_for"}
        ),
        Expectation("expect_column_pair_values_a_to_be_greater_than_b", within),
    ]
    outcomes = _validate(files, expectations, result_format=_COUNTS)
    return _results("landing", "landing.register", expectations, outcomes)


def check_facts(*, gate: Gate, facts: Mapping[str, int]) -> list[CheckResult]:
    """Check facts about several tables at once: each counts what must not be, so each must be 0.

    Args:
        gate: The gate the facts belong to.
        facts: Observed count by name, such as `records_without_open_membership`.
    """
    if not facts:
        return []
    zero = {"min_value": 0, "max_value": 0}
    expectations = [
        Expectation("expect_column_values_to_be_between", {"column": name, **zero}) for name in facts
    ]
    holds = _validate(pd.DataFrame([dict(facts)]), expectations, result_format=_HOLDS)
    outcomes = [_Outcome(o.success, None, int(n)) for o, n in zip(holds, facts.values(), strict=True)]
    return _results(gate, f"{gate}.facts", expectations, outcomes)


def raise_if_failed(*, gate: Gate, results: Sequence[CheckResult]) -> None:
    """Stop the run if anything failed at the gate.

    Raises:
        QualityGateError: One line that names tables, expectations, columns and counts.
    """
    failed = [result for result in results if not result.success]
    if failed:
        raise QualityGateError(f"gate {gate}: " + "; ".join(result.sentence() for result in failed))


def write_docs(*, results: Iterable[CheckResult], folder: Path, title: str) -> Path:
    """Write Data Docs: a page a table, rendered by Great Expectations, that opens without any network.

    Pages of other gates that the folder already holds stay and are linked, so jobs that do one arrow each may
    write into one folder.

    Args:
        results: Results of one or more gates.
        folder: Where the site goes; nothing is written outside it.
        title: What the site is about, such as the run id.

    Returns:
        The index page.
    """
    return write_site(results, render=_gx().render, folder=folder, title=title)


def _validate(data: Any, expectations: Sequence[Expectation], *, result_format: Any) -> list[_Outcome]:
    """Ask Great Expectations; what it could not evaluate has failed, and has no counts."""
    if not expectations:
        return []
    outcomes = {}
    for answer in _gx().validate(data, expectations, result_format):
        asked = Expectation(answer.expectation_config.type, answer.expectation_config.kwargs)
        counts = {**answer.meta, **answer.result}
        unexpected = counts.get("unexpected_count")
        if "details" in counts and asked.kind == COLUMNS_TO_MATCH:
            unexpected = len(counts["details"]["mismatched"])
        outcome = _Outcome(bool(answer.success), counts.get("element_count"), unexpected)
        outcomes[asked.kind, asked.column] = outcome
    return [outcomes.get((e.kind, e.column), _Outcome()) for e in expectations]


def _results(
    gate: Gate, table: str, expectations: Sequence[Expectation], outcomes: Sequence[_Outcome]
) -> list[CheckResult]:
    pairs = zip(expectations, outcomes, strict=True)
    return [CheckResult(gate, table, e, o.success, o.checked, o.unexpected) for e, o in pairs]


_door: list[SimpleNamespace] = []
_opening = Lock()


def _gx() -> SimpleNamespace:
    """Great Expectations, imported and set up once, whichever thread asks first."""
    with _opening:
        if not _door:
            _door.append(_open())
    return _door[0]


def _open() -> SimpleNamespace:
    os.environ["GX_ANALYTICS_ENABLED"] = "False"  # read at import; nothing is sent anywhere
    # When Spark fails, Great Expectations logs the exception, and Spark's exceptions can quote a cell.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    import great_expectations as gx
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
    from great_expectations.data_context.types import base
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metrics.metric_provider import metric_partial, metric_value
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaSectionView

    class DistinctKeys(TableMetricProvider):
        """How many keys a table has, found in the same job as how many rows it has."""

        metric_name = "table.distinct_keys"
        value_keys = ("column_list",)

        @metric_partial(
            engine=SparkDFExecutionEngine,
            partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
            domain_type=MetricDomainTypes.TABLE,
        )
        def _spark(cls, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:  # noqa: N805
            # A struct is never null, so a key with an empty part counts as a key.
            return F.count_distinct(F.struct(*metric_value_kwargs["column_list"])), metric_domain_kwargs, {}

        @metric_value(engine=PandasExecutionEngine)
        def _pandas(cls, execution_engine: Any, metric_domain_kwargs: Any, **asked: Any) -> int:  # noqa: N805
            data, *_ = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.TABLE)
            return int((~data.duplicated(asked["metric_value_kwargs"]["column_list"])).sum())

    class ExpectKeyToBeUnique(BatchExpectation):
        """No key comes twice. The stock expectations sort the table by a window, in a job of their own."""

        column_list: list[str]
        metric_dependencies: ClassVar[tuple[str, ...]] = ("table.row_count", "table.distinct_keys")
        success_keys: ClassVar[tuple[str, ...]] = ("column_list",)

        def _validate(
            self,
            metrics: dict[Any, Any],
            runtime_configuration: object = None,  # noqa: ARG002 - the signature is Great Expectations'
            execution_engine: object = None,  # noqa: ARG002
        ) -> dict[Any, Any]:
            rows, keys = metrics["table.row_count"], metrics["table.distinct_keys"]
            # Of a result, BOOLEAN_ONLY keeps nothing; of its meta data, all.
            return {"success": rows == keys, "meta": {"element_count": rows, "unexpected_count": rows - keys}}

    def suite(name: str, expectations: Sequence[Expectation]) -> Any:
        asked: Any = [{"type": e.kind, "kwargs": dict(e.arguments)} for e in expectations]
        return gx.ExpectationSuite(name=name, expectations=asked)

    logging.captureWarnings(False)  # Great Expectations' import turned it on for the whole process

    def validate(data: Any, expectations: Sequence[Expectation], result_format: Any) -> Any:
        # Without these stores a context would make a temporary folder, for docs that nobody builds.
        config = base.DataContextConfig(
            store_backend_defaults=base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=base.ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        )
        # A context is not thread-safe, costs 10 ms and keeps every frame it saw: so one for every question.
        context: Any = gx.get_context(mode="ephemeral", project_config=config)
        if isinstance(data, DataFrame):
            source = context.data_sources.add_spark("frames", persist=False)
        else:
            source = context.data_sources.add_pandas("frames")
        whole = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")
        batch = whole.get_batch({"dataframe": data})
        return batch.validate(suite("suite", expectations), result_format=result_format).results

    renderer: Any = ValidationResultsPageRenderer(run_info_at_end=True)
    view: Any = DefaultJinjaSectionView()

    def render(table: str, results: Sequence[CheckResult]) -> str:
        answers = []
        for result in results:
            kind, arguments, counts = result.shown()
            config = ExpectationConfiguration(type=kind, kwargs=arguments)
            answers.append(
                ExpectationValidationResult(success=result.success, expectation_config=config, result=counts)
            )
        answer = ExpectationSuiteValidationResult(
            success=all(r.success for r in results), results=answers, suite_name=table, statistics={}, meta={}
        )
        # The first section links to pages nobody makes; the last one tells of Great Expectations, not of us.
        sections = [section.to_json_dict() for section in renderer.render(answer).sections[1:-1]]
        return "".join(
            view.render({"section": s, "section_loop": {"index": i}}) for i, s in enumerate(sections)
        )

    return SimpleNamespace(suite=suite, validate=validate, render=render)

"""How well `identity link` links tables it was never told of, against plain Splink; labels only score.

`IDENTITY_BENCHMARK_DATA=DIR python -m benchmarks.accuracy [SET ...]` links every `DIR/<set>/records.parquet` that has a
`truth.parquet`, with no option but the file, in a process of its own. Two yardsticks stand beside it: connected components
(CC) over the same model's pairs at a probability of .95, which shows what clustering adds; and plain Splink over the same
fields, comparisons and candidate pairs, as its guides use it: random sampling, expectation maximisation in passes,
connected components at .95.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from identity.linkage.blocking import block
from identity.linkage.comparisons import comparisons
from identity.linkage.engine import arrow_of
from identity.linkage.fields import standardise
from identity.linkage.files import read_tables
from identity.linkage.scores import score_clusters
from identity.linkage.training import CERTAIN, RECALL_OF_CERTAIN
from identity.linkage.types import guess_types
from identity.linkage.work import load_fields

_PASSES = (
    ("given", "family"), ("born",), ("born", "family"), ("postcode", "given"), ("national_id",), ("email",), ("phone",),
    ("address", "given"),
)  # fmt: skip


def main() -> None:
    """Print a row a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", help="names of sets; all there are by default")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(plain_splink(Path(arguments.peer))))
        return
    folder = os.environ.get("IDENTITY_BENCHMARK_DATA")
    if not folder:
        print("accuracy: skipped, IDENTITY_BENCHMARK_DATA is not set")
        return
    found = sorted(path.parent for path in Path(folder).glob("*/truth.parquet"))
    print(f"{'set':<36} {'records':>7} {'F1':>6} {'95 % interval':>15} {'B-cubed':>7} {'block R':>7} {'s':>6} {'GB':>5} "
          f"{'CC F1':>6} {'ratio':>6} {'Splink F1':>9} {'s':>6}")  # fmt: skip
    for path in found:
        if not arguments.sets or path.name in arguments.sets:
            _row(path)


def _row(path: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        ours, seconds, memory = timed_link(path / "records.parquet", Path(out), path / "truth.parquet")
        connected = _connected(Path(out), path)
    theirs, peer_seconds, _ = _timed([sys.executable, "-m", "benchmarks.accuracy", "--peer", str(path)])
    clusters = ours["clusters"]
    f1, (low, high) = clusters["pairwise"]["f1"], clusters["pairwise"]["f1_interval"]
    print(f"{path.name:<36} {ours['records']:>7} {f1:>6.4f} {low:>6.4f} - {high:.4f} {clusters['b_cubed']['f1']:>7.4f} "
          f"{ours['blocking_recall']:>7.4f} {seconds:>6.1f} {memory:>5.2f} {connected:>6.4f} {f1 / connected:>6.3f} "
          f"{theirs['f1']:>9.4f} {peer_seconds:>6.1f}", flush=True)  # fmt: skip


def _connected(out: Path, path: Path) -> float:
    """F1 of connected components over our own model's pairs at a probability of .95: what clustering adds."""
    ids = pd.read_parquet(out / "golden_ids.parquet")["record_id"]
    edges = pd.read_parquet(out / "edges.parquet").query("match_probability >= 0.95")
    place = pd.Series(np.arange(len(ids)), index=ids)
    return _components_f1(
        place[edges["record_id_l"]].to_numpy(), place[edges["record_id_r"]].to_numpy(), ids, path
    )


def _components_f1(left: Any, right: Any, ids: pd.Series, path: Path) -> float:
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(ids), len(ids)))
    labels = connected_components(graph, directed=False)[1]
    truth = pd.read_parquet(path / "truth.parquet").set_index("record_id")["entity_id"]
    f1: float = score_clusters(np.asarray(labels), pd.factorize(ids.map(truth))[0])["pairwise"]["f1"]
    return f1


def timed_link(file: Path, out: Path, truth: Path) -> tuple[dict[str, Any], float, float]:
    """The figures of `identity link` in a process of its own, its seconds from the shell's prompt, and its peak in GB."""
    link = [sys.executable, "-m", "identity.cli", "link", str(file), "--out", str(out)]
    return _timed([*link, "--truth", str(truth), "--json"])


def _timed(command: list[str]) -> tuple[dict[str, Any], float, float]:
    """What a command prints, its seconds from the shell's prompt, and its peak memory in GB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, " ".join(command)
    return json.loads(printed), time.monotonic() - began, usage.ru_maxrss / 2**20


def plain_splink(path: Path) -> dict[str, float]:
    """Splink alone: F1 of connected components at a probability of .95."""
    from splink import DuckDBAPI, Linker, block_on

    table = read_tables([path / "records.parquet"]).sort_values("record_id", ignore_index=True)
    ids = table.pop("record_id")
    fields = standardise(table, {column: guess.kind for column, guess in guess_types(table).items()})
    has = set(fields.columns)
    with duckdb.connect(":memory:") as connection:
        load_fields(connection, arrow_of(fields))
        block(connection, has)
        api = DuckDBAPI(connection=connection)
        settings: dict[str, Any] = {
            "link_type": "dedupe_only", "unique_id_column_name": "unique_id", "comparisons": comparisons(has),
            "blocking_rules_to_generate_predictions": [],
        }  # fmt: skip
        linker = Linker(api.register(connection.table("fields")), settings, log_level=50)
        certain: list[Any] = [block_on(*rule) for rule in CERTAIN if set(rule) <= has]
        linker.training.estimate_probability_two_random_records_match(certain, recall=RECALL_OF_CERTAIN)
        linker.training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=1)
        for rule in _PASSES:
            if set(rule) <= has:
                try:
                    linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
                except Exception as error:  # noqa: BLE001 - a pass that Splink cannot make is left out
                    print(
                        f"{path.name}: no pass over {', '.join(rule)}: {type(error).__name__}",
                        file=sys.stderr,
                    )
        linker.table_management.register_blocked_pairs_for_predict(api.register(connection.table("blocked")))
        predicted = linker.inference.predict(threshold_match_probability=0.95)
        pairs = predicted.as_duckdbpyrelation().select("unique_id_l", "unique_id_r").fetchnumpy()
    return {"f1": _components_f1(pairs["unique_id_l"], pairs["unique_id_r"], ids, path)}


if __name__ == "__main__":
    main()

"""What would stop or distort a run: a chain, a hub, copies. `python -m benchmarks.robustness` prints a row a case.

- **resemblance**: 10,000 records; each shares given name and e-mail with one neighbour, family name and phone with the other;
- **identifiers**: 10,000 records, each joined to the next by an identifier, with another member at either end;
- **hub**: one payment token on 1,000,000 records, through Spark;
- **copies**: 100,000 records that say exactly the same, among 5,000 others.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.processes import watch

ROOT = Path(__file__).parents[1]
_CHAIN, _HUB, _COPIES, _OTHERS = 10_000, 1_000_000, 100_000, 5_000


def main() -> None:
    """Print a row a case; with `--case`, solve it here and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--case", choices=sorted(CASES), help=argparse.SUPPRESS)
    case = parser.parse_args().case
    if case:
        print(json.dumps(CASES[case]()))
        return
    for name in CASES:
        run = watch([sys.executable, "-m", "benchmarks.robustness", "--case", name])
        print(f"{name:<12} {run.seconds:>6.1f} s {run.peak_mb:>6.0f} MB  {json.loads(run.said)}", flush=True)


def resemblance() -> dict[str, Any]:
    """Strangers in a row, each like the next in two things."""
    place = range(_CHAIN)
    people = pd.DataFrame(
        {
            "given": [f"g{_word(i // 2 * 7919)}" for i in place],
            "family": [f"f{_word((i + 1) // 2 * 104729)}" for i in place],
            "email": [f"mailbox{i // 2}@x.fi" for i in place],
            "phone": [f"040{1_000_000 + (i + 1) // 2}" for i in place],
        }
    )
    types = {"given": "given_name", "family": "family_name", "email": "email", "phone": "phone"}
    return _linked(people, types)


def copies() -> dict[str, Any]:
    """The same record over and over, and others."""
    place = range(_OTHERS)
    people = pd.DataFrame(
        {
            "given": [f"g{_word(i % 300)}" for i in place],
            "family": [f"f{_word(i % 1_700)}" for i in place],
            "born": [f"{1930 + i % 70}-{1 + i % 12:02}-{1 + i % 28:02}" for i in place],
            "email": [f"mailbox{i}@x.fi" for i in place],
        }
    )
    people = pd.concat([people, pd.concat([people.iloc[[0]]] * _COPIES)], ignore_index=True)
    types = {"given": "given_name", "family": "family_name", "born": "date_of_birth", "email": "email"}
    return _linked(people, types)


def identifiers() -> dict[str, Any]:
    """A chain of shared identifiers between two members of a programme that allows one."""
    from identity.linkage.known import Known, join_first

    place = np.arange(_CHAIN - 1)
    known = Known(
        _CHAIN,
        first=pd.DataFrame({"l": place, "r": place + 1, "is_decided": False}),
        held=pd.DataFrame({"record": [0, _CHAIN - 1], "namespace": "member", "value": ["a", "b"]}),
        limits={"member": 1},
    )
    joined = join_first(known)
    return {
        "groups": len(np.unique(joined.labels)),
        "rejected": int(sum(r is not None for r in joined.reasons)),
    }


def hub() -> dict[str, Any]:
    """One value on a million records."""
    from pyspark.sql import functions as F

    from identity.config import Namespace
    from identity.resolve.edges import DECISION, Evidence, resolve_edges
    from identity.resolve.identifiers import shared_identifier_edges
    from identity.session import build_session, stop_session

    spark = build_session(app_name="robustness")
    namespaces = {"payment_token": Namespace(level="identified", rank=5, links="always", max_persons=50)}
    records = spark.range(_HUB).select(
        F.lit("tills").alias("source"),
        F.format_string("%07d", "id").alias("source_key"),
        *(F.lit(None).cast("string").alias(n) for n in ("given_name", "other_given_names", "family_name")),
        F.lit(None).cast("date").alias("birth_date"),
    )
    carried = records.select(
        F.lit("payment_token").alias("namespace"), F.lit("one").alias("value"), F.lit("one").alias("value_hmac"),
        "source", "source_key",
    )  # fmt: skip
    evidence = Evidence(
        shared=shared_identifier_edges(carried, records, namespaces=namespaces),
        records=None,
        decisions=spark.createDataFrame([], DECISION),
        identifiers=carried,
        before=spark.createDataFrame([], "source string, source_key string, golden_id string"),
    )
    found = resolve_edges(evidence, namespaces=namespaces, model=None)
    rejected = found.edges.where("reason = 'shared_by_too_many'").count()
    groups = found.clusters.select("cluster").distinct().count()
    stop_session(spark)
    return {"rejected": rejected, "groups": groups}


def _linked(people: pd.DataFrame, types: dict[str, str]) -> dict[str, Any]:
    from identity.linkage.engine import link_records
    from identity.linkage.fields import standardise
    from identity.linkage.known import Known

    fields = standardise(people, types)
    linked = link_records(fields, Known(len(fields)))
    sizes = np.bincount(np.unique(linked.labels, return_inverse=True)[1])
    return {"groups": len(sizes), "largest": int(sizes.max()), "components_cut": linked.cut}


def _word(number: int) -> str:
    """A number as letters, so that it counts as a name."""
    letters = []
    for _ in range(6):
        number, rest = divmod(number, 26)
        letters.append(chr(97 + rest))
    return "".join(letters)


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "resemblance": resemblance, "identifiers": identifiers, "copies": copies, "hub": hub,
}  # fmt: skip

if __name__ == "__main__":
    main()

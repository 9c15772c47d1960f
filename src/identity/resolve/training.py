"""Training, unsupervised: what agreement by chance looks like from random pairs, what a match looks like by EM.

Labels and truth are never read.
"""

import hashlib
from typing import Any

import pyarrow as pa

from identity.resolve.model import COLUMNS, FORMAT
from identity.resolve.scoring import base_settings, make_linker

# Passes of EM: each holds some fields fixed and learns the others.
_PASSES = (("given_name", "family_name"), ("birth_date", "postal_code"))
# Pairs that are matches almost surely, from which the share of matches among all pairs is guessed.
_CERTAIN = (("given_name", "family_name", "birth_date"), ("email", "given_name"), ("phone", "given_name"))
_RECALL_OF_CERTAIN = 0.7
# A level EM hardly saw must not decide alone: these floors bound its weight.
_LEAST_M, _LEAST_U = 0.002, 1e-6


def train(table: pa.Table, *, version: str, pairs: int, seed: int) -> dict[str, Any]:
    """Learn a model from records.

    Args:
        table: `scoring.comparable` rows, sorted by key.
        version: Name of the model; edges carry it.
        pairs: Random pairs for the probabilities of agreement by chance.
        seed: Seed of the random pairs.

    Returns:
        The model, ready for `model.save_model`.
    """
    from splink import block_on

    linker = make_linker(table, base_settings(seed))
    linker.training.estimate_probability_two_random_records_match(
        [block_on(*rule) for rule in _CERTAIN], recall=_RECALL_OF_CERTAIN
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=pairs, seed=seed)
    for rule in _PASSES:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
    settings = linker.misc.save_model_to_json()
    for comparison in settings["comparisons"]:
        _floor(comparison["comparison_levels"])
    return {
        "format": FORMAT,
        "version": version,
        "columns": list(COLUMNS),
        "training": {
            "records": table.num_rows,
            "fingerprint": _fingerprint(table),
            "random_pairs": pairs,
            "seed": seed,
            "passes": [list(rule) for rule in _PASSES],
        },
        "splink": settings,
    }


def _floor(levels: list[dict[str, Any]]) -> None:
    for level in levels:
        if not level.get("is_null_level"):
            level["m_probability"] = max(level.get("m_probability") or 0.0, _LEAST_M)
            level["u_probability"] = max(level.get("u_probability") or 0.0, _LEAST_U)


def _fingerprint(table: pa.Table) -> str:
    """A hash of the training data's keys: says whether it is the same data, and nothing of it."""
    digest = hashlib.sha256()
    for key in table.column("unique_id").to_pylist():
        digest.update(str(key).encode() + b"\n")
    return digest.hexdigest()[:16]

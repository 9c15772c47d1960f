"""Changing the secret key of a warehouse: every hash that can be is made anew, and the older versions go."""

from typing import Any

from identity.contracts import contract_of
from identity.erasure.plan import writing
from identity.forget import begin_forgetting, end_forgetting, must_forget
from identity.keys import fingerprint, fingerprint_in_force, published_with, require_keys
from identity.pipeline import do_stages, require_not_before
from identity.rehash import left_behind, new_hashes, rehashed
from identity.run import Run
from identity.stages.ingest import recover
from identity.stages.standardise import delivered_values
from identity.standardise.identifiers import hash_key, normalised
from identity.tables import by_table

_ROTATIONS = contract_of("ops.key_rotation")


def rotate_key(run: Run) -> dict[str, Any]:
    """Put the first of the keys given in force, and publish with it.

    The hashes change in one commit, with the row of ops.key_rotation that says so. If the process dies after it, a
    repeat or the next run publishes and removes the older versions; if it dies before, nothing was changed.

    Args:
        run: A run for the date to be published again; its key is the new one, the one before is among the retired.

    Returns:
        `was`, `now` (fingerprints), `rehashed`, `left_behind`; without the last two where the key was in force already.

    Raises:
        PlatformError: The warehouse's key is not among those given.
        RunDateError: A later date is published.
        LockError: A run holds the warehouse.
    """
    tables, warehouse = run.tables, run.config.warehouse
    with writing(warehouse, finish=run.finish_commit):
        recover(run)
        was = fingerprint_in_force(warehouse)
        told: dict[str, Any] = {"was": was, "now": run.key_fingerprint}
        if was is None:
            return told
        older = {fingerprint(secret): secret for secret in run.retired}
        if was not in older:
            require_keys(warehouse, (run.key, *run.retired))
        elif was != run.key_fingerprint:
            require_keys(warehouse, (older[was], *run.retired, run.key))
            require_not_before(run)
            begin_forgetting(warehouse)
            with run.console.status("hashing anew …"):
                told |= _rehash(run, older[was])
        if published_with(warehouse) != run.key_fingerprint or must_forget(warehouse):
            tables.clear_staging()
            do_stages(run, ["standardise", "resolve", "profile", "publish"])
        end_forgetting(tables)
    return told


def _rehash(run: Run, was: bytes) -> dict[str, int]:
    tables = run.tables
    delivered = normalised(delivered_values(run), namespaces=run.config.namespaces, key=hash_key(was))
    carried = tables.read("silver.identifier").select("namespace", "value")
    values = carried.union(delivered.select("namespace", "value"))
    hashes = tables.staged(new_hashes(values, was=was, now=run.key), "rehashed")
    counts = {"rehashed": hashes.count(), "left_behind": left_behind(tables, hashes)}
    done = rehashed(tables, hashes, now=run.key, fingerprint=run.key_fingerprint)
    last = max((row["rotation_no"] for row in tables.rows(_ROTATIONS.name)), default=0)
    row = {
        "rotation_no": last + 1, "rotated_on": run.on, "was_fingerprint": fingerprint(was),
        "key_fingerprint": run.key_fingerprint, **counts,
    }  # fmt: skip
    rotation = tables.spark.createDataFrame([row], _ROTATIONS.spark_schema)
    done.append(tables.stage(rotation, _ROTATIONS))
    tables.commit_as_one(
        {name: "append" if name == _ROTATIONS.name else "overwrite" for name in by_table(done)}
    )
    return counts

"""Hashes made anew with the key in force, in the tables that no run remakes.

A run remakes silver, gold and most of `id` with the key in force. What is kept from run to run is here: who a device
was, what was decided or asked for, what was refused, and who must not come back. A hash can only be made anew while the
value is known. Where it is not, what must be heard again keeps its hash until the value is delivered again, and what is
only history gets the hash of its hash.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.contracts import contract_of
from identity.rights.persons import DEVICES
from identity.standardise.identifiers import hash_key, keyed_hash, value_hash
from identity.tables import Contracted, Tables, in_parallel

# The hashes of values that must be heard when the value is delivered again, by table.
_HEARD: Final[Mapping[str, str]] = {
    "consent.carried_refusal": "value_hmac",
    "consent.statement": "subject_hmac",
    "consent.suppression": "value_hmac",
}
# Other hashes; the key of a record is one where the record is a device, and no other key looks like it.
_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "consent.carried_refusal": ("source_key",),
    "consent.history": ("contact_point", "winning_subject_hmac"),
    "consent.repermission": ("contact_point",),
    "consent.restriction": ("source_key",),
    "id.blocked_value": ("value_hmac",),
    "id.golden_history": ("source_key",),
    "id.golden_member": ("source_key",),
    "ops.data_use_log": ("contact_point_hmac",),
}


def new_hashes(values: DataFrame, *, was: bytes, now: bytes) -> DataFrame:
    """What each hash of a known value becomes: `was`, `now`, a row a hash.

    Args:
        values: `namespace`, `value`.
        was: The secret before.
        now: The secret in force.
    """
    namespace, value = F.col("namespace"), F.col("value")
    hashes = values.select(
        value_hash(namespace, value, key=hash_key(was)).alias("was"),
        value_hash(namespace, value, key=hash_key(now)).alias("now"),
    )
    return hashes.distinct()  # not values before: an e-mail and the SHA-256 of it have one hash


def rehashed(tables: Tables, hashes: DataFrame, *, now: bytes, fingerprint: str) -> list[Contracted]:
    """Every table that no run remakes, staged with the hashes of the key in force.

    Args:
        tables: The tables.
        hashes: What `new_hashes` returns.
        now: The secret in force.
        fingerprint: Its fingerprint.
    """
    names = [name for name in sorted({*_HEARD, *_OTHERS}) if tables.exists(name)]

    def staged(name: str) -> Contracted:
        frame = tables.read(name)
        if name in _HEARD:
            frame = _heard_anew(frame, name, hashes, fingerprint)
        for column in _OTHERS.get(name, ()):
            frame = _anew(frame, column, hashes, else_=_of_hash(frame, column, now))
        return tables.stage(frame, contract_of(name))

    return in_parallel(partial(staged, name) for name in names)


def left_behind(tables: Tables, hashes: DataFrame) -> int:
    """Rows of what must be heard again whose value is not known, so that they keep their hash."""
    return sum(
        tables.read(name).join(hashes, on=F.col(column) == hashes["was"], how="left_anti").count()
        for name, column in _HEARD.items()
        if tables.exists(name)
    )


def rehash_returned(tables: Tables, known: DataFrame, *, fingerprint: str) -> None:
    """Give what is known by the hash of a retired key the hash of the key in force, now that its value is here.

    Args:
        tables: The tables.
        known: What `under_every_key` returned for what is being delivered.
        fingerprint: Of the key in force.
    """
    names = [name for name in _HEARD if tables.exists(name)]
    older = known.where("value_hmac <> hmac_in_force").select(
        F.col("value_hmac").alias("was"), F.col("hmac_in_force").alias("now")
    )
    kept = [tables.read(name).select(F.col(_HEARD[name]).alias("was")) for name in names]
    found = [older.join(hashes, on="was", how="left_semi").distinct() for hashes in kept]
    rows = {(row["was"], row["now"]) for frame in found for row in frame.collect()}
    if not rows:
        return
    hashes = tables.spark.createDataFrame(sorted(rows), "was string, now string")
    for name in names:
        frame = _heard_anew(tables.read(name), name, hashes, fingerprint)
        tables.stage(frame.dropDuplicates([*contract_of(name).key]), contract_of(name))
    tables.commit_as_one(dict.fromkeys(names, "overwrite"))


def _heard_anew(frame: DataFrame, name: str, hashes: DataFrame, fingerprint: str) -> DataFrame:
    column = _HEARD[name]
    marked = _anew(frame.withColumn("was", F.col(column)), column, hashes)
    is_new = F.col(column) != F.col("was")
    if name == "consent.suppression":
        marked = marked.withColumn(
            "key_fingerprint", F.when(is_new, F.lit(fingerprint)).otherwise(F.col("key_fingerprint"))
        )
    if name == "consent.statement":
        marked = marked.withColumn("event_key", F.when(is_new, event_key()).otherwise(F.col("event_key")))
    return marked.drop("was")


def event_key() -> Column:
    """The key of a statement, as `rights.statements` makes it without Spark."""
    told = F.concat_ws(
        "\x1f",
        "subject_namespace",
        "subject_hmac",
        "purpose",
        "basis",
        F.date_format("asserted_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"),
    )
    return F.substring(F.sha2(told, 256), 1, 32)


def _anew(frame: DataFrame, column: str, hashes: DataFrame, *, else_: Column | None = None) -> DataFrame:
    """A frame with the hashes of a column replaced, and what is not among them as it is or as told."""
    found = hashes.select(F.col("was").alias("_was"), F.col("now").alias("_now"))
    joined = frame.join(found, on=F.col(column) == F.col("_was"), how="left")
    otherwise = F.col(column) if else_ is None else else_
    return joined.withColumn(column, F.coalesce("_now", otherwise)).drop("_was", "_now")


def _of_hash(frame: DataFrame, column: str, now: bytes) -> Column:
    """The hash of a hash, for history that no value will ever be known of again; other keys are as they are."""
    is_hash = F.col(column).rlike("^[0-9a-f]{64}$")
    if "source" in frame.columns:
        is_hash &= F.col("source").isin(*DEVICES)
    return F.when(is_hash, keyed_hash(F.col(column), key=hash_key(now))).otherwise(F.col(column))

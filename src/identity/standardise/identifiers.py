"""Identifiers: normalised by namespace, then keyed hashes, so that equal persons meet and nobody else can."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.config import Namespace
from identity.standardise.contacts import e164, email_hash, email_or_hash, email_text, is_hash, phones

_BLOCK = 64  # bytes, HMAC-SHA256 (RFC 2104)


def hash_key(secret: bytes) -> bytes:
    """Derive the key of identifier hashes; the secret itself never enters a query plan."""
    return hmac.new(secret, b"identity:hashes", hashlib.sha256).digest()


def keyed_hash(message: Column, *, key: bytes) -> Column:
    """HMAC-SHA256 of a text as hex, in Spark's own functions (RFC 2104); null stays null."""
    padded = key.ljust(_BLOCK, b"\0")
    inner = F.concat(F.lit(bytearray(b ^ 0x36 for b in padded)), F.encode(message, "UTF-8"))
    outer = F.concat(F.lit(bytearray(b ^ 0x5C for b in padded)), F.unhex(F.sha2(inner, 256)))
    return F.sha2(outer, 256)


def value_hash(namespace: Column, value: Column, *, key: bytes) -> Column:
    """The keyed hash of an identifier: of namespace and normalised value; an e-mail and its SHA-256 have the same."""
    canonical = F.when(namespace == "email", email_hash(value)).otherwise(value)
    return keyed_hash(F.concat_ws("\x1f", namespace, canonical), key=key)


def normal_form(namespace: str, text: str) -> str | None:
    """One identifier as silver.identifier holds it, without Spark; None where it cannot be read."""
    if namespace == "phone":
        return e164(text)
    if namespace == "email":
        return email_text(text) or (text.strip().lower() if is_hash(text.strip().lower()) else None)
    return text.strip() or None


def hash_of(namespace: str, value: str, *, key: bytes) -> str:
    """`value_hash` of one normalised value, without Spark."""
    if namespace == "email" and not is_hash(value):
        value = hashlib.sha256(value.encode()).hexdigest()
    return hmac.new(key, f"{namespace}\x1f{value}".encode(), hashlib.sha256).hexdigest()


def normalised(raw: DataFrame, *, namespaces: Mapping[str, Namespace], key: bytes) -> DataFrame:
    """Normalise and hash identifiers.

    Args:
        raw: Columns `namespace`, `raw` and any others.
        namespaces: The identifier hierarchy, or the part of it that is asked for; others are left out.
        key: Key of the hashes.

    Returns:
        The other columns and `namespace`, `value`, `value_hmac`; values that cannot be normalised are left out.
    """
    others, namespace = [name for name in raw.columns if name != "raw"], F.col("namespace")
    value = F.when(namespace == "email", email_or_hash(F.col("raw"))).otherwise(F.trim("raw"))
    if "phone" in namespaces:  # a second pass over `raw`, for the one kind that Spark cannot read itself
        read = phones(raw.where("namespace = 'phone'").select("raw").distinct())
        raw = raw.join(
            read, on=(raw["namespace"] == "phone") & (raw["raw"] == read["raw"]), how="left"
        ).select(*(raw[name] for name in raw.columns), read["phone"])
        value = F.when(namespace == "phone", F.col("phone")).otherwise(value)
    known = raw.withColumn("value", F.when(value != "", value)).where(F.col("value").isNotNull())
    return known.where(namespace.isin(*namespaces)).select(
        *others, "value", value_hash(namespace, F.col("value"), key=key).alias("value_hmac")
    )


def under_every_key(known: DataFrame, retired: Sequence[bytes]) -> DataFrame:
    """The same values under retired keys too: what `normalised` returned, a row a value and key.

    Args:
        known: Columns `namespace`, `value`, `value_hmac` and any others.
        retired: Secrets, as `hash_key` takes them.

    Returns:
        The same columns, `value_hmac` under one key each, and `hmac_in_force`: what the value's hash now is.
    """
    namespace, value = F.col("namespace"), F.col("value")
    older = [value_hash(namespace, value, key=hash_key(secret)) for secret in retired]
    return known.withColumnRenamed("value_hmac", "hmac_in_force").select(
        *(name for name in known.columns if name != "value_hmac"),
        "hmac_in_force",
        F.explode(F.array(F.col("hmac_in_force"), *older)).alias("value_hmac"),
    )

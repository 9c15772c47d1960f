"""Which secret key a warehouse is hashed with, so that no command works on it with another.

Hashes that two keys made never meet: with a foreign key the suppression list would recognise nobody.
"""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from identity.config import Config
from identity.errors import PlatformError
from identity.tables import columns_at


def fingerprint(secret: bytes) -> str:
    """Tells keys apart and gives none away."""
    return hmac.new(secret, b"identity:fingerprint", hashlib.sha256).hexdigest()[:8]


def fingerprint_in_force(warehouse: Path) -> str | None:
    """Of the key that the warehouse is hashed with: the last one rotated to, or the first run's; None before it."""
    rotated = columns_at(warehouse, "ops.key_rotation", ["rotation_no", "key_fingerprint"]).to_pylist()
    if rotated:
        return str(max(rotated, key=lambda row: row["rotation_no"])["key_fingerprint"])
    return published_with(warehouse)


def published_with(warehouse: Path) -> str | None:
    """Fingerprint of the key that what is published was made with; None when nothing is."""
    runs = columns_at(warehouse, "ops.run", ["started_at", "outcome", "key_fingerprint"]).to_pylist()
    done = [row for row in runs if row["outcome"] == "published"]
    return str(max(done, key=lambda row: row["started_at"])["key_fingerprint"]) if done else None


def key_in_force(config: Config) -> bytes:
    """The key to work on the warehouse with: the first of those given.

    Raises:
        PlatformError: None is given; the warehouse is hashed with another; one that it still needs is not given; or a
            rotation is not finished.
    """
    secrets = config.secrets()
    require_keys(config.warehouse, secrets)
    published = published_with(config.warehouse)
    if published is not None and published != fingerprint(secrets[0]):
        raise PlatformError(
            f"{config.warehouse} is half way to another key; finish it with `identity rotate-key`, or with the next run"
        )
    return secrets[0]


def require_keys(warehouse: Path, secrets: Sequence[bytes]) -> None:
    """See that the first of the keys given is the warehouse's, and that none is missing which it still needs.

    Raises:
        PlatformError: It is not, or one is; keys are told by their fingerprints.
    """
    given = [fingerprint(secret) for secret in secrets]
    needed = fingerprint_in_force(warehouse)
    if needed is not None and needed != given[0]:
        way = (
            "give that key first, or change keys with `identity rotate-key`"
            if needed in given
            else "give that key; to change keys, give the new one first and the old one after it, and run "
            "`identity rotate-key`"
        )
        raise PlatformError(
            f"the secret key in force ({given[0]}) is not the one {warehouse} is hashed with ({needed}): {way}"
        )
    suppressed = columns_at(warehouse, "consent.suppression", ["key_fingerprint"])["key_fingerprint"]
    missing = sorted(set(suppressed.to_pylist()) - set(given))
    if missing:
        raise PlatformError(
            f"identifiers on the suppression list are known by a retired key ({', '.join(missing)}) that is not "
            "given; without it, who was erased would come back. Give it after the key in force"
        )

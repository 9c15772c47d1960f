"""The certificate of an erasure: counts alone, signed with the secret key so that nobody else can write one."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from identity.erasure.plan import Plan
from identity.erasure.scan import Residue
from identity.pages.certificate import certificate_page
from identity.tables import rows_at

ANSWER: Final = "erased, certificate "
"""How a request says which certificate answered it."""


def answered_by(warehouse: Path, requests: Collection[str], asked: Collection[str]) -> dict[str, Any] | None:
    """The certificate that answered all of some requests, or without any the same question; None where there is none.

    Args:
        warehouse: The warehouse.
        requests: Names of requests.
        asked: Keyed hashes of the identifiers asked for, by the key in force and retired ones.
    """
    if not requests:
        certificates = map(_read, sorted(_path(warehouse, "*").parent.glob("*.json")))
        same = [told for told in certificates if told.get("asked") in asked]
        return max(same, key=lambda told: (told["run_date"], told["erasure"]), default=None)
    registered = {row["request_id"]: row for row in rows_at(warehouse, "ops.subject_request")}
    outcomes = {str(registered.get(name, {}).get("outcome") or "") for name in requests}
    outcome = outcomes.pop() if len(outcomes) == 1 else ""
    path = _path(warehouse, outcome.removeprefix(ANSWER))
    if not outcome.startswith(ANSWER) or not path.is_file():
        return None
    return _read(path)


def write_certificate(warehouse: Path, plan: Plan, residue: Residue, key: bytes) -> dict[str, Any]:
    """Write `rights/certificates/<id>.json` and `.html`; returns what they tell.

    Args:
        warehouse: The warehouse.
        plan: What was erased.
        residue: What the scan found.
        key: The secret key.
    """
    told: dict[str, Any] = {
        "erasure": plan.id,
        "run_date": plan.run_date,
        "asked": plan.asked,
        "requests": plan.requests,
        "persons": plan.persons,
        "records": dict(sorted(Counter(source for source, _ in plan.records).items())),
        "golden_ids_retired": len(plan.retired),
        "counts": dict(sorted(plan.counts.items())),
        "landing_files": sorted(plan.files),
        "values_looked_for": len(plan.needles),
        "values_others_share_or_too_short": plan.unsearchable,
        "files_scanned": residue.files,
        "bytes_scanned": residue.bytes,
        "residue": sum(residue.hits.values()),
        "residue_in": residue.hits,
        "recipients_to_tell": plan.recipients,
    }
    text = json.dumps(told, sort_keys=True)
    told["signature"] = hmac.new(key, b"identity:certificate\x1f" + text.encode(), hashlib.sha256).hexdigest()
    path = _path(warehouse, plan.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    path.with_suffix(".html").write_text(certificate_page(told), encoding="utf-8")
    return told


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _path(warehouse: Path, erasure: str) -> Path:
    return warehouse / "rights" / "certificates" / f"{erasure}.json"

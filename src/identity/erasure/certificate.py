"""The certificate of an erasure: counts alone, signed with the secret key so that nobody else can write one."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from identity.erasure.plan import Plan
from identity.erasure.scan import Residue
from identity.pages.certificate import certificate_page


def write_certificate(
    warehouse: Path, plan: Plan, residue: Residue, recipients: Sequence[str], key: bytes
) -> dict[str, Any]:
    """Write `rights/certificates/<id>.json` and `.html`; returns what they tell.

    Args:
        warehouse: The warehouse.
        plan: What was erased.
        residue: What the scan found.
        recipients: Who is to be told.
        key: The secret key.
    """
    told: dict[str, Any] = {
        "erasure": plan.id,
        "run_date": plan.run_date,
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
        "recipients_to_tell": list(recipients),
    }
    text = json.dumps(told, sort_keys=True)
    told["signature"] = hmac.new(key, b"identity:certificate\x1f" + text.encode(), hashlib.sha256).hexdigest()
    path = warehouse / "rights" / "certificates" / f"{plan.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    path.with_suffix(".html").write_text(certificate_page(told), encoding="utf-8")
    return told

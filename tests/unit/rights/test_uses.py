"""Which uses of contact points are a person's, on tables written by hand."""

import datetime as dt
from pathlib import Path

import pytest

from identity.contracts import contract_of
from identity.rights.uses import uses_of
from tests.unit.by_hand import write

DAY = dt.date(2026, 2, 1)
# Her record was in `old` until it was joined into `now`; a stranger was in `old` too, and one is in doubt in `now`.
MEMBERS = [
    ("old", "her", DAY), ("now", "her", None), ("old", "stranger", DAY), ("else", "stranger", None), ("now", "doubt", None),
]  # fmt: skip
CARRIED = [("h1", "her"), ("both", "her"), ("both", "stranger"), ("h2", "stranger"), ("h3", "doubt")]


@pytest.mark.parametrize(
    ("golden_id", "contact_point", "is_hers"),
    [
        ("now", "h1", True),
        ("old", "h1", True),
        ("now", "both", True),
        ("now", "h3", False),  # of the record that may be another's
        ("old", "h2", False),
        ("now", "put right since", True),
        ("old", "put right since", False),  # perhaps the stranger's
        ("now", None, True),
        ("old", None, False),
        ("else", "h2", False),
        ("else", "both", False),
    ],
)
def test_a_use_is_hers(warehouse: Path, golden_id: str, contact_point: str | None, is_hers: bool) -> None:
    write(
        warehouse,
        contract_of("id.golden_member"),
        *({"golden_id": g, "source": "crm", "source_key": k, "valid_to_on": to} for g, k, to in MEMBERS),
    )
    write(
        warehouse,
        contract_of("silver.identifier"),
        *({"namespace": "email", "value_hmac": h, "source": "crm", "source_key": k} for h, k in CARRIED),
    )
    use = {"use_id": "1", "golden_id": golden_id, "contact_point_hmac": contact_point, "recipient": "post"}
    write(warehouse, contract_of("ops.data_use_log"), use)
    assert [row["recipient"] for row in uses_of(warehouse, [("crm", "her")])] == ["post"] * is_hers
    # What is known for hers alone is hers, in any golden id that ever held a record of hers.
    told = uses_of(warehouse, [("crm", "her")], points=["put right since"])
    assert bool(told) == (is_hers or (golden_id, contact_point) == ("old", "put right since"))

"""A run that fails leaves gold as it was, says so in ops.run, and can be mended."""

import pytest

from identity.errors import ConsentError, QualityGateError, RunDateError
from tests.golden.conftest import FIRST, SECOND, World


def versions(world: World) -> dict[str, int]:
    return {name: world.tables.version(name) for name in world.names() if name.startswith("gold.")}


def test_a_delivery_with_too_many_bad_rows_stops_before_gold(copied: World) -> None:
    before = versions(copied)
    path = copied.landing / "2026-02-01" / "tills" / "stores_bad.csv"
    path.write_text(
        "store_id,name,city,postal_code,store_kind,valid_from\nS01,,,,store,2020-01-01\n", encoding="utf-8"
    )
    with pytest.raises(QualityGateError, match="quarantine_share"):
        copied.run(SECOND)
    assert versions(copied) == before
    rows = copied.frame("ops.run")
    assert rows.sort_values("started_at").iloc[-1][["outcome", "exit_code"]].tolist() == ["failed", 7]
    assert copied.tables.read("bronze.tills").where("file like '%stores_bad%'").count() == 0


def test_an_answer_nobody_mapped_stops_before_gold(copied: World) -> None:
    before = versions(copied)
    path = copied.landing / "2026-02-01" / "loyalty" / "consents_late.csv"
    header = "member_no,permission,answer,asked_in,asserted_at,notice_version,benefit_shown,benefit_type"
    path.write_text(f"{header}\nM00000001,EM,Z,web,2026-02-01T08:00:00Z,2025-2,true,none\n", encoding="utf-8")
    with pytest.raises(ConsentError, match="loyalty: answer Z"):
        copied.run(SECOND)
    assert versions(copied) == before


def test_an_earlier_date_is_refused_once_a_later_one_is_published(copied: World) -> None:
    assert copied.run(FIRST)["is_repeat"]
    with pytest.raises(RunDateError):
        copied.run(FIRST, again=True)

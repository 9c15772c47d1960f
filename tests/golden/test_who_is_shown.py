"""Who stands in profiles and in numbers of the committed world: told by the delivered files, counted in plain Python."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from identity.config_reading import load_config
from identity.contracts import all_contracts, purpose_table
from tests.golden.conftest import FIRST, ROOT, SECOND, WORLD, Published

CONFIG = load_config(ROOT / "conf" / "local.yaml")
PAUSED = [name for name, purpose in CONFIG.profile_purposes.items() if purpose.paused_by_complaint]
ON_CONSENT = [name for name, purpose in CONFIG.profile_purposes.items() if purpose.basis == "consent"]
DEVICES = ("cookie", "mobile_id")


def delivered(name: str) -> Iterator[dict[str, Any]]:
    """Records of a feed, those of the second day after those of the first."""
    for path in sorted((WORLD / "landing").glob(f"*/{name}")):
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file) if path.suffix == ".jsonl" else csv.DictReader(file)


def kinds_told() -> dict[tuple[str, str], str]:
    """What the sources that tell say a record is of, by source and key."""
    loyalty = {
        ("loyalty", row["member_no"]): row["member_kind"]
        for row in delivered("loyalty/members.csv")
        if row["member_kind"]
    }
    crm = {
        ("crm", row["contact_id"]): "b2b_contact" if row["contact_kind"] == "company" else row["subject_kind"]
        for row in delivered("crm/contacts.jsonl")
        if row["subject_kind"]
    }
    return loyalty | crm


def standing(published: Published) -> pd.DataFrame:
    """Open memberships, by source and key."""
    members = published.frame("id.golden_member")
    return members[members["valid_to_on"].isna()].set_index(["source", "source_key"])


def ids_of(published: Published, *kinds: str) -> set[str]:
    """Golden ids with a record of one of these kinds."""
    found = {key for key, kind in kinds_told().items() if kind in kinds}
    members = standing(published)
    return set(members[members.index.isin(found)]["golden_id"])


def others(published: Published) -> set[str]:
    """Golden ids that are no customer's."""
    return ids_of(published, "staff", "test", "mystery_shopper", "b2b_contact")


def customers(published: Published) -> set[str]:
    members = standing(published)
    persons = set(members[~members.index.isin(DEVICES, level="source")]["golden_id"])
    return persons - others(published)


def permits(published: Published, purpose: str) -> pd.DataFrame:
    decided = published.frame("consent.effective")
    return decided[(decided["purpose"] == purpose) & (decided["decision"] == "permit")]


def shown(published: Published, purpose: str) -> set[str]:
    return set(published.frame(purpose_table(purpose))["golden_id"])


def test_nobody_but_customers_is_measured(published: Published) -> None:
    measured = set(published.frame("gold.customer_metrics")["golden_id"])
    for kind in ("staff", "test", "mystery_shopper", "b2b_contact"):
        assert ids_of(published, kind), kind
        assert not ids_of(published, kind) & measured, kind
    # Some of them permit it and others buy, or nothing would keep them out.
    assert others(published) & set(permits(published, "analytics")["golden_id"])
    bought = {row["member_no"] for row in buyers()}
    assert any(
        source == "loyalty" and key in bought for (source, key), k in kinds_told().items() if k != "customer"
    )


def test_customers_who_bought_with_their_card_and_permit_it_are_measured(published: Published) -> None:
    measured = set(published.frame("gold.customer_metrics")["golden_id"])
    permitted = permits(published, "analytics").set_index("golden_id")["permitted_parts"].map(list).to_dict()
    members = standing(published)
    # Of who may not be joined, no receipt is known by the card.
    joined = members[members["link_permission"] == "permitted"]
    expected = set()
    for row in buyers():
        key = ("loyalty", row["member_no"])
        if key in joined.index and joined.loc[key, "part"] in permitted.get(joined.loc[key, "golden_id"], []):
            expected.add(joined.loc[key, "golden_id"])
    expected -= others(published)
    assert len(expected) > 100
    assert expected <= measured <= customers(published) & set(permitted)


def buyers() -> Iterator[dict[str, Any]]:
    """Lines delivered of products that are not sensitive, with the member whose card was shown."""
    holders = {row["card_no"]: row["member_no"] for row in delivered("loyalty/cards.csv")}
    plain = {row["product_id"] for row in delivered("tills/products.csv") if row["sensitive"] == "false"}
    for row in delivered("tills/receipt_lines*.csv"):
        holder = holders.get((row["loyalty_card_no"] or "").upper())
        if holder and row["product_id"] in plain:
            yield row | {"member_no": holder}


def test_tests_and_shoppers_are_in_no_profile_and_staff_in_none_on_consent(published: Published) -> None:
    nobody, staff = ids_of(published, "test", "mystery_shopper"), ids_of(published, "staff")
    for purpose in CONFIG.profile_purposes:
        assert not nobody & shown(published, purpose), purpose
    for purpose in ON_CONSENT:
        assert not staff & shown(published, purpose), purpose
    assert staff & shown(published, "service")
    assert nobody & set(permits(published, "service")["golden_id"])


def complaints(published: Published, status: str, *, on: str) -> Counter[str]:
    """Golden ids by how many complaints they have that stand so on a day."""
    newest = {
        row["interaction_id"]: row
        for row in delivered("crm/interactions.jsonl")
        if row["type"] == "complaint" and row["updated_at"][:10] <= on
    }
    golden = standing(published)["golden_id"]
    keys = [("crm", row["contact_id"]) for row in newest.values() if row["status"] == status]
    return Counter(golden[key] for key in keys if key in golden.index)


def test_an_open_complaint_pauses_and_a_closed_one_does_not(published: Published) -> None:
    is_open = complaints(published, "open", on=SECOND.isoformat())
    closed = set(complaints(published, "closed", on=SECOND.isoformat())) - set(is_open)
    # The second delivery closes some that were open.
    assert closed & set(complaints(published, "open", on=FIRST.isoformat()))
    assert "marketing.email" in PAUSED
    for purpose in PAUSED:
        permitted = set(permits(published, purpose)["golden_id"])
        assert permitted & set(is_open), purpose
        assert not shown(published, purpose) & set(is_open), purpose
        assert permitted & closed, purpose
        assert permitted & closed <= shown(published, purpose), purpose
    analysed = published.frame("gold.profile_analytics").set_index("golden_id")["open_complaints"]
    counted = {who: n for who, n in analysed.items() if n}
    assert counted
    # Of a part that does not permit analytics no complaint is counted.
    assert counted.items() <= is_open.items()


def test_no_number_of_few_is_told(published: Published) -> None:
    """Counted anew from the decisions: every number told is right, and every small one is hidden."""
    least = CONFIG.publication.min_cell
    effective, every = published.frame("consent.effective"), customers(published)
    cells: Counter[tuple[str, str, int]] = Counter()
    for purpose in CONFIG.purposes:
        asked = effective[effective["purpose"] == purpose]
        best = dict.fromkeys(every, ("deny", 0))
        # Worst first, so that the best stays: a permission, by the first rule that gives one.
        ordered = asked.sort_values(["decision", "rule_no"], ascending=[True, False])
        for row in ordered.itertuples():
            if row.golden_id in every:
                best[row.golden_id] = (row.decision, row.rule_no)
        cells.update((purpose, decision, int(rule)) for decision, rule in best.values())
    told = published.frame("gold.consent_kpi")
    told = told[told["as_of_on"] == SECOND].set_index(["purpose", "decision", "rule_no"])
    assert set(told.index) == set(cells)
    small = {cell for cell, count in cells.items() if count < least}
    assert small
    assert told["is_hidden"][list(small)].all()
    numbers = told["customers"].dropna().to_dict()
    assert numbers == {cell: count for cell, count in cells.items() if not told["is_hidden"][cell]}
    covered = published.frame("gold.coverage")
    covered = covered[covered["as_of_on"] == SECOND].set_index("purpose")
    assert not covered["is_hidden"].any()
    for purpose, count in covered["customers"].items():
        assert count == sum(
            n for (name, decision, _), n in cells.items() if (name, decision) == (purpose, "permit")
        )


def test_every_table_of_numbers_hides_the_small_ones(published: Published) -> None:
    numbers = [c for c in all_contracts() if c.layer == "gold" and "golden_id" not in c.columns]
    assert len(numbers) >= 2
    for contract in numbers:
        rows = published.frame(contract.name)
        values = [name for name in contract.columns if name not in {*contract.key, "is_hidden"}]
        assert rows[rows["is_hidden"]][values].isna().all(axis=None), contract.name
        assert (rows[~rows["is_hidden"]]["customers"] >= CONFIG.publication.min_cell).all(), contract.name


def test_rows_told_are_those_of_the_tables_and_none_is_small(published: Published) -> None:
    for name, told in published.second["gold"].items():
        assert told == len(published.frame(name)) >= CONFIG.publication.min_cell, name

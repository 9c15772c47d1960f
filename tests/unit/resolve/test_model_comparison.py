"""Two clusterings side by side, by hand."""

from typing import Any

import pandas as pd

from identity.resolve.model_comparison import (
    ONE_ONLY,
    SAME_BITS,
    THROUGH_OTHERS,
    differing,
    of_clusters,
    of_ids,
    reasons_of,
    strongest,
    weights_of,
)


def steps(**bits: float) -> list[dict[str, Any]]:
    return [{"comparison": name, "level": 0, "label": "", "bits": value} for name, value in bits.items()]


def pair(number: int, old: Any, new: Any, *, joined_by: str) -> dict[str, Any]:
    """A pair of a1 and b1, or of a2 and b2, …, each side a weight and its steps, or None."""
    together = {"old": joined_by in ("old", "both"), "new": joined_by in ("new", "both")}
    row: dict[str, Any] = {
        "source_l": "crm",
        "source_key_l": f"a{number}",
        "source_r": "loyalty",
        "source_key_r": f"b{number}",
    }
    for name, told in (("old", old), ("new", new)):
        row |= {f"{name}_weight": told and told[0], f"{name}_steps": told and told[1]}
        row |= {
            f"{name}_cluster_l": f"a{number}",
            f"{name}_cluster_r": f"{'a' if together[name] else 'b'}{number}",
        }
    return row  # fmt: skip


# Priors are what the steps do not explain: -2 everywhere but in the fifth, where the new one is -8.
PAIRS = pd.DataFrame(
    [
        pair(1, (1.0, steps(given=3.0)), (7.0, steps(given=9.0)), joined_by="new"),
        pair(2, (2.0, steps(given=3.0, email=1.0)), (9.0, steps(given=4.0, email=7.0)), joined_by="new"),
        pair(3, (8.0, steps(given=10.0)), None, joined_by="old"),
        pair(4, (5.0, steps(given=7.0)), (5.0, steps(given=7.0)), joined_by="old"),
        pair(5, (6.0, steps(given=8.0)), (0.0, steps(given=8.0)), joined_by="old"),
        pair(6, (20.0, steps(given=22.0)), (21.0, steps(given=23.0)), joined_by="both"),
        pair(7, (1.5, steps(given=3.5)), (8.0, steps(given=3.0, phone=7.0)), joined_by="new"),
        pair(8, (2.0, steps(given=4.0)), (10.0, steps(given=12.0)), joined_by="new"),
    ]
)


def test_ids_are_kept_merged_or_split_and_nothing_else():
    # x stays whole; y goes into x; z loses a record to a new id; w loses one and ends; one record had no id.
    before = pd.Series(["x", "x", "y", "z", "z", "z", "w", "w", None])
    after = pd.Series(["x", "x", "x", "z", "z", "n1", "z", "n2", "n3"])
    assert of_ids(before, after) == {
        "before": 4, "kept": 1, "merged": 2, "split": 1, "minted": 3,
        "records": 8, "records_that_keep": 4, "share_that_keeps": 0.5,
    }  # fmt: skip


def test_nothing_changes_where_clusters_are_the_same():
    ids = pd.Series(["x", "x", "y"])
    found = of_ids(ids, ids)
    assert (found["kept"], found["merged"], found["split"], found["share_that_keeps"]) == (2, 0, 0, 1.0)


def test_without_an_id_today_all_are_minted():
    found = of_ids(pd.Series([None, None]), pd.Series(["n", "m"]))
    assert (found["before"], found["minted"], found["records"], found["share_that_keeps"]) == (0, 2, 0, 1.0)


def test_pairs_of_both_and_of_one_only():
    # old: abc, de; new: ab, cde. Both: ab, de. Old only: ac, bc. New only: cd, ce.
    old, new = pd.Series(list("aaadd")), pd.Series(list("aaccc"))
    assert of_clusters(old, new) == {
        "persons": {"old": 2, "new": 2},
        "pairs": {"both": 2, "old_only": 2, "new_only": 2},
    }


def test_what_differs_most_is_told_of_every_pair_that_one_model_joins():
    found = differing(PAIRS)
    told = {row["source_key_l"]: (row["joined_by"], row["reason"]) for row in found.to_dict("records")}
    assert told == {
        "a1": ("new", "given"), "a2": ("new", "email"), "a3": ("old", ONE_ONLY), "a4": ("old", SAME_BITS),
        "a5": ("old", "prior"), "a7": ("new", "phone"), "a8": ("new", "given"),
    }  # fmt: skip


def test_reasons_add_up_to_all_pairs_of_one_model_only():
    rows = reasons_of(differing(PAIRS), {"old": 5, "new": 4})
    assert sum(row["pairs"] for row in rows if row["joined_by"] == "old") == 5
    assert sum(row["pairs"] for row in rows if row["joined_by"] == "new") == 4
    by = {(row["joined_by"], row["differs_most_in"]): (row["pairs"], row["bits"]) for row in rows}
    assert by == {
        ("new", "given"): (2, 7.0), ("new", "email"): (1, 6.0), ("new", "phone"): (1, 7.0),
        ("old", "prior"): (1, -6.0), ("old", ONE_ONLY): (1, None), ("old", SAME_BITS): (1, 0.0),
        ("old", THROUGH_OTHERS): (2, None),
    }  # fmt: skip


def test_the_strongest_disagreements_come_first_and_a_pair_of_groups_comes_once():
    twin = PAIRS.iloc[[0]].assign(source_key_l="a0")  # of the groups of a1 and b1
    rows = strongest(differing(pd.concat([PAIRS, twin], ignore_index=True)), floor=-10.0)
    # Not kept by the new model: it weighs -10 there at most, so they are at least 18 apart.
    assert [row["left"] for row in rows] == [f"crm:a{n}" for n in (3, 8, 2, 7, 0, 5, 4)]
    assert rows[0] == {
        "left": "crm:a3", "right": "loyalty:b3", "joined_by": "old", "old_weight": 8.0, "new_weight": None,
        "differs_most_in": ONE_ONLY, "bits": None,
    }  # fmt: skip


def test_no_more_than_ten_disagreements_are_shown():
    old = (1.0, steps(given=3.0))
    rows = [pair(n, old, (7.0 + n, steps(given=9.0)), joined_by="new") for n in range(12)]
    many = pd.DataFrame(rows)
    assert [row["left"] for row in strongest(differing(many), floor=-10.0)] == [
        f"crm:a{n}" for n in range(11, 1, -1)
    ]


def test_no_difference_is_an_empty_list():
    same = differing(PAIRS.iloc[[5]])
    assert (strongest(same, floor=-10.0), reasons_of(same, {"old": 0, "new": 0})) == ([], [])


def test_weights_are_counted_where_both_weighed():
    assert weights_of(PAIRS) == [
        {"old_bits": 0, "new_bits": 4, "pairs": 1},
        {"old_bits": 0, "new_bits": 8, "pairs": 3},
        {"old_bits": 4, "new_bits": 0, "pairs": 1},
        {"old_bits": 4, "new_bits": 4, "pairs": 1},
        {"old_bits": 20, "new_bits": 20, "pairs": 1},
    ]

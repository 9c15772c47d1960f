"""Scores against brute force over all pairs, and against an example worked by hand."""

import random
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from identity.errors import SourceError
from identity.evaluation import b_cubed, by_source_pair, evaluate, pairwise, read_truth

Scores = dict[str, float]


def labelled(persons: list[str], clusters: list[str], sources: list[str] | None = None) -> pd.DataFrame:
    """A record a place: whose it is, and the cluster it was put in."""
    return pd.DataFrame({"source": sources or ["s"] * len(persons), "person_id": persons, "found": clusters})


def scores(together: float, predicted: float, true: float) -> Scores:
    precision = together / predicted if predicted else 1.0
    recall = together / true if true else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def brute_pairwise(records: pd.DataFrame, sources: set[str] | None = None) -> Scores:
    rows = list(records.itertuples(index=False))
    pairs = [(a, b) for a, b in combinations(rows, 2) if sources is None or {a.source, b.source} == sources]
    true = [a.person_id == b.person_id for a, b in pairs]
    found = [a.found == b.found for a, b in pairs]
    return scores(sum(t and f for t, f in zip(true, found, strict=True)), sum(found), sum(true))


def brute_b_cubed(records: pd.DataFrame) -> Scores:
    rows = list(records.itertuples(index=False))
    precision, recall = [], []
    for one in rows:
        cluster = [other for other in rows if other.found == one.found]
        person = [other for other in rows if other.person_id == one.person_id]
        both = sum(other.person_id == one.person_id for other in cluster)
        precision.append(both / len(cluster))
        recall.append(both / len(person))
    p, r = sum(precision) / len(rows), sum(recall) / len(rows)
    return {"precision": p, "recall": r, "f1": 2 * p * r / (p + r)}


def close(expected: Scores) -> object:
    return pytest.approx(expected, abs=5.1e-5)  # scores are rounded to four digits


@pytest.mark.parametrize("seed", range(25))
def test_random_labels_score_as_brute_force_says(seed: int):
    chance = random.Random(seed)
    count = chance.randint(1, 40)
    persons = [f"p{chance.randint(1, max(1, count // 2))}" for _ in range(count)]
    # Some labellings near the truth, some far from it.
    clusters = [p if chance.random() < 0.7 else f"x{chance.randint(1, 5)}" for p in persons]
    records = labelled(persons, clusters, [chance.choice(["crm", "loyalty", "web"]) for _ in persons])
    assert pairwise(records, "found") == close(brute_pairwise(records))
    assert b_cubed(records, "found") == close(brute_b_cubed(records))
    of_pairs = by_source_pair(records, "found")
    known = sorted(set(records["source"]))
    assert set(of_pairs) == {f"{a}-{b}" for a in known for b in known if a <= b}
    for name, found in of_pairs.items():
        assert found == close(brute_pairwise(records, set(name.split("-"))))


# Bagga and Baldwin's second kind of error: persons a (5), b (2), c (5); c was put together with b.
BAGGA = labelled(list("aaaaabbccccc"), list("1111122") + list("22222"))


def test_an_example_worked_by_hand():
    # Pairs: 10 + 1 + 10 true; 10 + 21 found; 10 + 1 + 10 of both.
    assert pairwise(BAGGA, "found") == {
        "precision": round(21 / 31, 4),
        "recall": 1.0,
        "f1": round(42 / 52, 4),
    }
    # Records: a's are 5/5 right; b's 2/7; c's 5/7. (5 · 1 + 2 · 2/7 + 5 · 5/7) / 12
    precision = (5 + 4 / 7 + 25 / 7) / 12
    assert b_cubed(BAGGA, "found") == {
        "precision": round(precision, 4), "recall": 1.0, "f1": round(2 * precision / (precision + 1), 4),
    }  # fmt: skip


def test_the_ends_of_the_scale():
    perfect = labelled(list("aab"), list("112"))
    alone = labelled(list("aab"), list("123"))
    strangers = labelled(list("abc"), list("123"))
    ones = {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert pairwise(perfect, "found") == b_cubed(perfect, "found") == ones
    assert pairwise(alone, "found") == {
        "precision": 1.0,
        "recall": 0.0,
        "f1": 0.0,
    }  # nothing claimed, nothing wrong
    assert pairwise(strangers, "found") == ones  # there was nothing to find


# A whole evaluation: 1 and 2 are Aino, 3 and 4 Eero; 5 is not in the tables.
TRUTH = pd.DataFrame(
    [("crm", "1", "A"), ("loyalty", "2", "A"), ("crm", "3", "E"), ("tills", "4", "E"), ("tills", "5", "E")],
    columns=["source", "source_key", "person_id"],
)
MEMBERS = pd.DataFrame(
    [
        ("crm", "1", "G1", "permitted"),
        ("loyalty", "2", "G1", "permitted"),
        ("crm", "3", "G2", "permitted"),
        ("tills", "4", "G3", "barred"),  # Eero's card may not be joined
        ("cookie", "9", "G2", "permitted"),  # the truth knows nothing of it
    ],
    columns=["source", "source_key", "golden_id", "link_permission"],
)
EDGES = pd.DataFrame(
    [
        # 1 and 3 share a record without truth between them: wrong, but so say the identifiers
        ("crm", "1", "web_events", "7", "deterministic", "used"),
        ("crm", "3", "web_events", "7", "deterministic", "used"),
        ("crm", "1", "loyalty", "2", "deterministic", "rejected"),
        ("crm", "1", "loyalty", "2", "probabilistic", "used"),
    ],
    columns=["source_l", "source_key_l", "source_r", "source_key_r", "kind", "fate"],
)


def test_a_whole_evaluation():
    result = evaluate(MEMBERS, EDGES, TRUTH)
    assert {key: result[key] for key in ("records", "without_golden_id", "true_pairs")} == {
        "records": 4, "without_golden_id": 1, "true_pairs": 2,
    }  # fmt: skip
    # Golden ids: one true pair found of two, no wrong one; among permitted records one of one.
    assert result["whole"]["pairwise"] == {"precision": 1.0, "recall": 0.5, "f1": round(2 / 3, 4)}
    assert result["whole"]["permitted"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    # Identifiers alone: one pair, and that is wrong.
    assert result["deterministic"]["pairwise"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert result["whole"]["by_source_pair"]["crm-tills"] == {"precision": 1.0, "recall": 0.0, "f1": 0.0}
    assert result["whole"]["by_source_pair"]["crm-loyalty"]["f1"] == 1.0


def test_the_order_of_rows_does_not_matter():
    expected = evaluate(MEMBERS, EDGES, TRUTH)
    for seed in range(3):
        shuffled = (df.sample(frac=1, random_state=seed) for df in (MEMBERS, EDGES, TRUTH))
        assert evaluate(*shuffled) == expected


def test_without_edges_every_record_stands_alone():
    result = evaluate(MEMBERS, EDGES.head(0), TRUTH)
    assert result["deterministic"]["pairwise"] == {"precision": 1.0, "recall": 0.0, "f1": 0.0}


# Truth


def test_truth_is_read_by_its_columns(tmp_path: Path):
    TRUTH.assign(more=1).to_parquet(tmp_path / "person_of_record.parquet")
    pd.testing.assert_frame_equal(read_truth(tmp_path), TRUTH)


def test_no_truth_or_another_shape_is_told(tmp_path: Path):
    with pytest.raises(SourceError, match="no truth can be read there"):
        read_truth(tmp_path)
    path = tmp_path / "person_of_record.parquet"
    TRUTH.drop(columns="person_id").to_parquet(path)
    with pytest.raises(SourceError, match="expected the columns source, source_key, person_id"):
        read_truth(tmp_path)
    path.write_bytes(b"not Parquet")
    with pytest.raises(SourceError, match="no truth can be read there"):
        read_truth(tmp_path)

"""The health of golden ids, every figure worked by hand on a world of a few records."""

import datetime as dt
import io
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from identity.churn import churn, day_to_compare
from identity.cli.evaluate import show_health
from identity.errors import ConfigError
from identity.evaluate import health_of, scores
from identity.health import Facts, health, over_limits, records_per_id, several_values, weakest_links
from identity.health_warnings import warnings
from identity.pages.health import health_page

D1, D2, D3 = dt.date(2026, 1, 31), dt.date(2026, 2, 1), dt.date(2026, 2, 2)
KEY = ["source", "source_key"]


def ids(**records: str) -> pd.DataFrame:
    """Golden ids by name, each with its records as letters of one source."""
    rows = [(golden_id, "crm", key) for golden_id, keys in records.items() for key in keys]
    return pd.DataFrame(rows, columns=["golden_id", *KEY]).sort_values(KEY, ignore_index=True)


def edges(*rows: tuple[str, float | None]) -> pd.DataFrame:
    """Used edges by two letters and bits; None is an identifier."""
    columns = ["source_l", "source_key_l", "source_r", "source_key_r", "kind", "rule", "match_weight"]
    told = [
        ("crm", pair[0], "crm", pair[1], *(("deterministic", "email") if bits is None else ("probabilistic", "m")), bits)
        for pair, bits in rows
    ]  # fmt: skip
    return pd.DataFrame(told, columns=columns).astype({"match_weight": float})


# How tight


def tightness(members: pd.DataFrame, *rows: tuple[str, float | None]) -> dict[str, tuple[float | None, bool]]:
    found = weakest_links(members, edges(*rows))
    return {
        str(golden_id): (None if pd.isna(row["bits"]) else float(row["bits"]), bool(row["is_weak_bridge"]))
        for golden_id, row in found.iterrows()
    }


INF = float("inf")


@pytest.mark.parametrize(
    ("what", "rows", "expected"),
    [
        ("identifiers hold it", [("ab", None), ("bc", None)], (INF, False)),
        (
            "of two edges of a pair the stronger counts",
            [("ab", None), ("ab", -4.0), ("bc", None)],
            (INF, False),
        ),
        ("a chain is as strong as its weakest pair", [("ab", 9.0), ("bc", 4.0)], (4.0, False)),
        ("one weak pair holds a part", [("ab", None), ("bc", 2.0)], (2.0, True)),
        ("just at the limit is not weak", [("ab", None), ("bc", 3.0)], (3.0, False)),
        ("a ring falls apart at its second weakest", [("ab", 9.0), ("bc", 5.0), ("ac", 2.0)], (5.0, False)),
        ("two weak pairs are not one", [("ab", 9.0), ("bc", 2.0), ("ac", 1.0)], (2.0, False)),
        ("what speaks against holds nothing", [("ab", 9.0), ("bc", 2.0), ("ac", -6.0)], (2.0, True)),
        ("joined against what is said of the pair", [("ab", 9.0), ("bc", -1.0)], (-1.0, False)),
        ("edges do not hold all of it", [("ab", None)], (None, False)),
        ("no edge at all", [], (None, False)),
    ],
)
def test_the_weakest_link(
    what: str, rows: list[tuple[str, float | None]], expected: tuple[float | None, bool]
):
    assert tightness(ids(G="abc"), *rows) == {"G": expected}, what


def test_the_weakest_link_of_several_ids_and_none_of_single_records():
    found = tightness(ids(G="ab", H="cd", I="e"), ("ab", 2.5), ("dc", None), ("bc", 1.0))
    assert found == {"G": (2.5, True), "H": (INF, False)}  # b–c lies between two ids: it holds neither


def parts(letters: str, pairs: list[str]) -> int:
    """How many groups pairs leave the letters in."""
    groups = [{letter} for letter in letters]
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched] + [set().union(*touched)]
    return len(groups)


@pytest.mark.parametrize("seed", range(40))
def test_random_ids_are_as_tight_as_taking_edges_away_says(seed: int):
    chance = random.Random(seed)
    letters = "abcdefg"[: chance.randint(2, 7)]
    weights: dict[str, float] = {}
    for one, other in combinations(letters, 2):
        if chance.random() < 0.5:
            weights[one + other] = chance.choice([INF, -3.0, 0.5, 1.0, 2.5, 3.0, 6.0, 9.0])
    strengths = sorted(set(weights.values()), reverse=True)
    held = [s for s in strengths if parts(letters, [p for p, w in weights.items() if w >= s]) == 1]
    holding = [pair for pair, weight in weights.items() if weight > 0]
    alone = [
        pair
        for pair in holding
        if weights[pair] < 3 and parts(letters, [p for p in holding if p != pair]) > parts(letters, holding)
    ]
    rows = [(pair, None if weight == INF else weight) for pair, weight in weights.items()]
    expected = (held[0] if held else None, bool(alone))
    assert tightness(ids(G=letters), *rows) == {"G": expected}


# Sizes and values


def test_records_per_id_fall_into_their_classes():
    sizes = pd.Series([1, 1, 2, 3, 4, 5, 6, 10, 11, 400])
    assert records_per_id(sizes) == {"1": 2, "2": 1, "3": 1, "4-5": 2, "6-10": 2, "11+": 2}


def test_different_values_are_counted_where_they_are_known():
    born = dt.date(1980, 1, 1)
    silver = pd.DataFrame(
        [
            ("crm", "a", "aino", "virta", born),
            ("crm", "b", "aino", None, born),
            ("crm", "c", "eino", "salo", None),
            ("crm", "x", "olli", "salo", None),  # has no golden id
        ],
        columns=[*KEY, "given_name", "family_name", "birth_date"],
    )
    found = several_values(ids(G="abc", H="d"), silver)
    told = {field: (int(t.at["G", "values"]), int(t.at["G", "records"])) for field, t in found.items()}
    assert told == {"given_name": (2, 3), "family_name": (2, 2), "birth_date": (1, 2)}
    assert all("H" not in table.index for table in found.values())


def test_limits_count_values_and_not_records():
    held = pd.DataFrame(
        [
            ("card", "1", "crm", "a"),
            ("card", "1", "crm", "b"),  # the same value twice
            ("card", "2", "crm", "c"),
            ("card", "3", "crm", "d"),
            ("card", "4", "cookie", "z"),  # a device is no record of a person
            ("number", "1", "crm", "a"),
            ("number", "2", "crm", "b"),
        ],
        columns=["namespace", "value_hmac", *KEY],
    )
    assert over_limits(ids(G="ab", H="cd"), held, {"card": 1, "number": 2}) == [
        {"namespace": "card", "most": 1, "golden_ids": 1, "examples": ["H"]},
        {"namespace": "number", "most": 2, "golden_ids": 0, "examples": []},
    ]


# Churn


def test_the_day_to_compare():
    assert day_to_compare([D3, D1, D2, D3], None) == D2
    assert day_to_compare([D1, D2, D3], D1) == D1
    assert day_to_compare([D1, D3], D2) == D2  # between two runs the ids of the former lived
    assert day_to_compare([D1], None) is None
    assert day_to_compare([], None) is None
    with pytest.raises(ConfigError, match="the first run date is 2026-01-31"):
        day_to_compare([D1, D2], dt.date(2026, 1, 30))
    with pytest.raises(ConfigError, match="nothing has run since"):
        day_to_compare([D1, D2], D2)
    with pytest.raises(ConfigError, match="no golden ids yet"):
        day_to_compare([], D1)


# On D1: G = {a, b, c}, H = {d}, I = {e, f}, J = {g}, V = {device v}.
# On D2: H was merged into G (d: edge); from I parted K with f (edge_lost); e stays; J was withdrawn (consent), its
# only record gone; v was seen to be G's (edge); L = {h} is new, W = {device w} too.
MEMBERS = pd.DataFrame(
    [
        *(("G", "crm", key, D1, None) for key in "abc"),
        ("H", "loyalty", "d", D1, D2),
        ("G", "loyalty", "d", D2, None),
        ("I", "crm", "e", D1, None),
        ("I", "crm", "f", D1, D2),
        ("K", "crm", "f", D2, None),
        ("J", "crm", "g", D1, D2),
        ("V", "cookie", "v", D1, D2),
        ("G", "cookie", "v", D2, None),
        ("L", "crm", "h", D2, None),
        ("W", "cookie", "w", D2, None),
    ],
    columns=["golden_id", *KEY, "valid_from_on", "valid_to_on"],
)
HISTORY = pd.DataFrame(
    [
        ("joined", "H", None, "loyalty", "d", "new_record", D1),
        ("merged", "H", "G", None, None, "edge", D2),
        ("left", "H", None, "loyalty", "d", "edge", D2),
        ("joined", "G", None, "loyalty", "d", "edge", D2),
        ("split", "K", "I", None, None, "edge_lost", D2),
        ("left", "I", None, "crm", "f", "edge_lost", D2),
        ("joined", "K", None, "crm", "f", "edge_lost", D2),
        ("left", "J", None, "crm", "g", "consent", D2),
        ("retired", "J", None, None, None, "consent", D2),
        ("merged", "V", "G", None, None, "edge", D2),
        ("joined", "G", None, "cookie", "v", "edge", D2),
        ("minted", "L", None, None, None, "new_record", D2),
        ("joined", "L", None, "crm", "h", "new_record", D2),
        ("joined", "W", None, "cookie", "w", "new_record", D2),
    ],
    columns=["event", "golden_id", "other_golden_id", *KEY, "cause", "effective_on"],
).assign(recorded_at=lambda t: pd.to_datetime(t["effective_on"]))
CHURN = {
    "since": "2026-01-31",
    "persons": {"before": 4, "kept": 2, "merged": 1, "retired": 1, "split": 1, "new": 2},
    "visitors": {"before": 1, "kept": 0, "merged": 1, "retired": 0, "split": 0, "new": 1},
    "examples": ["I", "H"],
    "records": {
        "moved": {"persons": {"edge": 1, "edge_lost": 1}, "devices": {"edge": 1}},
        "gone": {"persons": {"consent": 1}, "devices": {}},
    },
}


def test_churn_worked_by_hand():
    assert churn(MEMBERS, HISTORY, D1) == CHURN


def test_the_order_of_rows_does_not_matter_to_churn():
    for seed in range(3):
        shuffled = (df.sample(frac=1, random_state=seed) for df in (MEMBERS, HISTORY))
        assert churn(*shuffled, D1) == CHURN


def test_a_record_that_came_back_to_its_id_did_not_move():
    members = pd.DataFrame(
        [("G", "crm", "a", D1, D2), ("H", "crm", "a", D2, D3), ("G", "crm", "a", D3, None)],
        columns=MEMBERS.columns,
    )
    told = churn(members, HISTORY.head(0), D1)
    assert told["persons"]["kept"] == 1
    assert told["records"]["moved"] == {"persons": {}, "devices": {}}


# The whole

TRUTH = pd.DataFrame({"source": ["crm"], "source_key": ["a"], "person_id": ["A"]})
SILVER = pd.DataFrame(
    [
        ("crm", "a", "aino", "virta", dt.date(1980, 1, 1)),
        ("crm", "b", "anna", "virta", dt.date(1981, 1, 1)),
        ("crm", "c", "ansa", "virta", None),
        ("loyalty", "d", "aino", None, None),
        ("crm", "e", "eero", "salo", None),
    ],
    columns=[*KEY, "given_name", "family_name", "birth_date"],
)


def facts(**changed: Any) -> Facts:
    given: dict[str, Any] = {
        "members": MEMBERS,
        "edges": edges(("ab", None), ("bc", 2.0)),  # d hangs by nothing
        "history": HISTORY,
        "persons": SILVER,
        "identifiers": pd.DataFrame(
            [("card", "1", "crm", "a"), ("card", "2", "crm", "c")], columns=["namespace", "value_hmac", *KEY]
        ),
        "blocked": pd.DataFrame({"namespace": ["email", "email"], "reason": ["pattern", "pattern"]}),
        "run_dates": {D1, D2},
        "limits": {"card": 1},
    }
    return Facts(**{**given, **changed})


def share(found: int, of: int) -> dict[str, float]:
    return {"found": found, "of": of, "share": round(found / of, 4)}


def test_the_whole_worked_by_hand():
    told = health(facts())
    assert told["as_of"] == "2026-02-01"
    assert told["golden_ids"] == {"persons": 4, "visitors": 1}  # G, I, K, L; W
    assert told["records"] == {"persons": 7, "devices": 2}
    assert told["records_per_id"] == {"1": 3, "2": 0, "3": 0, "4-5": 1, "6-10": 0, "11+": 0}
    assert told["sources_per_id"] == {"1": 3, "2": 1}
    # Only G tells a value twice.
    assert told["values"] == [
        {"field": "given_name", "golden_ids": 1, "more_than_one": share(1, 1), "more_than_two": share(1, 1), "examples": ["G"]},
        {"field": "family_name", "golden_ids": 1, "more_than_one": share(0, 1), "more_than_two": share(0, 1), "examples": []},
        {"field": "birth_date", "golden_ids": 1, "more_than_one": share(1, 1), "more_than_two": share(0, 1), "examples": ["G"]},
    ]  # fmt: skip
    assert told["limits"] == [{"namespace": "card", "most": 1, "golden_ids": 1, "examples": ["G"]}]
    assert {name: n for name, n in told["weakest_link"].items() if n} == {"no edge": 1}
    assert told["weak_bridge"] == {"bits": 3.0, **share(1, 1), "golden_ids": ["G"]}
    assert told["edges"] == [
        {"kind": "deterministic", "rule": "email", "edges": 1, "share": 0.5},
        {"kind": "probabilistic", "rule": "m", "edges": 1, "share": 0.5},
    ]
    assert told["blocked_values"] == [{"namespace": "email", "reason": "pattern", "values": 2}]
    assert told["largest"][0] == {
        "golden_id": "G", "records": 4, "devices": 1, "sources": 2, "given_names": 3, "family_names": 1,
        "birth_dates": 2, "weakest_bits": None,
    }  # fmt: skip
    assert [row["golden_id"] for row in told["largest"]] == ["G", "I", "K", "L"]
    assert told["churn"] == CHURN


@pytest.mark.parametrize(
    ("bits", "name"),
    [
        (None, "identifier or decision"), (9.97, "0.999 or more"), (9.96, "0.99 to 0.999"), (6.62, "0.95 to 0.99"),
        (4.24, "0.9 to 0.95"), (3.16, "0.5 to 0.9"), (0.0, "0.5 to 0.9"), (-0.1, "below 0.5"),
    ],
)  # fmt: skip
def test_the_weakest_link_by_probability(bits: float | None, name: str):
    # odds 999, 99, 19 and 9 to one are 9.964, 6.629, 4.248 and 3.170 bits
    members = ids(G="ab").assign(valid_from_on=D1, valid_to_on=None)
    told = health(facts(members=members, edges=edges(("ab", bits)), run_dates={D1}))
    assert {key: n for key, n in told["weakest_link"].items() if n} == {name: 1}


def test_an_empty_warehouse_has_no_health_and_no_fault():
    nothing = facts(
        members=MEMBERS.head(0),
        edges=edges(),
        history=HISTORY.head(0),
        persons=SILVER.head(0),
        run_dates=set(),
    )
    told = health(nothing)
    assert told["golden_ids"] == {"persons": 0, "visitors": 0}
    assert told["largest"] == told["edges"] == []
    assert told["as_of"] is told["churn"] is None


def test_tables_never_written_are_read_as_empty(tmp_path: Path):
    told = health_of(tmp_path, limits={"card": 1})
    assert told["golden_ids"] == {"persons": 0, "visitors": 0}
    assert told["limits"] == [{"namespace": "card", "most": 1, "golden_ids": 0, "examples": []}]
    with pytest.raises(ConfigError, match="no golden ids yet"):
        health_of(tmp_path, since=D1)
    TRUTH.to_parquet(tmp_path / "person_of_record.parquet")
    assert scores(tmp_path, tmp_path)["without_golden_id"] == 1


# In words


def test_what_to_look_at():
    told = health(facts())
    rows = warnings(told, "--conf c.yaml")
    says = [row["says"] for row in rows]
    assert [text.split(",")[0].split(":")[0] for text in says] == [
        "1 golden id holds more than 1 card",
        "1 golden id holds more than one birth date",
        "1 golden id holds more than two given names",
        "1 golden id hangs together somewhere by one compared pair below 3 bits",
        "1 golden id is not held together by edges throughout",
        "75.0% of the persons' golden ids of 2026-01-31 were merged",
    ]
    assert [row["command"] for row in rows] == [
        *["identity history G --conf c.yaml"] * 4,
        "identity review export --out questions.csv --conf c.yaml",
        "identity history I --conf c.yaml",
    ]


def test_nothing_stands_out():
    members = ids(G="ab", H="c").assign(valid_from_on=D1, valid_to_on=None)
    silver = SILVER.assign(given_name="aino", birth_date=None)
    told = health(
        facts(
            members=members, edges=edges(("ab", None)), persons=silver, history=HISTORY.head(0),
            run_dates={D1}, limits=None,
        )
    )  # fmt: skip
    assert told["churn"] is None
    assert told["limits"] is None
    assert warnings(told) == []
    shown = text_of(told)
    assert "nothing stands out" in shown
    assert "this was the first run date" in shown
    assert "this was the first run date" in health_page({**told, "warnings": []})


def test_many_records_are_told_of():
    members = ids(G="abcdefghijkl").assign(valid_from_on=D1, valid_to_on=None)
    told = health(
        facts(
            members=members,
            edges=edges(*((pair, None) for pair in ("ab", "bc"))),
            persons=SILVER.head(0),
            run_dates={D1},
            limits=None,
        )
    )
    assert (
        warnings(told)[0]["says"]
        == "1 golden id holds more than ten records, the largest 12: one person, or several?"
    )


def text_of(told: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_health({**told, "warnings": warnings(told)}, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_text_and_page_tell_the_figures():
    told = health(facts())
    shown = text_of(told)
    assert "golden ids of persons 4 their records 7" in " ".join(shown.split())
    assert max(len(line) for line in shown.splitlines() if "identity " not in line) <= 80
    page = health_page({**told, "warnings": warnings(told)})
    assert "Churn since 2026-01-31" in page
    assert page.count("<svg") >= 6
    for name in ("aino", "virta", "1981"):
        assert name not in shown + page

"""The whole engine, over days that change everything it is told, against its definition written as slowly as it reads.

The definition: docs/resolution.md, Clusters. First pairs are joined by `greedy` of `test_clustering`, groups by `Naive`.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from identity.config_reading import load_config
from identity.linkage import engine
from identity.linkage.clustering import WEAKEST, Group, Rules
from identity.linkage.engine import Linked, arrow_of, link_records
from identity.linkage.fields import standardise
from identity.linkage.frequencies import count_frequencies
from identity.linkage.model import Household, Model, Thresholds, log_odds
from identity.linkage.model_file import read_model
from identity.linkage.pairs import Ints, Pairs, compare, database, numbered
from identity.linkage.work import load_fields
from identity.resolve.records import FIELDS
from tests.property.test_clustering import Graph, Held, Pair, greedy, is_banned, is_over, known, parts
from tests.unit.linkage.naive import Naive

MODEL = read_model(load_config(Path(__file__).parents[2] / "conf" / "local.yaml").matching.model, FIELDS)
TYPES = {"given": "given_name", "family": "family_name", "born": "date_of_birth", "mail": "email"}
SPEAKERS = 3  # records of a group that are compared; so few that small graphs have larger groups
MOST_RECORDS = 10
LIMITS = [1, 2]

Record = tuple[str | None, ...]


class Day(NamedTuple):
    """What a run is told: every record, what joins and what is held today, and the model and thresholds of the day."""

    said: list[Record]
    first: list[tuple[int, int, bool]]
    held: list[Held]
    certainty: float
    join: float
    slack: float


class Life(NamedTuple):
    """Days of some records, and which two are never one, on any of them."""

    never: list[Pair]
    days: list[Day]


def lives() -> st.SearchStrategy[Life]:
    def of_size(records: int) -> st.SearchStrategy[Life]:
        record = st.integers(0, records - 1)
        pair = st.tuples(record, record).filter(lambda e: e[0] != e[1])
        said = st.tuples(
            st.sampled_from(["anna", "aino", "eero", None]),
            st.sampled_from(["virta", "salo", None]),
            st.sampled_from(["1950-01-01", "1950-02-01", "1988-07-17", None]),
            st.sampled_from(["av@x.example", "salot@x.example", None]),
        )
        day = st.builds(
            Day,
            st.lists(said, min_size=records, max_size=records),
            st.lists(st.tuples(record, record, st.booleans()).filter(lambda e: e[0] != e[1]), max_size=6),
            st.lists(
                st.lists(st.tuples(record, st.sampled_from("ab")), max_size=4),
                min_size=len(LIMITS), max_size=len(LIMITS),
            ),
            st.sampled_from([0.5, 1.0, 1.5]),
            st.integers(-6, 3).map(float),
            st.integers(0, 4).map(float),
        )  # fmt: skip
        return st.builds(Life, st.lists(pair, max_size=5), st.lists(day, min_size=3, max_size=3))

    return st.integers(4, MOST_RECORDS).flatmap(of_size)


# Three who say the same, of whom the second and the third are never one; and a stranger.
ALIKE: Record = ("anna", "virta", "1950-01-01", "av@x.example")
OTHER: Record = ("eero", "salo", "1988-07-17", "salot@x.example")
ONE_DAY = Day([ALIKE, ALIKE, ALIKE, *[OTHER] * 4], [], [[], []], 1.5, -6.0, 0.0)
BANNED = Life([(1, 2)], [ONE_DAY])
OVER = Life([], [ONE_DAY._replace(held=[[(1, "a"), (2, "b")], []])])


def retrained(certainty: float) -> Model:
    """A model that takes every agreement and disagreement for so much more, or less, than the committed one.

    And one for so few records: of two of them a fifth is one person, and a tenth lives together.
    """
    splink = copy.deepcopy(MODEL.splink)
    for comparison in splink["comparisons"]:
        levels = numbered(comparison)
        m = np.array(
            [(v["m_probability"] / v["u_probability"]) ** certainty * v["u_probability"] for v in levels]
        )
        for level, share in zip(levels, m / m.sum(), strict=True):
            level["m_probability"] = float(share)
    splink["probability_two_random_records_match"] = 0.2
    assert MODEL.household is not None
    return Model(splink, Household(0.1, MODEL.household.probabilities))


def fields_of(day: Day) -> pd.DataFrame:
    """Records that say something; the others are known of all the same."""
    table = pd.DataFrame(day.said, columns=list(TYPES), dtype=object)
    fields = standardise(table, TYPES).assign(source="crm")
    return fields[(table["given"].notna() | table["family"].notna()).to_numpy()].reset_index(drop=True)


def graph_of(life: Life, day: Day) -> Graph:
    return Graph(len(day.said), day.first, life.never, day.held, LIMITS)


def everything_compared(fields: pd.DataFrame, model: Model) -> Pairs:
    """Every two records, whatever blocking would say."""
    with database() as connection:
        unsaid = sorted(model.fields - set(fields.columns))
        load_fields(connection, arrow_of(fields.assign(**dict.fromkeys(unsaid))))
        count_frequencies(connection, model.comparisons, model.frequencies)
        connection.execute(
            "create table everything as select l.unique_id as join_key_l, r.unique_id as join_key_r "
            "from fields l join fields r on l.unique_id < r.unique_id"
        )
        return compare(connection, "everything", model.comparisons)


def components(groups: Sequence[frozenset[int]], found: Linked) -> Iterator[list[frozenset[int]]]:
    """Groups that hang together by compared pairs that are not too weak."""
    left = list(groups)
    strong = [
        (a, b)
        for a, b, w in zip(
            found.candidates.left.tolist(),
            found.candidates.right.tolist(),
            found.weights.tolist(),
            strict=True,
        )
        if w >= WEAKEST
    ]
    while left:
        together = [left.pop(0)]
        for group in together:
            near = [
                other
                for other in left
                if any((a in group and b in other) or (b in group and a in other) for a, b in strong)
            ]
            together += near
            left = [other for other in left if other not in near]
        yield sorted(together, key=min)


def ends(
    life: Life, day: Day, before: Ints, fields: pd.DataFrame, found: Linked, model: Model, rules: Rules
) -> Iterator[set[frozenset[frozenset[int]]]]:
    """By component, every way in which its records may end up, as the definition has it."""
    graph = graph_of(life, day)
    copies = [(a, b, False) for a, b in found.copies[["l", "r"]].itertuples(index=False, name=None)]
    groups, _ = greedy(graph._replace(first=day.first + copies))
    fields = fields[~fields["unique_id"].isin(found.copies["r"])]
    pairs = everything_compared(fields, model)
    for component in components(sorted(groups, key=min), found):
        told = [
            Group(
                min(group),
                {f"n{i}": {v for r, v in held if r in group} for i, held in enumerate(day.held)},
                frozenset(min(other) for other in component if is_banned(group, other, graph)),
                frozenset(int(before[r]) for r in group if before[r] >= 0),
            )
            for group in component
        ]
        records = [[r for r in fields["unique_id"] if r in group][:SPEAKERS] for group in component]
        naive = Naive(told, records, pairs, np.zeros(len(pairs), dtype=bool), model, rules)
        yield {
            frozenset(frozenset(r for place in part for r in component[place]) for part in end)
            for end in naive.every_way()
        }


@settings(
    max_examples=20,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@example(BANNED)
@example(OVER)
@given(lives())
def test_any_days(life: Life):
    before = np.full(len(life.days[0].said), -1)
    for day in life.days:
        graph, fields = graph_of(life, day), fields_of(day)
        sure = Thresholds(*(1 / (1 + 2**-bits) for bits in (day.join, day.join - day.slack)))
        model = replace(retrained(day.certainty), thresholds=sure)
        told = replace(known(graph), before=before)
        rules = Rules(log_odds(sure.join), log_odds(sure.keep), told.limits)
        with patch.object(engine, "MOST_SPEAKERS", SPEAKERS):
            found = link_records(fields, told, model=model)
        groups = parts(found.labels)
        assert {int(found.labels[min(group)]) for group in groups} == {min(group) for group in groups}
        decided = [{a, b} for a, b, is_decided in day.first if is_decided]
        for group in groups:
            assert not is_banned(group, group, graph)
            # A record may itself come with too many values; and over limits persons may decide.
            assert len(group) == 1 or any(pair <= group for pair in decided) or not is_over(group, graph)
        for end in ends(life, day, before, fields, found, model, rules):
            inside = frozenset().union(*next(iter(end)))
            assert frozenset(group & inside for group in groups if group & inside) in end
        before = found.labels

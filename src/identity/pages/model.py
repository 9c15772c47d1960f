"""What a model learnt, as a page: the report of `identity train`, and the picture that other reports share with it."""

from collections.abc import Mapping
from typing import Any

from identity.linkage.learnt import BITS_A_BAR, worth
from identity.linkage.model import log_odds
from identity.pages.page import BAD, GOOD, Figure, bars, histogram, page_text


def worth_figure(comparisons: list[dict[str, Any]]) -> Figure:
    """What agreement is worth, by comparison and level.

    Args:
        comparisons: In Splink's settings format, with m and u probabilities.
    """
    rows = [{**row, "speaks": "for" if row["bits"] > 0 else "against"} for row in worth(comparisons)]
    return Figure(
        "What agreement is worth",
        "Bits for and against one person, by comparison and level; a rare value weighs more than the average shown.",
        rows,
        bars(rows, ["comparison", "level"], "bits", "speaks", {"for": GOOD, "against": BAD}),
    )


def training_page(facts: Mapping[str, Any], comparisons: list[dict[str, Any]]) -> str:
    """The page of a training, as HTML.

    Args:
        facts: What `training.train_model` tells.
        comparisons: The model's.
    """
    warnings = [{"warning": text} for text in facts["warnings"]]
    thresholds = facts["thresholds"]
    tiles = [
        ("records learnt from", f"{facts['records']:,}"),
        ("pairs compared", f"{facts['pairs']:,}"),
        ("pairs that are matches", f"one in {facts['one_in']:,}"),
        ("warnings", str(len(warnings))),
    ]
    return page_text(
        title=f"Model {facts['version']}",
        subtitle=f"Learnt without labels as of {facts['run_date']}, seed {facts['seed']}, data {facts['fingerprint']}.",
        tiles=tiles,
        figures=[
            Figure("Warnings", "What to do about each stands in docs/models.md.", warnings, None),
            worth_figure(comparisons),
            Figure(
                "How much the candidate pairs weigh",
                f"Pairs by their odds of being one person, {BITS_A_BAR} bits a bar; the scale of pairs is logarithmic. "
                "A clear model has a valley where the thresholds stand.",
                facts["weights"],
                histogram(
                    facts["weights"], "from_bits", "to_bits", "pairs",
                    {name: log_odds(probability) for name, probability in thresholds.items()},
                ),
            ),
            Figure("Thresholds", "On the probability of a match, and as bits.", _thresholds(thresholds), None),
            Figure(
                "Matches against chance",
                "m: share of matches at the level; u: share of two records at random; matches: how many are expected there.",
                _levels(facts), None,
            ),
            *_household(facts["household"]),
            Figure(
                "Records that lack what a comparison reads", "",
                [{**row, "records_without": f"{row['records_without']:.1%}"} for row in facts["missing"]], None,
            ),
            Figure(
                "How far each round moved the model",
                "Largest change of any m probability, by round of expectation maximisation; it should fade.",
                facts["rounds"], bars(facts["rounds"], "round", "largest_change"),
            ),
            Figure(
                "What is remembered of values",
                "How many records said anything, and how many common values the model keeps to judge rarity by.",
                facts["remembered"], None,
            ),
        ],
    )  # fmt: skip


def _thresholds(thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {"threshold": name, "probability": probability, "bits": round(log_odds(probability), 2)}
        for name, probability in thresholds.items()
    ]


def _levels(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "comparison": row["comparison"],
            "level": row["level"],
            "m": f"{row['m']:.4f}",
            "u": f"{row['u']:.2g}",
            "bits": row["bits"],
            "matches": row["matches"],
        }
        for row in facts["levels"]
    ]


def _household(household: Mapping[str, Any] | None) -> list[Figure]:
    if household is None:
        says = "None: no address tells households apart, so what families share speaks for one person."
        return [Figure("Households", says, [{"class": "none"}], None)]
    rows = [{**row, "probability": f"{row['probability']:.4f}"} for row in household["levels"]]
    says = (
        f"One pair in {household['one_in']:,} lives together without being one person; of those, the share at each level. "
        "Agreement that a household explains as well counts for less."
    )
    return [Figure("Households", says, rows, None)]

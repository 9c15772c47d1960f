"""Two models side by side, as a page: what a switch would change, by which comparisons, and which pairs to look at."""

from collections.abc import Mapping
from typing import Any

from identity.pages.page import BAD, GOOD, WARNING, Figure, bars, grid, page_text

_COLOURS = {"kept": GOOD, "merged": WARNING, "split": BAD}


def compare_page(found: Mapping[str, Any]) -> str:
    """The page, as HTML.

    Args:
        found: What `stages.compare_models` tells.
    """
    old, new = (name_of(found[side]) for side in ("old", "new"))
    ids, reasons, weights = id_rows(found), found["differs_in"], found["weights"]
    tiles = [
        ("records", f"{found['records']:,}"),
        (f"persons with {old}", f"{found['persons']['old']:,}"),
        (f"persons with {new}", f"{found['persons']['new']:,}"),
        (f"of records keep their id with {new}", f"{found['golden_ids']['new']['share_that_keeps']:.1%}"),
    ]
    figures = [
        Figure(
            "What would become of today's golden ids",
            "The old model is held against them too, so that what changes anyway can be told from what the switch changes.",
            ids, bars(ids, ["model", "what"], "golden_ids", "what", _COLOURS),
        ),
        Figure("Records that keep their id", "Of the records that have one today.", record_rows(found), None),
        Figure("Against the truth", "Pairs of records that are one person.", truth_rows(found), None),
        Figure("Pairs of records that are one person", "", pair_rows(found), None),
        Figure(
            "What they judge differently",
            "Pairs that are one person under one model only, by the comparison whose bits differ most; bits: new minus old.",
            reasons, bars(reasons, ["joined_by", "differs_most_in"], "pairs"),
        ),
        Figure(
            "The strongest disagreements",
            "One pair of every two groups. Look at them with `identity why` or `identity why-not`.",
            found["disagreements"], None,
        ),
        Figure(
            "Weights, old against new",
            "Pairs that both models weighed, from this many bits on; what lies off the diagonal, they judge differently.",
            weights, grid(weights, "old_bits", "new_bits", "pairs"),
        ),
        Figure("Thresholds", "Probabilities of a match.", threshold_rows(found), None),
    ]  # fmt: skip
    return page_text(
        title=f"Models {old} and {new}",
        subtitle=f"Old: {old}; new: {new}; as of {found['run_date']}.",
        tiles=tiles,
        figures=figures,
    )


def name_of(model: Mapping[str, Any] | None) -> str:
    """What a model is called; without one, records are joined by identifiers and decisions."""
    return "identifiers alone" if model is None else str(model["version"])


def id_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Golden ids of today by what would become of them: `model`, `what`, `golden_ids`."""
    return [
        {"model": name_of(found[side]), "what": what, "golden_ids": found["golden_ids"][side][what]}
        for side in ("old", "new")
        for what in _COLOURS
    ]


def record_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records that keep their id, by model."""
    return [
        {
            "model": name_of(found[side]),
            "records": found["golden_ids"][side]["records"],
            "keep_their_id": found["golden_ids"][side]["records_that_keep"],
            "share": f"{found['golden_ids'][side]['share_that_keeps']:.2%}",
            "new_ids": found["golden_ids"][side]["minted"],
        }
        for side in ("old", "new")
    ]


def pair_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pairs of records that are one person under both models, or one."""
    names = {
        "both": "with both",
        "old_only": f"with {name_of(found['old'])} only",
        "new_only": f"with {name_of(found['new'])} only",
    }
    return [{"one person": says, "pairs": found["pairs"][name]} for name, says in names.items()]


def truth_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Scores by model and records scored; none without a truth."""
    if "truth" not in found:
        return []
    names = {"pairwise": "all in the truth", "permitted": "that may be joined"}
    return [
        {"model": name_of(found[side]), "records": says, **found["truth"][side][name]}
        for name, says in names.items()
        for side in ("old", "new")
    ]


def threshold_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Thresholds by model."""
    models = (found["old"], found["new"])
    return [{"model": model["version"], **model["thresholds"]} for model in models if model is not None]

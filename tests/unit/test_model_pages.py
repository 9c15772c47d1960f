"""The pages of `train` and `compare-models`, and what both print: the figures, within 80 columns, and no script."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from identity.cli.compare import show_comparison
from identity.cli.train import show_training
from identity.errors import ModelError
from identity.linkage.learnt import figures_of
from identity.linkage.model import Thresholds
from identity.linkage.model_file import model_text, read_version
from identity.pages.compare import compare_page, id_rows, pair_rows, record_rows, truth_rows
from identity.pages.model import training_page
from identity.training import Trained, report_of
from tests.unit.linkage.test_learnt import MODEL, learnt
from tests.unit.test_report import Page

FACTS: dict[str, Any] = {
    "version": "finland-4", "run_date": "2026-02-01", "seed": 7, "records": 1234, "fingerprint": "0123456789abcdef",
    "thresholds": Thresholds(0.98, 0.9, 0.5)._asdict(), **figures_of(learnt(missing=0.7)),
}  # fmt: skip
SCORES = {"precision": 0.991, "recall": 0.871, "f1": 0.927}
IDS = {
    "before": 100, "kept": 90, "merged": 7, "split": 3, "minted": 5, "records": 400, "records_that_keep": 377,
    "share_that_keeps": 0.9425,
}  # fmt: skip
FOUND: dict[str, Any] = {
    "run_date": "2026-02-01",
    "old": {"version": "finland-3", "thresholds": Thresholds(0.98, 0.9, 0.5)._asdict()},
    "new": {"version": "finland-4", "thresholds": Thresholds(0.97, 0.9, 0.5)._asdict()},
    "records": 500,
    "may_be_joined": 450,
    "persons": {"old": 111, "new": 109},
    "pairs": {"both": 800, "old_only": 12, "new_only": 31},
    "golden_ids": {"old": {**IDS, "kept": 99, "merged": 1, "split": 0, "share_that_keeps": 0.9976}, "new": IDS},
    "differs_in": [
        {"joined_by": "new", "differs_most_in": "email", "pairs": 31, "bits": 4.25},
        {"joined_by": "old", "differs_most_in": "weighed by one model only", "pairs": 12, "bits": None},
    ],
    "disagreements": [
        {
            "left": "crm:C000123", "right": "loyalty:L000456", "joined_by": "new", "old_weight": None,
            "new_weight": 14.25, "differs_most_in": "weighed by one model only", "bits": None,
        }
    ],
    "weights": [{"old_bits": -4, "new_bits": 8, "pairs": 21}, {"old_bits": 8, "new_bits": 8, "pairs": 613}],
}  # fmt: skip


def printed(show: Any, told: Any) -> str:
    out = io.StringIO()
    show(told, Console(file=out, width=80))
    return out.getvalue()


def texts(html: str) -> str:
    page = Page(html)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "<svg" in html
    return " ".join(text for texts in page.texts.values() for text in texts)


def test_the_page_of_a_training_shows_every_figure():
    found = texts(training_page(FACTS, MODEL.comparisons))
    for shown in (
        "finland-4",
        "1,234",
        "one in 500",
        "seed 7",
        "0123456789abcdef",
        "0.98",
        "0.8000",
        "One pair in 1,000",
    ):
        assert shown in found, shown
    for row in FACTS["levels"]:
        assert row["level"] in found
    for warning in FACTS["warnings"]:
        assert warning in found
    assert "70.0%" in found


def test_a_training_is_printed_in_eighty_columns():
    out = printed(show_training, FACTS)
    table = [line for line in out.splitlines() if line.startswith(("│", "┃", "┏"))]
    assert table
    assert max(map(len, out.splitlines())) <= 80
    for shown in ("1,234 records", "one in 500 pairs", "one in 1,000", "join 0.98", "70.0%", "warning"):
        assert shown in out
    assert out.count("warning ") == len(FACTS["warnings"])


def test_model_and_report_are_written_together(tmp_path: Path):
    target = tmp_path / "models" / "finland-4.json"
    text = model_text(replace(MODEL, version="finland-4"), {}, records=1234, fingerprint="f")
    Trained(MODEL, text, FACTS).write(target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["finland-4.html", "finland-4.json"]
    assert target.read_text(encoding="utf-8") == text
    assert report_of(target).read_text(encoding="utf-8") == training_page(FACTS, MODEL.comparisons)


def test_a_model_of_a_version_is_called_as_it_is(tmp_path: Path):
    text = model_text(replace(MODEL, version="finland-4"), {}, records=1, fingerprint="f")
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"says it is version finland-4; call the file finland-4\.json again"
    ):
        read_version(path, {"given"})


def test_the_page_of_a_comparison_shows_every_figure():
    found = texts(compare_page(FOUND))
    for shown in (
        "finland-3",
        "109",
        "94.2%",
        "99.76%",
        "crm:C000123",
        "14.25",
        "613",
        "weighed by one model only",
    ):
        assert shown in found, shown
    assert "Against the truth" not in found


def test_rows_of_a_comparison_name_the_models():
    assert id_rows(FOUND)[:3] == [
        {"model": "finland-3", "what": "kept", "golden_ids": 99},
        {"model": "finland-3", "what": "merged", "golden_ids": 1},
        {"model": "finland-3", "what": "split", "golden_ids": 0},
    ]
    assert pair_rows(FOUND)[2] == {"one person": "with finland-4 only", "pairs": 31}
    assert record_rows(FOUND)[1]["share"] == "94.25%"
    assert truth_rows(FOUND) == []
    alone = {
        **FOUND,
        "old": None,
        "truth": {side: {"pairwise": SCORES, "permitted": SCORES} for side in ("old", "new")},
    }
    assert [row["model"] for row in truth_rows(alone)] == ["identifiers alone", "finland-4"] * 2


def test_a_comparison_is_printed_in_eighty_columns():
    scored = {**FOUND, "truth": {side: {"pairwise": SCORES, "permitted": SCORES} for side in ("old", "new")}}
    out = printed(show_comparison, scored)
    assert max(map(len, out.splitlines())) <= 80
    for shown in ("450 of them", "99.76%", "94.25%", "0.927", "crm:C000123 loyalty:L000456", "– → 14.2 bits"):
        assert shown in out, shown

"""Where others' lines name the erased in free text: the text goes, the line stays theirs; no Spark."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from identity.config import Config, FeedColumn
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure.lines import Found
from identity.erasure.mentions import with_mentions
from identity.run import Run
from identity.tables import Tables, append_at

CONF = Path(__file__).parents[3] / "conf/local.yaml"
ON = dt.date(2026, 2, 1)
STRONG = {"anna.salo@posti.example", "+358401234567", "0401234567", "anna", "L-1000234"}


@pytest.fixture
def config(warehouse: Path) -> Config:
    return load_config(CONF, warehouse=warehouse, need_model=False)


def run_of(config: Config) -> Run:
    none: Any = None  # no session: whoever comes as far as Spark fails
    return Run(config, Tables(none, config.warehouse), ON, config.secret(), Console(file=io.StringIO()))


def deliver(config: Config, source: str, feed: str, *records: dict[str, Any]) -> None:
    """Lines of one file, numbered from 1."""
    contract = contract_of(f"bronze.{source}")
    rows = [
        {
            **dict.fromkeys(contract.columns), "feed": feed, "file": f"{ON}/{source}/{feed}", "file_id": feed,
            "row_no": number, "record": json.dumps(record), "delivered_on": ON, "batch_id": "b", "source": source,
        }
        for number, record in enumerate(records, 1)
    ]  # fmt: skip
    append_at(config.warehouse, [{name: row[name] for name in contract.columns} for row in rows], contract)


def found(strong: set[str] = STRONG, **changed: Any) -> Found:
    nothing = Found(
        delete=set(),
        unlink={},
        suppress=set(),
        owner_only=set(),
        names={},
        shared=0,
        values=set(strong),
        strong=set(strong),
    )
    return nothing._replace(**changed)


def test_a_text_of_somebody_else_is_emptied_and_the_line_stays(config: Config):
    deliver(
        config, "crm", "interactions",
        {"contact_id": "C2", "topic": "returns", "free_text": "my wife's number is 040 123-4567"},
        {"contact_id": "C3", "topic": "returns", "free_text": "Anna was kind; my number is 040 765 4321"},
        {"contact_id": "C4", "receipt_id": "0401234567", "free_text": None},
    )  # fmt: skip
    told = with_mentions(run_of(config), found())
    # A name that is also her login is said of others; a number in a column that is no text is a receipt's.
    assert (told.delete, told.unlink) == (set(), {("interactions", 1): ["free_text"]})


def test_a_line_that_cannot_be_without_its_text_goes_whole(config: Config):
    deliver(
        config, "web_log", "access",
        {"request": "GET /unsubscribe?email=anna.salo%40posti.example HTTP/1.1", "cookie": None},
        {"request": "GET / HTTP/1.1", "referrer": "https://shop.example/?m=Anna.Salo@posti.example", "cookie": "c9"},
        {"request": "GET /about HTTP/1.1", "referrer": "-", "cookie": None},
    )  # fmt: skip
    deliver(
        config, "survey", "answers",
        {"answer_id": "A1", "comment": "write to anna.salo@posti.example"}, {"answer_id": "A2", "comment": "good"},
    )  # fmt: skip
    told = with_mentions(run_of(config), found())
    assert (told.delete, told.unlink) == ({("access", 1), ("access", 2)}, {("answers", 1): ["comment"]})


def test_her_own_lines_are_hers_already_and_a_receipt_keeps_what_is_blanked(config: Config):
    deliver(config, "crm", "interactions", {"contact_id": "C1", "free_text": "call +358 40 123 4567"})
    hers = found(delete={("interactions", 1)}, unlink={("receipt_lines", 2): ["payment_token"]})
    assert with_mentions(run_of(config), hers) == hers


def test_free_text_is_personal():
    with pytest.raises(ValueError, match="free_text is personal"):
        FeedColumn(type="string", free_text=True)

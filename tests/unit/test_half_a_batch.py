"""Lines of a batch that a dead run did not finish are published by no command; the next run takes their files anew."""

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import contract_of
from identity.erasure.erase import erase
from identity.keys import fingerprint
from identity.retention.maintain import maintain
from identity.rotation import rotate_key
from identity.run import Run
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import Tables, append_at, rows_at

ON = dt.date(2026, 2, 1)
AT = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
OLD, NEW = b"0123456789abcdef-old", b"0123456789abcdef-new"
CONF = Path(__file__).parents[2] / "conf/local.yaml"


class StoppedError(Exception):
    """What is published would be made now."""


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    (tmp_path / "landing").mkdir()
    return load_config(CONF, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


def put(config: Config, name: str, *rows: dict[str, Any]) -> None:
    contract = contract_of(name)
    append_at(config.warehouse, [{**dict.fromkeys(contract.columns), **row} for row in rows], contract)


def half_way(config: Config) -> None:
    """A published warehouse with two contacts; of the second one's batch bronze has a part."""
    for status, whose in (("taking", "whole"), ("taken", "whole"), ("taking", "half")):
        put(config, "ops.file", {
            "file_id": f"f-{whose}", "status": status, "source": "crm", "feed": "contacts",
            "file": f"{ON}/crm/contacts_{whose}.jsonl", "delivered_on": ON, "bytes": 1, "batch_id": whose,
            "taken_for": ON, "delivered": 0, "accepted": 0, "quarantined": 0, "suppressed": 0, "unlinked": 0,
        })  # fmt: skip
    for key, batch in (("C1", "whole"), ("C2", "half")):
        put(config, "bronze.crm", {
            "source": "crm", "feed": "contacts", "file_id": f"f-{batch}", "row_no": 1, "batch_id": batch,
            "file": f"{ON}/crm/contacts_{batch}.jsonl", "delivered_on": ON, "contract_version": 1,
            "record": f'{{"contact_id": "{key}"}}',
        })  # fmt: skip
    put(config, "ops.quarantine", {
        "source": "crm", "feed": "contacts", "file_id": "f-half", "row_no": 2, "batch_id": "half",
        "file": f"{ON}/crm/contacts_half.jsonl", "delivered_on": ON, "reason": "broken_row", "masked": "x",
    })  # fmt: skip
    put(config, "id.golden_member", {
        "golden_id": "g1", "part": "p", "source": "crm", "source_key": "C1", "level": "identified",
        "link_permission": "permitted", "valid_from_on": ON,
    })  # fmt: skip
    put(config, "silver.identifier", {
        "namespace": "crm_contact", "value_hmac": hash_of("crm_contact", "C1", key=hash_key(OLD)), "source": "crm",
        "source_key": "C1", "value": "C1", "level": "identified",
    })  # fmt: skip
    put(config, "ops.run", {
        "run_id": "r", "run_on": ON, "config_hash": "c", "key_fingerprint": fingerprint(OLD),
        "outcome": "published", "exit_code": 0, "started_at": AT, "seconds": 1.0,
    })  # fmt: skip
    put(config, "ops.publication", {"publication_no": 1, "run_id": "r", "published_for": ON, "versions": []})


def maintained(config: Config, tables: Tables) -> None:
    maintain(Run(config, tables, ON, OLD, Console(file=io.StringIO())))


def erased(config: Config, tables: Tables) -> None:
    erase(Run(config, tables, ON, OLD, Console(file=io.StringIO())), ["record=crm:C1"])


def rotated(config: Config, tables: Tables) -> None:
    """A rotation that died before it published goes on."""
    put(config, "ops.key_rotation", {
        "rotation_no": 1, "rotated_on": ON, "was_fingerprint": fingerprint(OLD),
        "key_fingerprint": fingerprint(NEW), "rehashed": 1, "left_behind": 0,
    })  # fmt: skip
    rotate_key(Run(config, tables, ON, NEW, Console(file=io.StringIO()), retired=(OLD,)))


@pytest.mark.parametrize(
    ("module", "command"),
    [("retention.maintain", maintained), ("erasure.erase", erased), ("rotation", rotated)],
)
def test_half_a_batch_is_gone_before_anything_is_published(
    spark: SparkSession, config: Config, monkeypatch: pytest.MonkeyPatch,
    module: str, command: Callable[[Config, Tables], None],
):  # fmt: skip
    def stop(*_: Any) -> None:
        raise StoppedError

    half_way(config)
    monkeypatch.setattr(f"identity.{module}.do_stages", stop)
    with pytest.raises(StoppedError):
        command(config, Tables(spark, config.warehouse))
    for name in ("bronze.crm", "ops.quarantine", "ops.file"):
        assert {row["batch_id"] for row in rows_at(config.warehouse, name)} <= {"whole"}, name

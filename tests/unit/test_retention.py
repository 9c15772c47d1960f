"""What is expired leaves, physically; the last day that may be kept, states and refusals stay."""

import datetime as dt
import hashlib
import io
import json
from inspect import getsource
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from identity.config import Config
from identity.config_reading import load_config
from identity.contracts import all_contracts, contract_of, unexpired
from identity.retention.bronze import aged
from identity.retention.maintain import maintain
from identity.retention.registers import (
    age_corrections,
    age_files_register,
    age_ids,
    age_landing,
    age_pages,
    age_registers,
    aging_registers,
    oldest_kept,
)
from identity.run import Run
from identity.sources import crm
from identity.stages import standardise as standardise_stage
from identity.stages.standardise import _feeds
from identity.tables import Tables, append_at, compact, forget_history, replace_at, rows_at

ON = dt.date(2030, 6, 1)
KEPT_FROM = dt.date(2030, 1, 1)
OLD, LAST, YOUNG = dt.date(2029, 12, 31), KEPT_FROM, dt.date(2030, 5, 1)


@pytest.fixture
def config(warehouse: Path, tmp_path: Path) -> Config:
    conf = Path(__file__).parents[2] / "conf/local.yaml"
    return load_config(conf, warehouse=warehouse, landing=tmp_path / "landing", need_model=False)


def put(warehouse: Path, name: str, *rows: dict[str, Any]) -> None:
    columns = contract_of(name).columns
    append_at(warehouse, [{**dict.fromkeys(columns), **row} for row in rows], contract_of(name))


def line(feed: str, row_no: int, delivered_on: dt.date, **record: object) -> dict[str, Any]:
    return {
        "source": "s", "feed": feed, "file_id": "x", "file": f"{delivered_on}/f", "row_no": row_no,
        "delivered_on": delivered_on, "record": json.dumps(record, separators=(",", ":")), "batch_id": "b",
        "contract_version": 1, "kept_for": None,
    }  # fmt: skip


def left(
    spark: SparkSession,
    config: Config,
    source: str,
    *lines: dict[str, Any],
    own: dict[str, int] | None = None,
) -> list[tuple[Any, ...]]:
    """What stays of a source whose lines are kept from `KEPT_FROM` on, and those of some feeds for days of their own."""
    contract = contract_of(f"bronze.{source}")
    rows = [tuple(row[name] for name in contract.columns) for row in lines]
    bronze = spark.createDataFrame(rows, contract.spark_schema)
    told = config.sources[source]
    feeds = {
        name: feed.model_copy(update={"retention_days": (own or {}).get(name)})
        for name, feed in told.feeds.items()
    }
    told = told.model_copy(update={"retention_days": (ON - KEPT_FROM).days, "feeds": feeds})
    stays = aged(bronze, told, on=ON)
    again = aged(stays, told, on=ON)
    assert sorted(again.collect()) == sorted(stays.collect())
    return sorted(
        (row["row_no"], row["kept_for"], tuple(sorted(json.loads(row["record"])))) for row in stays.collect()
    )


def test_lines_of_events_go_and_the_last_day_stays(spark: SparkSession, config: Config):
    lines = [line("receipt_lines", n, day, receipt_id=str(n)) for n, day in enumerate((OLD, LAST, YOUNG))]
    assert left(spark, config, "tills", *lines) == [(1, None, ("receipt_id",)), (2, None, ("receipt_id",))]


def test_the_newest_state_stays_however_old_and_older_ones_go(spark: SparkSession, config: Config):
    a, b = {"product_id": "A", "valid_from": "2020-01-01"}, {"product_id": "A", "valid_from": "2021-01-01"}
    earlier = OLD - dt.timedelta(days=9)
    lines = [
        line("products", 1, earlier, **a), line("products", 2, OLD, **a), line("products", 3, OLD, **b),
        line("stores", 4, OLD, store_id="S", valid_from="2020-01-01"),
        line("stores", 5, YOUNG, store_id="S", valid_from="2020-01-01"),
    ]  # fmt: skip
    assert [row_no for row_no, *_ in left(spark, config, "tills", *lines)] == [2, 3, 5]


def test_of_a_superseded_line_what_it_permitted_or_refused_stays_alone(spark: SparkSession, config: Config):
    said = [{"code": "ads", "value": "refused"}]
    person = {
        "contact_id": "C1",
        "last_name": "Virtanen",
        "updated_at": "2020-01-01T00:00:00Z",
        "deleted": False,
    }
    lines = [
        line("contacts", 1, OLD, **person, permissions=said),
        line("contacts", 2, OLD, **person, permissions=said),  # the same statement once more
        line("contacts", 3, OLD, **person, permissions=[]),
        line("contacts", 4, YOUNG, **person, permissions=said),
        line("interactions", 5, OLD, contact_id="C1", topic="t"),
    ]  # fmt: skip
    whole = ("contact_id", "deleted", "last_name", "permissions", "updated_at")
    assert left(spark, config, "crm", *lines) == [
        (1, "statement", ("contact_id", "deleted", "permissions", "updated_at")), (4, None, whole),
    ]  # fmt: skip


def test_a_feed_with_days_of_its_own_ages_by_these(spark: SparkSession, config: Config):
    last = dt.date(2030, 5, 2)  # 30 days before the run date
    before = last - dt.timedelta(days=1)
    lines = [
        line("interactions", 1, before, contact_id="C1", free_text="t"),
        line("interactions", 2, last, contact_id="C1", free_text="t"),
        line("contacts", 3, before, contact_id="C1"),
        line("contacts", 4, LAST, contact_id="C1"),
        line("contacts", 5, OLD, contact_id="C1"),
        line("a_feed_of_once", 6, LAST, x="x"),
        line("a_feed_of_once", 7, OLD, x="x"),
    ]
    stays = left(spark, config, "crm", *lines, own={"interactions": 30})
    assert [row_no for row_no, *_ in stays] == [2, 3, 4, 6]


def test_no_line_outlives_the_table_with_a_date_that_is_made_of_it(config: Config):
    made_of = {
        ("crm", "interactions"): "silver.interaction",
        ("survey", "answers"): "silver.interaction",
        ("tills", "receipt_lines"): "silver.sale_line",
        ("tills", "till_totals"): "silver.till_total",
        ("web_events", "app_events"): "silver.web_view",
        ("web_events", "events"): "silver.web_view",
        ("web_log", "access"): "silver.web_view",
    }
    # All other feeds tell of states, or make statements alone.
    others = {("crm", "contacts"), ("tills", "products"), ("tills", "stores")} | {
        ("loyalty", name) for name in ("members", "accounts", "cards", "consents")
    }
    feeds = {(name, feed) for name, source in config.sources.items() for feed in source.feeds}
    assert feeds == {*made_of, *others}
    for (name, feed), table in made_of.items():
        assert config.sources[name].kept_from(feed, ON) >= oldest_kept(contract_of(table), ON), (name, feed)
    # What was refused of a line is told no longer than any line that was taken.
    quarantined = oldest_kept(contract_of("ops.quarantine"), ON)
    assert all(quarantined >= config.sources[name].kept_from(feed, ON) for name, feed in feeds)


def test_choices_of_the_web_stay_without_what_was_looked_at(spark: SparkSession, config: Config):
    choice = {"event_id": "e", "type": "consent_choice", "at": "2029-01-01T00:00:00Z", "cookie_id": "ck"}
    lines = [
        line("events", 1, OLD, **choice, choices={"ads": "false"}, url="https://shop.example/secret"),
        line("events", 2, OLD, **{**choice, "type": "page_view"}, url="https://shop.example/secret"),
    ]  # fmt: skip
    assert left(spark, config, "web_events", *lines) == [
        (1, "statement", ("at", "choices", "cookie_id", "event_id", "type"))
    ]


def test_of_a_line_that_ended_its_key_nothing_stays_but_that(spark: SparkSession, config: Config):
    """A source may send the whole record with its end, as the sample's sources do not."""
    said = [{"code": "ads", "value": "refused"}]
    person = {
        "contact_id": "C1",
        "last_name": "Virtanen",
        "emails": ["a@posti.example"],
        "birth_date": "1980-05-17",
    }
    ended = {**person, "updated_at": "2020-01-01T00:00:00Z", "deleted": True}
    lines = [
        line("contacts", 1, OLD - dt.timedelta(days=1), **{**ended, "deleted": False}),
        line("contacts", 2, OLD, **ended, permissions=said),
        line("contacts", 3, LAST, **{**ended, "contact_id": "C2"}),  # not expired yet
        line("contacts", 4, OLD, **{**ended, "contact_id": "C3"}),
        line("contacts", 5, YOUNG, **{**ended, "contact_id": "C3", "deleted": False}),  # it came back
    ]  # fmt: skip
    whole = tuple(sorted(ended))
    assert left(spark, config, "crm", *lines) == [
        (2, "deletion", ("contact_id", "deleted", "permissions", "updated_at")), (3, None, whole), (5, None, whole),
    ]  # fmt: skip
    member = {
        "member_no": "M1",
        "first_name": "Aino",
        "email": "a@posti.example",
        "updated_at": "2020-01-01 00:00:00",
    }
    lines = [
        line("members", 1, OLD, **member, deleted=" TRUE"),
        line("members", 2, OLD, **{**member, "member_no": "M2"}, deleted="false"),
        line("cards", 3, OLD, card_no="K1", account_no="A1", member_no="M1", closed_on="2020-01-01"),
    ]
    assert left(spark, config, "loyalty", *lines) == [
        (1, "deletion", ("deleted", "member_no")), (2, None, ("deleted", *sorted(member))),
        (3, None, ("account_no", "card_no", "closed_on", "member_no")),
    ]  # fmt: skip


def test_what_is_left_of_an_end_still_ends_what_comes_late(spark: SparkSession, config: Config):
    told = {"contact_id": "C1", "last_name": "Virtanen", "updated_at": "2020-01-01T00:00:00Z"}
    said = [{"code": "ads", "value": "refused"}]
    expired = config.sources["crm"].kept_from("contacts", ON) - dt.timedelta(days=1)
    ended = line("contacts", 1, expired, **told, deleted=True, permissions=said)
    late = {**line("contacts", 1, expired - dt.timedelta(days=1), **told, deleted=False), "file_id": "late"}
    contract = contract_of("bronze.crm")
    bronze = spark.createDataFrame([tuple(ended[name] for name in contract.columns)], contract.spark_schema)
    stays = aged(bronze, config.sources["crm"], on=ON)
    assert "Virtanen" not in str(stays.collect())
    put(config.warehouse, "bronze.crm", *(row.asDict() for row in stays.collect()), late)
    tables = Tables(spark, config.warehouse)
    found = crm.rows(_feeds(Run(config, tables, ON, b"k", Console(file=io.StringIO())), "crm"))
    assert found["person"].count() == 0
    assert [row["subject_raw"] for row in found["consent"].collect()] == ["C1"]


def test_lines_are_counted_once_when_they_are_reduced_and_once_when_they_go(
    spark: SparkSession, config: Config
):
    told = {"contact_id": "C1", "last_name": "Virtanen", "updated_at": "2020-01-01T00:00:00Z"}
    expired = config.sources["crm"].kept_from("contacts", ON) - dt.timedelta(days=1)
    put(config.warehouse, "bronze.crm", line("contacts", 1, expired, **told, deleted=True))
    run = Run(config, Tables(spark, config.warehouse), ON, b"k", Console(file=io.StringIO()))

    def counted() -> tuple[int, int]:
        [row] = [r for r in maintain(run, keep_landing=True) if r["table_name"] == "bronze.crm"]
        return row["gone"], row["reduced"]

    assert counted() == (0, 1)
    assert "Virtanen" not in str(rows_at(config.warehouse, "bronze.crm"))
    assert counted() == (0, 0)
    put(config.warehouse, "bronze.crm", {**line("contacts", 1, ON, **told, deleted=False), "file_id": "y"})
    assert counted() == (1, 0)


def test_every_source_that_asks_for_consent_says_where_its_statements_are(config: Config):
    for name, source in config.sources.items():
        stated = [feed for feed in source.feeds.values() if feed.statement is not None]
        assert bool(stated) == source.consent.asked, name


def test_registers_age_by_their_day_and_what_is_published_keeps_its_rows(warehouse: Path):
    days = contract_of("ops.dq_result").columns["checked_at"].retention_days
    midnight = dt.datetime.combine(ON - dt.timedelta(days=days), dt.time(), dt.UTC)
    row = {
        "run_id": "r",
        "gate": "id",
        "table_name": "t",
        "expectation": "e",
        "column_name": "c",
        "success": True,
    }
    moments = [midnight, midnight - dt.timedelta(seconds=1)]
    put(warehouse, "ops.dq_result", *({**row, "checked_at": at} for at in moments))
    long_ago = dt.date(2001, 1, 1)
    put(
        warehouse, "ops.publication",
        *({"publication_no": n, "run_id": "r", "published_for": long_ago + dt.timedelta(days=n), "versions": [("g", n)]}
          for n in (1, 2)),
    )  # fmt: skip
    request = {
        "request_id": "R1",
        "right": "access",
        "golden_ids": [],
        "received_on": long_ago,
        "due_on": long_ago,
        "status": "open",
    }
    put(
        warehouse,
        "ops.subject_request",
        request,
        {**request, "request_id": "R2", "status": "closed", "closed_on": long_ago},
    )
    counted = {row["table_name"]: row["gone"] for row in age_registers(warehouse, on=ON, dry_run=True)}
    assert len(rows_at(warehouse, "ops.dq_result")) == 2
    told = {row["table_name"]: row["gone"] for row in age_registers(warehouse, on=ON, dry_run=False)}
    assert told == counted
    assert {name: n for name, n in told.items() if n} == {
        "ops.dq_result": 1, "ops.publication": 1, "ops.subject_request": 1,
    }  # fmt: skip
    assert [r["checked_at"] for r in rows_at(warehouse, "ops.dq_result")] == [midnight]
    assert [r["publication_no"] for r in rows_at(warehouse, "ops.publication")] == [2]
    assert [r["request_id"] for r in rows_at(warehouse, "ops.subject_request")] == ["R1"]
    again = age_registers(warehouse, on=ON, dry_run=False)
    assert not any(row["gone"] for row in again)


def test_a_decision_stays_until_the_one_after_it_is_expired(warehouse: Path):
    days = contract_of("consent.history").columns["decided_on"].retention_days
    kept_from = ON - dt.timedelta(days=days)
    years = [kept_from - dt.timedelta(days=n) for n in (900, 600, 300)]

    def row(golden_id: str, on: dt.date, decision: str, point: str = "person") -> dict[str, Any]:
        return {
            "golden_id": golden_id, "purpose": "service", "channel": "any", "contact_point": point,
            "decided_on": on, "decision": decision, "is_conflict": False,
        }  # fmt: skip

    rows = [
        row("stands", years[0], "permit"),
        row("turned", years[0], "permit"), row("turned", years[1], "deny"), row("turned", ON, "permit"),
        row("ended", years[1], "deny"), row("ended", years[2], "ended"),
        row("ends today", years[2], "deny"), row("ends today", ON, "ended"),
        row("first day", years[1], "deny"), row("first day", kept_from, "permit"),
        row("two", years[0], "deny", "a"), row("two", years[1], "deny", "b"), row("two", years[2], "permit", "b"),
    ]  # fmt: skip
    put(warehouse, "consent.history", *rows)
    counted = {r["table_name"]: r["gone"] for r in age_registers(warehouse, on=ON, dry_run=True)}
    told = {r["table_name"]: r["gone"] for r in age_registers(warehouse, on=ON, dry_run=False)}
    assert told["consent.history"] == counted["consent.history"] == 4
    left = {(r["golden_id"], r["decided_on"]) for r in rows_at(warehouse, "consent.history")}
    gone = {("turned", years[0]), ("ended", years[1]), ("ended", years[2]), ("two", years[1])}
    assert left == {(r["golden_id"], r["decided_on"]) for r in rows} - gone


def test_what_a_replaced_file_refused_outlives_retention_too(spark: SparkSession, config: Config):
    said = {"contact_id": "C1", "permissions": [{"code": "ads", "value": "refused"}], "deleted": False}
    refusals = [{**line("contacts", n, OLD, **said), "kept_for": "refusal"} for n in (1, 2)]
    lines = [*refusals, line("contacts", 3, OLD, **said), line("contacts", 4, YOUNG, **said)]
    kept = [(row_no, kept_for) for row_no, kept_for, _ in left(spark, config, "crm", *lines)]
    assert kept == [(1, "refusal"), (3, "statement"), (4, None)]


def test_a_correction_goes_as_long_after_its_record_as_it_may_be_kept(warehouse: Path):
    last = oldest_kept(contract_of("silver.correction"), ON)
    before = last - dt.timedelta(days=1)
    long_ago = dt.date(2001, 1, 1)
    memberships = {
        "standing": [None], "ended": [before], "on the last day": [last], "came back": [long_ago, None],
        "ended again": [long_ago, before], "never known": [],
    }  # fmt: skip
    for key, ends in memberships.items():
        for number, end in enumerate(ends):
            put(warehouse, "id.golden_member", {
                "golden_id": "g", "part": "p", "source": "crm", "source_key": key, "level": "identified",
                "link_permission": "permitted", "valid_from_on": long_ago + dt.timedelta(days=number),
                "valid_to_on": end,
            })  # fmt: skip
        put(warehouse, "silver.correction", {
            "source": "crm", "source_key": key, "attribute": "email", "value": "right@posti.example",
            "replaced": "wrong@posti.example", "corrected_on": long_ago, "request_id": "R",
        })  # fmt: skip
    # Another source's record of the same key stands; it has nothing to do with this one.
    put(warehouse, "id.golden_member", {
        "golden_id": "h", "part": "q", "source": "loyalty", "source_key": "ended", "level": "identified",
        "link_permission": "permitted", "valid_from_on": long_ago, "valid_to_on": None,
    })  # fmt: skip
    assert age_corrections(warehouse, on=ON, dry_run=True)["gone"] == 3
    assert len(rows_at(warehouse, "silver.correction")) == len(memberships)
    told = age_corrections(warehouse, on=ON, dry_run=False)
    assert told == {"table_name": "silver.correction", "kept_from": last, "gone": 3}
    stay = {row["source_key"] for row in rows_at(warehouse, "silver.correction")}
    assert stay == {"standing", "on the last day", "came back"}
    assert age_corrections(warehouse, on=ON, dry_run=False)["gone"] == 0


def test_no_table_of_silver_is_forgotten():
    """Each is made anew of bronze by every run, or stands here with what else becomes of it."""
    others = {"silver.correction"}  # with its record
    made = getsource(standardise_stage)
    kept = {c.name for c in all_contracts() if c.layer == "silver"}
    assert {name for name in kept if f'"{name.removeprefix("silver.")}"' not in made} == others
    assert {c.name for c in all_contracts() if c.kept == "record"} == others


def test_no_register_is_forgotten():
    """Each register ages by a column, or stands here with what else becomes of it."""
    others = {
        "ops.file",  # by what is in landing and in bronze
        "ops.key_rotation",  # a row a change of key, and the last one is in force
        "consent.effective", "consent.repermission",  # made anew by every run
        "consent.carried_refusal", "consent.statement", "consent.suppression",  # a refusal does not end
    }  # fmt: skip
    kept = {c.name for c in all_contracts() if c.layer in ("ops", "consent")}
    assert kept - {c.name for c in aging_registers()} == others


def taken(config: Config, source: str, file: str, delivered_on: dt.date, file_id: str) -> dict[str, Any]:
    path = config.landing / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x\n", encoding="utf-8")
    return {
        "file_id": file_id, "status": "taken", "source": source, "feed": "f", "file": file, "batch_id": "b",
        "delivered_on": delivered_on, "bytes": 2, "taken_for": delivered_on,
    }  # fmt: skip


def test_expired_landing_files_go_and_the_register_forgets_what_nothing_needs(config: Config):
    long_ago, recent = dt.date(2019, 1, 1), dt.date(2030, 5, 1)
    rows = [
        taken(config, "web_log", "2019-01-01/web_log/a.log", long_ago, "a"),
        taken(config, "tills", "2019-01-01/tills/b.csv", long_ago, "b"),
        taken(config, "web_log", "2030-05-01/web_log/c.log", recent, "c"),
    ]
    # A copy of a file that was taken is known by its bytes.
    rows[1]["file_id"] = hashlib.sha256(b"x\n").hexdigest()
    (config.landing / "2019-01-01/tills/copy.csv").write_bytes(b"x\n")
    put(config.warehouse, "ops.file", *rows)
    # Not taken yet: whoever delivers it late has it taken first.
    (config.landing / "2019-01-01/crm").mkdir()
    (config.landing / "2019-01-01/crm/contacts.jsonl").write_text("{}\n", encoding="utf-8")
    put(
        config.warehouse,
        "bronze.tills",
        {**line("stores", 1, long_ago, store_id="S"), "file_id": rows[1]["file_id"]},
    )
    assert age_files_register(config, on=ON, dry_run=False)["gone"] == 0
    assert age_landing(config, on=ON, dry_run=True)["gone"] == 3
    assert age_landing(config, on=ON, dry_run=False)["gone"] == 3
    assert sorted(p.relative_to(config.landing).as_posix() for p in config.landing.rglob("*") if p.is_file()) == [
        "2019-01-01/crm/contacts.jsonl", "2030-05-01/web_log/c.log",
    ]  # fmt: skip
    assert not (config.landing / "2019-01-01/web_log").exists()
    assert age_files_register(config, on=ON, dry_run=False)["gone"] == 1
    assert sorted(row["file_id"] for row in rows_at(config.warehouse, "ops.file")) == sorted(
        [rows[1]["file_id"], "c"]
    )
    assert age_landing(config, on=ON, dry_run=False)["gone"] == 0


def test_a_landing_file_ages_as_the_lines_of_its_feed(config: Config):
    source = config.sources["crm"]
    last = source.kept_from("interactions", ON)
    assert last > source.kept_from("contacts", ON)
    names = ("contacts.jsonl", "interactions_1.jsonl")
    days = (last, last - dt.timedelta(days=1))
    rows = [taken(config, "crm", f"{day}/crm/{name}", day, f"{day} {name}") for day in days for name in names]
    put(config.warehouse, "ops.file", *rows)
    assert age_landing(config, on=ON, dry_run=False)["gone"] == 1
    left_there = {p.relative_to(config.landing).as_posix() for p in config.landing.rglob("*.jsonl")}
    assert left_there == {row["file"] for row in rows} - {f"{days[1]}/crm/interactions_1.jsonl"}


def test_ids_that_ended_long_ago_go_with_their_whole_ledger(warehouse: Path):
    long_ago = dt.date(2001, 1, 1)
    event = {
        "cause": "edge",
        "effective_on": long_ago,
        "recorded_at": dt.datetime(2001, 1, 1, tzinfo=dt.UTC),
        "run_id": "r",
    }
    for golden_id, live, why in (
        ("gone", None, "retired"),
        ("merged", "lives", "merged"),
        ("lives", "lives", "live"),
    ):
        cross = {"golden_id": golden_id, "live_golden_id": live, "since_on": long_ago, "why": why}
        put(warehouse, "id.crosswalk", cross)
        put(
            warehouse,
            "id.golden_history",
            {**event, "event_id": golden_id, "event": "minted", "golden_id": golden_id},
        )
    recent = {"golden_id": "lately", "live_golden_id": None, "since_on": ON, "why": "retired"}
    put(warehouse, "id.crosswalk", recent)
    told = {row["table_name"]: row["gone"] for row in age_ids(warehouse, on=ON, dry_run=False)}
    assert told == {"id.golden_history": 1, "id.golden_member": 0, "id.crosswalk": 1}
    assert {row["golden_id"] for row in rows_at(warehouse, "id.crosswalk")} == {"merged", "lives", "lately"}
    assert {row["golden_id"] for row in rows_at(warehouse, "id.golden_history")} == {"merged", "lives"}


def test_logs_and_reports_of_forgotten_runs_go(warehouse: Path):
    for name in ("logs/2001-01-01-ab.jsonl", "reports/2001-01-01-ab.html", "logs/2030-05-01-ab.jsonl"):
        (warehouse / name).parent.mkdir(parents=True, exist_ok=True)
        (warehouse / name).write_text("{}", encoding="utf-8")
    assert age_pages(warehouse, on=ON, dry_run=False)["gone"] == 2
    assert [path.name for path in warehouse.rglob("*-ab.*")] == ["2030-05-01-ab.jsonl"]


def test_rows_older_than_their_table_keeps_are_not_made(spark: SparkSession):
    contract = contract_of("silver.till_total")
    days = contract.columns["business_on"].retention_days
    last = ON - dt.timedelta(days=days)
    rows = [("S", day, 1, None, "EUR") for day in (last, last - dt.timedelta(days=1))]
    frame = spark.createDataFrame(rows, contract.spark_schema)
    assert [row["business_on"] for row in unexpired(frame, contract, on=ON).collect()] == [last]


def test_small_files_are_written_together_and_no_older_file_stays(spark: SparkSession, warehouse: Path):
    contract = contract_of("ops.run_stage")
    row = {"stage": "s", "started_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "seconds": 1.0, "counts": []}
    for number in range(9):
        append_at(warehouse, [{**row, "run_id": str(number)}], contract)
    replace_at(warehouse, [{**row, "run_id": "gold"}], contract.model_copy(update={"name": "gold.x"}))
    compact(warehouse)
    forget_history(warehouse)
    files = list((warehouse / "ops/run_stage").glob("*.parquet"))
    assert len(files) == 1
    assert pq.read_table(files[0]).num_rows == 9
    assert len(Tables(spark, warehouse).rows("ops.run_stage")) == 9

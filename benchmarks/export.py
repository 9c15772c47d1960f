"""Exports of random persons against truth: is everything of theirs in it, and nothing of anybody else's?

`python -m benchmarks.export --warehouse W --landing L --truth T --exports 50`, after a run over a generated world. What
is expected is worked out here by other means, in plain Python: records by following confirmed edges one by one, and
those their source deleted by the part they were last of; receipts from the delivered files. Prints what is missing,
what is another's, and seconds an export; exits 1 if there is any of either.
"""

import argparse
import csv
import datetime as dt
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track

from identity.config import Config
from identity.config_reading import load_config
from identity.rights.export import export
from identity.rights.persons import Record, Subject, find
from identity.session import build_session, stop_session
from identity.tables import Tables, bytes_delivered, rows_at

ROOT = Path(__file__).parents[1]


@dataclass
class Known:
    """What the truth and the delivered files say, without the engine."""

    person_of: dict[Record, str]
    neighbours: dict[Record, set[Record]]
    member_of_card: dict[str, str]
    lines: dict[tuple[str, int], dict[str, str]]
    part_of: dict[Record, str]
    deleted: dict[str, set[Record]]

    @classmethod
    def read(cls, warehouse: Path, landing: Path, truth: Path) -> "Known":
        """Read it all."""
        people = pd.read_parquet(truth / "person_of_record.parquet")
        keys = zip(people["source"], people["source_key"], strict=True)
        neighbours: dict[Record, set[Record]] = defaultdict(set)
        for edge in rows_at(warehouse, "id.edge"):
            if edge["fate"] == "used" and edge["kind"] != "probabilistic":
                left, right = (
                    (edge["source_l"], edge["source_key_l"]),
                    (edge["source_r"], edge["source_key_r"]),
                )
                neighbours[left].add(right)
                neighbours[right].add(left)
        cards = {row["card_no"]: row["member_no"] for row in _rows(landing, "loyalty", "cards")}
        lines = {
            (row["receipt_id"], int(row["line_no"])): row
            for row in _rows(landing, "tills", "receipt_lines")
            if row["line_no"].isdigit()
        }
        part_of: dict[Record, str] = {}
        is_open: dict[Record, bool] = {}
        for row in sorted(
            rows_at(warehouse, "id.golden_member"), key=lambda row: row["valid_to_on"] or dt.date.max
        ):
            record = (row["source"], row["source_key"])
            part_of[record], is_open[record] = row["part"], row["valid_to_on"] is None
        deleted: dict[str, set[Record]] = defaultdict(set)
        for record, part in part_of.items():
            if not is_open[record]:
                deleted[part].add(record)
        person_of = dict(zip(keys, people["person_id"], strict=True))
        return cls(person_of, neighbours, cards, lines, part_of, deleted)

    def connected(self, record: Record) -> set[Record]:
        """Records that confirmed edges reach, one by one."""
        found, left = {record}, [record]
        while left:
            for other in self.neighbours[left.pop()] - found:
                found.add(other)
                left.append(other)
        return found

    def receipts_of(self, records: set[Record]) -> set[tuple[str, int]]:
        """Lines that show one of their loyalty cards, or else are paid with one of their payment cards."""
        members = {key for source, key in records if source == "loyalty"}
        tokens = {key for source, key in records if source == "tills"}
        found = set()
        for line, row in self.lines.items():
            member = self.member_of_card.get(row["loyalty_card_no"])
            is_theirs = member in members if member else row["payment_token"] in tokens
            if is_theirs:
                found.add(line)
        return found


@dataclass
class Checked:
    """What the exports held."""

    persons: int = 0
    records: int = 0
    lines: int = 0
    doubtful: int = 0
    missing: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def check(
    tables: Tables, config: Config, known: Known, asked: list[Record], *, key: bytes, on: Any
) -> Checked:
    """Export each person and compare."""
    result = Checked()
    doubtful_values = _values_of(config)
    for record in track(asked, "exports", console=Console(stderr=True)):
        subject = find(config, [f"record={record[0]}:{record[1]}"], key=key, with_deleted=True)
        began = time.monotonic()
        told = export(tables, config, subject, key=key, on=on)
        result.seconds.append(time.monotonic() - began)
        _compare(result, known, record, subject, told, doubtful_values)
    return result


def _compare(
    result: Checked,
    known: Known,
    record: Record,
    subject: Subject,
    told: dict[str, Any],
    values: dict[Record, set[str]],
) -> None:
    gone = known.deleted[known.part_of[record]]
    expected = {r for r in known.connected(record) | gone if r[0] not in ("cookie", "mobile_id")}
    shown = {(row["source"], row["source_key"]) for row in told["records"]}
    bought = {(row["receipt_id"], row["line_no"]) for row in told["purchases"]}
    receipts = known.receipts_of(expected)
    me = known.person_of.get(record)
    result.persons += 1
    result.records += len(shown)
    result.lines += len(bought)
    result.doubtful += len(subject.doubtful)
    result.missing += [f"record {r}" for r in expected - gone - shown] + [
        f"line {line}" for line in receipts - bought
    ]
    result.others += [f"record {r}" for r in shown if r in known.person_of and known.person_of[r] != me]
    result.others += [f"record {r}" for r in shown - expected]
    # A line that is paid or collected with nothing of theirs can only be there by an e-mail that is theirs alone.
    mails = {row["value"] for row in told["identifiers"] if row["namespace"] == "email"}
    for line in bought - receipts:
        if known.lines[line]["e_receipt_email"].strip().lower() not in mails:
            result.others.append(f"line {line}")
    keys = {row.get("login_id") for row in told["views"]} - {None}
    result.others += [f"login {k}" for k in keys if ("web_events", k) not in expected]
    result.others += [
        f"contact of {r['source_key']}"
        for r in told["interactions"]
        if (r["source"], r["source_key"]) not in expected
    ]
    for row in told["delivered"]:
        held = row["record"] if isinstance(row["record"], dict) else {}
        for column, source in (("member_no", "loyalty"), ("contact_id", "crm"), ("login_id", "web_events")):
            if held.get(column) and (source, held[column]) not in expected:
                result.others.append(f"delivered {source}:{held[column]}")
    hashes = {row["value_hmac"] for row in told["identifiers"]} | {None}
    result.leaked += [
        f"contact point of a decision for {row['purpose']}"
        for row in told["decisions"]
        if row["channel"] != "any" and row["contact_point"] not in hashes
    ]
    result.leaked += [
        f"contact point of a use for {row['purpose']}"
        for row in told["uses"]
        if row["contact_point_hmac"] not in hashes
    ]
    events = {row["event_key"] for row in told["consents"]} | {None}
    result.leaked += [
        "statement of another" for row in told["decisions"] if row["winning_event_key"] not in events
    ]
    parts = {part for _, part in subject.parts}
    result.leaked += [
        "part of another" for row in told["decisions"] if not set(row["permitted_parts"]) <= parts
    ]
    text = str({name: rows for name, rows in told.items() if name not in ("sources", "purposes")})
    mine = set().union(*(values.get(r, set()) for r in subject.records))
    for doubtful in subject.doubtful:
        result.leaked += [
            f"value of {doubtful}" for value in values.get(doubtful, set()) - mine if value in text
        ]


def _values_of(config: Config) -> dict[Record, set[str]]:
    found: dict[Record, set[str]] = defaultdict(set)
    for row in rows_at(config.warehouse, "silver.identifier"):
        if len(row["value"]) > 5:
            found[row["source"], row["source_key"]].add(row["value"])
    return found


def persons_to_ask(config: Config, number: int, *, seed: int) -> list[Record]:
    """A record each of random persons, of half of them with doubtful records beside."""
    members = [row for row in rows_at(config.warehouse, "id.golden_member") if row["valid_to_on"] is None]
    parts: dict[str, set[str]] = defaultdict(set)
    of_persons: dict[str, list[Record]] = defaultdict(list)
    for row in members:
        parts[row["golden_id"]].add(row["part"])
        if row["source"] in ("loyalty", "crm"):
            of_persons[row["golden_id"]].append((row["source"], row["source_key"]))
    chance = random.Random(seed)
    several = sorted(g for g in of_persons if len(parts[g]) > 1)
    single = sorted(g for g in of_persons if len(parts[g]) == 1)
    some = chance.sample(several, min(number // 2, len(several)))
    some += chance.sample(single, number - len(some))
    return [chance.choice(sorted(of_persons[golden])) for golden in some]


def _rows(landing: Path, source: str, feed: str) -> list[dict[str, str]]:
    """Delivered rows; of a key delivered again the last one counts."""
    rows = []
    for path in sorted(landing.glob(f"*/{source}/{feed}*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [row for row in csv.DictReader(file) if None not in row and None not in row.values()]
    return rows


def main() -> None:
    """Run, print, and fail where something is missing or another's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--warehouse", type=Path, required=True, help="warehouse of a run over the world")
    parser.add_argument("--landing", type=Path, required=True, help="the world's landing folder")
    parser.add_argument("--truth", type=Path, required=True, help="the world's truth")
    parser.add_argument("--exports", type=int, default=50, help="how many persons (default 50)")
    parser.add_argument("--seed", type=int, default=5, help="which persons (default 5)")
    asked = parser.parse_args()
    config = load_config(ROOT / "conf/local.yaml", landing=asked.landing, warehouse=asked.warehouse)
    published = max(row["published_for"] for row in rows_at(config.warehouse, "ops.publication"))
    spark = build_session(delivered=bytes_delivered(config.landing, config.warehouse))
    known = Known.read(config.warehouse, asked.landing, asked.truth)
    some = persons_to_ask(config, asked.exports, seed=asked.seed)
    result = check(Tables(spark, config.warehouse), config, known, some, key=config.secret(), on=published)
    stop_session(spark)
    print(
        f"{result.persons} persons, {result.records} records, {result.lines} receipt lines, {result.doubtful} doubtful records "
        f"beside them\nmissing {len(result.missing)}, of others {len(result.others)}, doubtful values leaked "
        f"{len(result.leaked)}\nseconds an export: {sum(result.seconds) / len(result.seconds):.2f}, the slowest "
        f"{max(result.seconds):.2f}"
    )
    for fault in [*result.missing, *result.others, *result.leaked][:10]:
        print(f"  {fault}")
    sys.exit(bool(result.missing or result.others or result.leaked))


if __name__ == "__main__":
    main()

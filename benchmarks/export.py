"""Exports of random persons against truth: is everything of theirs in it, and nothing of anybody else's?

`python -m benchmarks.export --warehouse W --landing L --truth T --exports 50`, after a run over a generated world. What
is expected is worked out by other means (`export_expected.py`), in plain Python: records by following confirmed edges one
by one, and those their source deleted by the part they were last of; delivered lines, receipts, interactions, views,
statements, cards and accounts from the delivered files. Prints what is missing, what is another's, and seconds an export;
exits 1 if there is any of either.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.export_expected import ASKED_BY_KEY, Expected, Known, fingerprint
from identity.config import Config
from identity.config_reading import load_config
from identity.rights.export import export
from identity.rights.persons import Record, Subject, find, own_keys
from identity.session import build_session, stop_session
from identity.standardise.identifiers import hash_key
from identity.tables import Tables, bytes_delivered, rows_at

ROOT = Path(__file__).parents[1]


@dataclass
class Checked:
    """What the exports held."""

    persons: int = 0
    records: int = 0
    lines: int = 0
    rows: int = 0
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
        called = {value_hmac for _, value_hmac in own_keys(subject.records, key=hash_key(key))}
        compare(result, known, record, subject, told, doubtful_values, called)
    return result


def compare(
    result: Checked,
    known: Known,
    record: Record,
    subject: Subject,
    told: dict[str, Any],
    values: dict[Record, set[str]],
    called: Collection[str],
) -> None:
    """Hold an export of a person against what it must hold, and note in the result what is amiss."""
    gone = known.deleted[known.part_of[record]]
    expected = {r for r in known.connected(record) | gone if r[0] not in ("cookie", "mobile_id")}
    shown = {(row["source"], row["source_key"]) for row in told["records"]}
    bought = {(row["receipt_id"], row["line_no"]) for row in told["purchases"]}
    wanted = known.expected(expected)
    receipts = wanted.receipts
    me = known.person_of.get(record)
    result.persons += 1
    result.records += len(shown)
    result.lines += len(bought)
    result.doubtful += len(subject.doubtful)
    result.missing += [f"record {r}" for r in expected - gone - shown] + [
        f"line {line}" for line in receipts - bought
    ]
    _compare_sections(result, wanted, told)
    result.others += [f"record {r}" for r in shown if r in known.person_of and known.person_of[r] != me]
    result.others += [f"record {r}" for r in shown - expected]
    # A line that is paid or collected with nothing of theirs can only be there by an e-mail that is theirs alone.
    mails = {row["value"] for row in told["identifiers"] if row["namespace"] == "email"}
    for line in bought - receipts:
        if known.lines[line]["e_receipt_email"].strip().lower() not in mails:
            result.others.append(f"line {line}")
    keys = {row.get("login_id") for row in told["views"]} - {None}
    result.others += [f"login {k}" for k in keys if ("web_events", k) not in expected]
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
    # What a record is called by is hers, also where the source deleted it and it has no identifiers any more.
    own = hashes.union(called)
    result.leaked += [
        "identifier of a refusal" for row in told["carried_refusals"] if row["value_hmac"] not in own
    ]
    events = {row["event_key"] for row in told["consents"]} | {None}
    result.leaked += [
        "statement of another" for row in told["decisions"] if row["winning_event_key"] not in events
    ]
    result.leaked += [
        "refusal of another" for row in told["repermissions"] if row["refusal_event_key"] not in events
    ]
    parts = {part for _, part in subject.parts}
    result.leaked += ["device of another" for row in told["devices"] if row["part"] not in parts]
    result.leaked += [
        "part of another" for row in told["decisions"] if not set(row["permitted_parts"]) <= parts
    ]
    text = str({name: rows for name, rows in told.items() if name not in ("sources", "purposes")})
    mine = set().union(*(values.get(r, set()) for r in subject.records))
    for doubtful in subject.doubtful:
        result.leaked += [
            f"value of {doubtful}" for value in values.get(doubtful, set()) - mine if value in text
        ]


def _compare_sections(result: Checked, wanted: Expected, told: dict[str, Any]) -> None:
    """What the delivered files say must be there, and where they say all, must be there alone."""
    delivered = {fingerprint(row["source"], row["feed"], row["record"]) for row in told["delivered"]}
    accounts = {line for line in delivered if line.startswith("loyalty.accounts ")}
    said = {(r["source"], r["purpose"], r["value"], (r["asserted_at"] or "")[:19]) for r in told["consents"]}
    sections: dict[str, tuple[Collection[Any], Collection[Any]]] = {
        "interaction": (wanted.interactions, [row["interaction_id"] for row in told["interactions"]]),
        "card": (wanted.cards, [row["card_no"] for row in told["cards"]]),
        "account": (wanted.accounts, [row["account_no"] for row in told["accounts"]]),
    }
    missing = {name: set(expected) - set(shown) for name, (expected, shown) in sections.items()}
    others = {name: set(shown) - set(expected) for name, (expected, shown) in sections.items()}
    missing["delivered line"] = wanted.delivered - delivered
    missing["view"] = wanted.views - {row["event_id"] for row in told["views"]}
    missing["statement"] = wanted.said - said
    others["delivered line"] = accounts - wanted.delivered
    others["statement"] = {x[:3] for x in said if x[0] in ASKED_BY_KEY} - {x[:3] for x in wanted.said}
    result.missing += [f"{name} {each}" for name, found in missing.items() for each in found]
    result.others += [f"{name} {each}" for name, found in others.items() for each in found]
    result.rows += sum(map(len, (delivered, said, *(shown for _, shown in sections.values()), told["views"])))


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
    known = Known.read(config, asked.truth)
    some = persons_to_ask(config, asked.exports, seed=asked.seed)
    result = check(Tables(spark, config.warehouse), config, known, some, key=config.secret(), on=published)
    stop_session(spark)
    print(
        f"{result.persons} persons, {result.records} records, {result.lines} receipt lines, {result.rows} other rows, "
        f"{result.doubtful} doubtful records beside them\n"
        f"missing {len(result.missing)}, of others {len(result.others)}, doubtful values leaked {len(result.leaked)}\n"
        f"seconds an export: {sum(result.seconds) / len(result.seconds):.2f}, the slowest {max(result.seconds):.2f}"
    )
    for fault in [*result.missing, *result.others, *result.leaked][:10]:
        print(f"  {fault}")
    sys.exit(bool(result.missing or result.others or result.leaked))


if __name__ == "__main__":
    main()

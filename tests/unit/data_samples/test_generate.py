"""The simulated world: its bytes are reproducible, its keys are sound, its truth and its files agree."""

import csv
import hashlib
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from data_samples.generate import BLOCK, main

TRAPS = {
    "abroad",
    "birth_date_error",
    "changed_email",
    "cleared_cookie",
    "company_mailbox",
    "consent_conflict",
    "consent_withdrawn",
    "corrected_day2",
    "deleted_day2",
    "duplicate_contact",
    "father_son",
    "grandmother_buys",
    "late_file",
    "married_name",
    "moved",
    "mystery_shopper",
    "nickname",
    "persona",
    "pick_up_address",
    "placeholder",
    "recycled_phone",
    "redelivered_file",
    "shared_email",
    "shared_tablet",
    "staff",
    "swapped_name",
    "test",
    "transliterated",
    "twin",
    "typo",
}


def make(folder: Path, seed: int = 7, *more: str) -> Path:
    arguments = ["--persons", "600", "--days", "2", "--seed", str(seed), "--out", str(folder), *more]
    assert main(arguments) == 0
    return folder


def checksums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(world: Path, pattern: str, delivery: str = "*") -> list[dict[str, str]]:
    """All good rows of a CSV feed, deliveries in order."""
    found = []
    for path in sorted((world / "landing").glob(f"{delivery}/{pattern}")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [row | {"delivery": path.parts[-3]} for row in csv.DictReader(file)]
    return [row for row in found if not is_bad(row)]


def is_bad(row: dict[str, str]) -> bool:
    number = re.compile(r"-?\d+\.\d\d")
    return (
        ("net_amount" in row and not number.fullmatch(row["net_amount"]))
        or row.get("sold_at", "2026").startswith("eilen")
        or row.get("member_no") == ""
    )


def documents(world: Path, pattern: str) -> list[dict[str, object]]:
    """All whole documents of a JSON feed."""
    found = []
    for path in sorted((world / "landing").glob(f"*/{pattern}")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return found


def truth(world: Path, table: str) -> list[tuple[str, ...]]:
    return duckdb.read_parquet(str(world / "truth" / f"{table}.parquet")).fetchall()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("world"))


def test_same_arguments_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    assert checksums(world) == checksums(make(tmp_path))


def test_the_committed_world_is_what_the_generator_makes(world: Path) -> None:
    committed = Path(__file__).parents[3] / "data_samples" / "world"
    landing = {name: value for name, value in checksums(world).items() if name.startswith("landing")}
    kept = {name: value for name, value in checksums(committed).items() if name.startswith("landing")}
    assert kept == landing


def test_another_seed_gives_another_world(world: Path, tmp_path: Path) -> None:
    ours, others = checksums(world), checksums(make(tmp_path, 8))
    fixed = {name for name in ours if re.search(r"/(products|stores)\.csv$", name)}
    assert {name for name in ours if "landing" in name and ours[name] == others.get(name)} == fixed


@pytest.mark.long
def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    arguments = ["--persons", str(BLOCK + 500), "--days", "2", "--seed", "7"]
    for workers in ("1", "2"):
        assert main([*arguments, "--workers", workers, "--out", str(tmp_path / workers)]) == 0
    assert checksums(tmp_path / "1") == checksums(tmp_path / "2")


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").touch()
    assert main(["--persons", "600", "--days", "2", "--seed", "7", "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "is not empty" in message


@pytest.mark.parametrize(
    ("feed", "key"),
    [
        ("loyalty/members.csv", ("member_no",)),
        ("loyalty/accounts.csv", ("account_no",)),
        ("loyalty/cards.csv", ("card_no",)),
        ("tills/receipt_lines*.csv", ("receipt_id", "line_no")),
        ("tills/till_totals.csv", ("store_id", "business_date")),
        ("tills/products.csv", ("product_id",)),
        ("survey/answers.csv", ("answer_id",)),
    ],
)
def test_keys_are_unique_in_a_delivery(world: Path, feed: str, key: tuple[str, ...]) -> None:
    for delivery in ("2026-01-31", "2026-02-01"):
        files = rows(world, feed, delivery)
        again = {
            row["receipt_id"] for row in rows(world, "tills/*_again.csv", delivery) if "receipt_id" in row
        }
        keys = Counter(
            tuple(row[name] for name in key) for row in files if row.get("receipt_id") not in again
        )
        assert {value: count for value, count in keys.items() if count > 1} == {}


@pytest.mark.parametrize(
    ("feed", "key"),
    [
        ("web_events/events.jsonl", "event_id"),
        ("web_events/app_events.jsonl", "event_id"),
    ],
)
def test_event_keys_are_unique(world: Path, feed: str, key: str) -> None:
    keys = [document[key] for document in documents(world, feed)]
    assert len(keys) == len(set(keys))


def test_registers_are_sorted_by_key_and_events_by_time(world: Path) -> None:
    members = [row["member_no"] for row in rows(world, "loyalty/members.csv", "2026-01-31")]
    assert members == sorted(members)
    times = [row["sold_at"] for row in rows(world, "tills/receipt_lines.csv", "2026-01-31")]
    assert times == sorted(times)


def test_till_totals_reconcile_to_the_cent(world: Path) -> None:
    known: dict[tuple[str, str], dict[str, str]] = {}
    for delivery in ("2026-01-31", "2026-02-01"):
        delivered = rows(world, "tills/receipt_lines*.csv", delivery)
        known |= {(row["receipt_id"], row["line_no"]): row for row in delivered}
        sums: Counter[tuple[str, str]] = Counter()
        lines: Counter[tuple[str, str]] = Counter()
        for row in known.values():
            place = (row["store_id"], row["sold_at"][:10])
            sums[place] += Decimal(row["net_amount"])  # type: ignore[assignment]
            lines[place] += 1
        totals = {
            (row["store_id"], row["business_date"]): row
            for day in ("2026-01-31", "2026-02-01")[: 1 if delivery == "2026-01-31" else 2]
            for row in rows(world, "tills/till_totals.csv", day)
        }
        assert {place: Decimal(row["net_amount"]) for place, row in totals.items()} == sums
        assert {place: int(row["lines"]) for place, row in totals.items()} == lines


def test_net_is_gross_less_discount(world: Path) -> None:
    for row in rows(world, "tills/receipt_lines*.csv"):
        assert Decimal(row["net_amount"]) == Decimal(row["gross_amount"]) - Decimal(row["discount_amount"])


def test_truth_and_landing_name_the_same_keys(world: Path) -> None:
    events = documents(world, "web_events/*.jsonl")
    lines = rows(world, "tills/receipt_lines*.csv")
    landed = {
        "loyalty": {row["member_no"] for row in rows(world, "loyalty/members.csv")},
        "crm": {document["contact_id"] for document in documents(world, "crm/contacts.jsonl")},
        "web_events": {event["login_id"] for event in events if event["login_id"]},
        "tills": {row["payment_token"] for row in lines if row["payment_token"]},
    }
    known: dict[str, set[str]] = {source: set() for source in landed}
    for source, key, _ in truth(world, "person_of_record"):
        known[source].add(key)
    assert known == landed
    assert {receipt for receipt, _ in truth(world, "person_of_receipt")} == {
        row["receipt_id"] for row in lines
    }


def test_every_device_seen_has_an_owner_at_that_time(world: Path) -> None:
    spans: dict[str, list[tuple[str, str]]] = {}
    for _, value, _, begin, end in truth(world, "device_owner"):
        spans.setdefault(value, []).append((f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}"))
    for event in documents(world, "web_events/*.jsonl"):
        device, at = event.get("cookie_id") or event["mobile_id"], event["at"]
        assert sum(begin <= at < end for begin, end in spans[device]) == 1  # type: ignore[index, operator]


def test_a_login_on_a_cookie_is_its_owners(world: Path) -> None:
    person_of = {
        key: person for source, key, person in truth(world, "person_of_record") if source == "web_events"
    }
    spans: dict[str, list[tuple[str, str, str]]] = {}
    for _, value, person, begin, end in truth(world, "device_owner"):
        spans.setdefault(value, []).append(
            (f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}", person)
        )
    for event in documents(world, "web_events/events.jsonl"):
        if event["login_id"]:
            owners = [p for begin, end, p in spans[event["cookie_id"]] if begin <= event["at"] < end]  # type: ignore[index, operator]
            assert owners == [person_of[event["login_id"]]]  # type: ignore[index]


def test_personas_are_present(world: Path) -> None:
    people = {person for _, _, person in truth(world, "person_of_record")}
    assert {"persona-pekka", "persona-pirjo", "persona-kalle", "persona-kalle-grandmother"} <= people
    objection = [row for row in rows(world, "loyalty/consents.csv") if row["answer"] == "V"]
    assert ("M00000002", "EM", "2026-02-01") in {
        (row["member_no"], row["permission"], row["delivery"]) for row in objection
    }


def test_every_trap_is_set(world: Path) -> None:
    assert {row[0] for row in truth(world, "trap")} == TRAPS


def test_every_trap_in_a_record_names_a_record_of_that_person(world: Path) -> None:
    person_of = {(source, key): person for source, key, person in truth(world, "person_of_record")}
    for name, person, _, source, key in truth(world, "trap"):
        if source in {"loyalty", "crm"}:
            assert person_of[source, key] == person, name


def test_the_redelivered_file_is_the_same_file(world: Path) -> None:
    first = world / "landing/2026-01-31/tills/receipt_lines_contact_centre.csv"
    again = world / "landing/2026-02-01/tills/receipt_lines_contact_centre_again.csv"
    assert first.read_bytes() == again.read_bytes()


def test_late_lines_were_sold_before_their_delivery(world: Path) -> None:
    late = rows(world, "tills/receipt_lines_late.csv")
    assert late
    assert all(row["sold_at"][:10] < row["delivery"] for row in late)


def test_bad_rows_are_counted(world: Path) -> None:
    counted = Counter[str]()
    for source, feed, delivery, _, number in truth(world, "bad_rows"):
        day = ("2026-01-31", "2026-02-01")[int(delivery)]
        extension = "jsonl" if feed == "events" else "csv"
        path = world / "landing" / day / source / f"{feed}.{extension}"
        counted[str(path)] += int(number)
    found = Counter[str]()
    for path in (world / "landing").rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            found[str(path)] += sum(map(is_bad, csv.DictReader(file)))
    for path in (world / "landing").rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found[str(path)] += not line.endswith("}")
    assert counted == +found


def test_mailboxes_lie_in_reserved_domains(world: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (world / "landing").rglob("*.[cj]s*"))
    domains = {match.split("@")[1] for match in re.findall(r"[\w.+-]+@[\w.-]+\w", text)}
    assert {domain for domain in domains if not domain.endswith(".example")} == {"test.fi"}

"""What an export must hold, worked out in plain Python: records over confirmed edges, the rest from the delivered files.

Of the engine it takes confirmed edges, the part of what was deleted, and which lines were refused at landing, and
nothing that it makes of a line.
"""

import csv
import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd

from identity.config import Config
from identity.rights.persons import Record
from identity.tables import rows_at

# Feeds whose lines are of the record that a column names.
_KEYED: Final = {
    ("loyalty", "members"): "member_no",
    ("loyalty", "cards"): "member_no",
    ("loyalty", "consents"): "member_no",
    ("crm", "contacts"): "contact_id",
    ("crm", "interactions"): "contact_id",
    ("web_events", "events"): "login_id",
    ("web_events", "app_events"): "login_id",
    ("web_log", "access"): "login",
}
_LOG: Final = re.compile(r'^\S+ \S+ (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)"')
_KEPT_OF_LOG: Final = ("login", "time", "request")
# A loyalty or CRM statement is about the person's own key; one from the web may be about a device.
ASKED_BY_KEY: Final = ("loyalty", "crm")


class Line(NamedTuple):
    """A delivered line that was not refused."""

    source: str
    feed: str
    day: str
    row: dict[str, Any]


Said = tuple[str, str, str, str]  # source, purpose, answer, second


@dataclass
class Expected:
    """What an export of a person must hold.

    Attributes:
        delivered: Lines that her records' own keys, her cards' accounts and her receipts name, as `fingerprint`.
        views: Events with her login, where every answer to being collected that may be about them is a yes.
        said: Statements by her member numbers, contacts and logins, whose time can be read.
    """

    delivered: set[str] = field(default_factory=set)
    receipts: set[tuple[str, int]] = field(default_factory=set)
    interactions: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    said: set[Said] = field(default_factory=set)
    cards: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)


@dataclass
class Known:
    """What the truth and the delivered files say."""

    person_of: dict[Record, str]
    neighbours: dict[Record, set[Record]]
    of_record: dict[Record, list[Line]]
    of_account: dict[str, list[Line]]
    cards: dict[str, dict[str, str]]
    lines: dict[tuple[str, int], dict[str, str]]
    collected: dict[tuple[str, str], set[str]]
    codes: dict[str, Mapping[str, tuple[str, ...]]]
    answers: dict[str, Mapping[str, str]]
    part_of: dict[Record, str]
    deleted: dict[str, set[Record]]

    @classmethod
    def read(cls, config: Config, truth: Path) -> "Known":
        """Read it all."""
        people = pd.read_parquet(truth / "person_of_record.parquet")
        keys = zip(people["source"], people["source_key"], strict=True)
        neighbours: dict[Record, set[Record]] = defaultdict(set)
        for edge in rows_at(config.warehouse, "id.edge"):
            if edge["fate"] == "used" and edge["kind"] != "probabilistic":
                left, right = (
                    (edge["source_l"], edge["source_key_l"]),
                    (edge["source_r"], edge["source_key_r"]),
                )
                neighbours[left].add(right)
                neighbours[right].add(left)
        sources = config.sources.values()
        known = cls(
            dict(zip(keys, people["person_id"], strict=True)), neighbours, defaultdict(list), defaultdict(list),
            {}, {}, defaultdict(set), {s.source: s.consent.codes for s in sources},
            {s.source: s.consent.values for s in sources}, *_last_parts(config.warehouse),
        )  # fmt: skip
        for line in _delivered(config):
            known._take(line)
        return known

    def _take(self, line: Line) -> None:
        row, column = line.row, _KEYED.get((line.source, line.feed))
        if column is not None and row.get(column):
            source = "web_events" if line.source == "web_log" else line.source
            self.of_record[source, row[column]].append(line)
        if line.feed == "accounts":
            self.of_account[row["account_no"]].append(line)
        elif line.feed == "cards":
            self.cards[row["card_no"]] = row
        elif line.feed == "receipt_lines":
            self.lines[row["receipt_id"], int(row["line_no"])] = row
        elif row.get("choices"):
            for space in ("login_id", "cookie_id"):
                if row.get(space):
                    self.collected[space, row[space]].add(_text(row["choices"].get("analytics")))

    def connected(self, record: Record) -> set[Record]:
        """Records that confirmed edges reach, one by one; from a deleted one, which has none, from those of its part."""
        found = {record}
        if record in self.deleted[self.part_of[record]]:
            found |= {other for other, part in self.part_of.items() if part == self.part_of[record]}
        left = sorted(found)
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
            card = self.cards.get(row["loyalty_card_no"])
            is_theirs = card["member_no"] in members if card else row["payment_token"] in tokens
            if is_theirs:
                found.add(line)
        return found

    def expected(self, records: set[Record]) -> Expected:
        """What an export of these records must hold."""
        found = Expected(receipts=self.receipts_of(records))
        members = {key for source, key in records if source == "loyalty"}
        for card_no, card in self.cards.items():
            if card["member_no"] in members:
                found.cards.add(card_no)
                found.accounts.add(card["account_no"])
        lines = [line for record in records for line in self.of_record.get(record, ())]
        joint = [line for account in found.accounts for line in self.of_account[account]]
        found.delivered = {fingerprint(x.source, x.feed, x.row) for x in (*lines, *joint)}
        found.delivered |= {fingerprint("tills", "receipt_lines", self.lines[x]) for x in found.receipts}
        for line in lines:
            if line.feed == "interactions":
                found.interactions.add(line.row["interaction_id"])
            if line.source == "web_events" and self._is_collected(line.row):
                found.views.add(line.row["event_id"])
            found.said |= {said for said in self._said(line) if said[3][:10] <= line.day}
        return found

    def _is_collected(self, row: Mapping[str, Any]) -> bool:
        """Whether all that the login and the device ever answered is yes, and the login answered."""
        device = self.collected.get(("cookie_id", row.get("cookie_id") or ""), {"true"})
        return self.collected.get(("login_id", row["login_id"])) == {"true"} == device

    def _said(self, line: Line) -> Iterator[Said]:
        row = line.row
        if line.feed == "consents":
            told = [(row["permission"], row["answer"], row["asserted_at"])]
        elif line.feed == "contacts":
            told = [(p["code"], p["value"], p["at"]) for p in row["permissions"] or ()]
        elif line.feed == "events":
            told = [(code, _text(answer), row["at"]) for code, answer in (row["choices"] or {}).items()]
        else:
            told = []
        for code, answer, at in told:
            meant = self.answers[line.source].get(answer, answer)
            if _is_time(at):
                for purpose in self.codes[line.source][code]:
                    yield line.source, purpose, "n" if meant == "objection" else meant, at[:19]


def _last_parts(warehouse: Path) -> tuple[dict[Record, str], dict[str, set[Record]]]:
    """The part a record is or was last of, and of every part the records that their source deleted."""
    part_of: dict[Record, str] = {}
    is_open: dict[Record, bool] = {}
    for row in sorted(rows_at(warehouse, "id.golden_member"), key=lambda r: r["valid_to_on"] or dt.date.max):
        record = (row["source"], row["source_key"])
        part_of[record], is_open[record] = row["part"], row["valid_to_on"] is None
    deleted: dict[str, set[Record]] = defaultdict(set)
    for record, part in part_of.items():
        if not is_open[record]:
            deleted[part].add(record)
    return part_of, deleted


def fingerprint(source: str, feed: str, row: Mapping[str, Any]) -> str:
    """A delivered record as one text; of a line of the server log what tells it from others."""
    kept = {
        name: value
        for name, value in row.items()
        if value not in (None, "") and (source != "web_log" or name in _KEPT_OF_LOG)
    }
    return f"{source}.{feed} {json.dumps(kept, sort_keys=True, ensure_ascii=False)}"


def _delivered(config: Config) -> Iterator[Line]:
    """Lines of all deliveries in their order, without those that the register of refused lines names."""
    refused = {(row["file"], row["row_no"]) for row in rows_at(config.warehouse, "ops.quarantine")}
    for day in sorted(path for path in config.landing.iterdir() if path.is_dir()):
        for source in config.sources.values():
            for path in sorted((day / source.source).glob("*")):
                name = path.relative_to(config.landing).as_posix()
                for feed, contract in source.feeds.items():
                    if fnmatch(path.name, contract.pattern):
                        for row_no, row in _rows(path, contract.format):
                            if (name, row_no) not in refused:
                                yield Line(source.source, feed, day.name, row)


def _rows(path: Path, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        if kind == "csv":
            reader = csv.reader(file)
            header = next(reader)
            for cells in reader:
                yield reader.line_num, dict(zip(header, cells, strict=False))
            return
        for row_no, text in enumerate(file, 1):
            if kind == "json":
                try:
                    yield row_no, json.loads(text)
                except ValueError:
                    continue  # refused, too
            elif found := _LOG.match(text):
                login, at, request = found.groups()
                when = dt.datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").astimezone(dt.UTC)
                time = f"{when:%Y-%m-%dT%H:%M:%SZ}"
                yield row_no, {"login": "" if login == "-" else login, "time": time, "request": request}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_time(text: str | None) -> bool:
    try:
        return dt.datetime.fromisoformat(text or "").tzinfo is not None
    except ValueError:
        return False

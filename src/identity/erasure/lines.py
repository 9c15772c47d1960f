"""Which delivered lines are a person's, which only name them, and what of it is theirs alone."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from identity.config import Feed
from identity.consent.suppression import carried_identifiers
from identity.erasure.line import Line, line_of
from identity.erasure.needles import json_text, leaves
from identity.erasure.receipts import of_others, unlinked
from identity.rights.persons import DEVICES, OWN_KEYS, Record, holders_of_cards, own_keys
from identity.run import Run
from identity.sources.rows import union
from identity.standardise.corrections import CONTACTS
from identity.standardise.identifiers import hash_key, hash_of, normalised
from identity.tables import among, columns_at, rows_at


class Found(NamedTuple):
    """What is the persons' in bronze.

    Attributes:
        delete: Their lines.
        unlink: Receipt lines, and the columns to be blanked.
        suppress: Identifiers that are theirs alone: namespace and keyed hash.
        owner_only: What their records are called by and somebody else's lines name too: suppressed as owner of a line only.
        names: Values of `owner_only` by the source whose records they name, but not devices: others are logged in on these.
        shared: How many of their identifiers somebody else carries too.
        values: All values in their lines and on their receipts, theirs alone or not.
        strong: Identifiers that are theirs alone, as delivered and normalised; a line that holds one is theirs.
    """

    delete: set[Line]
    unlink: dict[Line, list[str]]
    suppress: set[tuple[str, str]]
    owner_only: set[tuple[str, str]]
    names: dict[str, set[str]]
    shared: int
    values: set[str]
    strong: set[str]


def find_lines(run: Run, records: Collection[Record]) -> Found:
    """Find the persons' lines in bronze.

    Args:
        run: The run.
        records: The persons' source records.
    """
    warehouse = run.config.warehouse
    feed_of, bronze = _bronze(run)
    carried = _carried(run)
    called = own_keys(records, key=hash_key(run.key))
    own = {value_hmac for _, value_hmac in called}
    theirs = carried.filter(pc.is_in(carried["value_hmac"], pa.array(sorted(own), pa.string()))).to_pylist()
    feeds = {(s.source, name): feed for s in run.config.sources.values() for name, feed in s.feeds.items()}
    delete, receipts = _owned(theirs, feed_of, feeds)
    of_cards = _select(carried, {line for line in delete if feed_of[line[0]] == ("loyalty", "cards")})
    held = _cards_of_others(warehouse, records)
    cards = {r["value_hmac"] for r in of_cards if r["namespace"] == "loyalty_card" and r["value"] not in held}
    # A receipt is theirs by its card, too, and so is what paid it, if it is nobody else's.
    is_card = pc.is_in(carried["value_hmac"], pa.array(sorted(cards), pa.string()))
    by_card = {
        line_of(r) for r in carried.filter(is_card).to_pylist() if feeds[feed_of[r["file_id"]]].is_accounting
    }
    paid = {r["value_hmac"] for r in _select(carried, by_card) if r["namespace"] == "payment_token"}
    tokens = paid - _tokens_of_others(warehouse, records, key=hash_key(run.key))
    receipts |= by_card
    delete |= _accounts(bronze, records)
    of_lines = _select(carried, delete | receipts)
    known = (
        own
        | cards
        | tokens
        | {r["value_hmac"] for r in of_lines if line_of(r) in delete and r["namespace"] in ("email", "phone")}
    )
    columns = [
        (column, c.identifier)
        for feed in feeds.values()
        if feed.is_accounting
        for column, c in feed.columns.items()
        if c.identifier
    ]
    unlink, blanked = unlinked(
        [r for r in of_lines if line_of(r) in receipts], columns, own=own, known=known,
        of_others=of_others(carried, of_lines, by_card),
    )  # fmt: skip
    gone = {(line_of(r), r["namespace"], r["value_hmac"]) for r in of_lines if line_of(r) in delete} | blanked
    mine = {(namespace, value_hmac) for _, namespace, value_hmac in gone}
    others = {
        (r["namespace"], r["value_hmac"])
        for r in carried.filter(pc.is_in(carried["value_hmac"], pa.array(sorted({h for _, h in mine})))).to_pylist()
        if (line_of(r), r["namespace"], r["value_hmac"]) not in gone
    }  # fmt: skip
    alone = mine - others
    strong = {
        text
        for r in of_lines
        if (r["namespace"], r["value_hmac"]) in alone
        for text in (r["value"], r["written"])
    }
    delete |= _surveys(bronze, {r["value"] for r in of_lines if r["namespace"] == "cookie"} & strong)
    values = _values(run, bronze, feed_of, delete, unlink)
    names: dict[str, set[str]] = defaultdict(set)
    for r in of_lines:
        if (r["namespace"], r["value_hmac"]) in called - alone and r["namespace"] not in DEVICES:
            names[OWN_KEYS[r["namespace"]]] |= {r["value"], r["written"]}
    shared = len(mine - alone)
    return Found(delete, unlink, alone, called - alone, dict(names), shared, values | strong, strong)


def with_corrections(warehouse: Path, found: Found, records: Collection[Record], *, key: bytes) -> Found:
    """What was found, and what the persons had put right: no delivered line holds it.

    Args:
        warehouse: The warehouse.
        found: What `find_lines` found.
        records: The persons' source records.
        key: Key of the hashes.
    """
    rows = [
        row
        for row in rows_at(warehouse, "silver.correction")
        if (row["source"], row["source_key"]) in records
    ]
    told = [(row["attribute"], text) for row in rows for text in (row["value"], row["replaced"]) if text]
    values = {text for name, text in told if name not in CONTACTS}
    points = {(name, each) for name, text in told if name in CONTACTS for each in text.split()}
    hashed = {(name, hash_of(name, value, key=key)) for name, value in points}
    names = ["namespace", "value_hmac", "source", "source_key"]
    where = among("value_hmac", (value_hmac for _, value_hmac in hashed))
    of_others = {
        (r["namespace"], r["value_hmac"])
        for r in columns_at(warehouse, "silver.identifier", names, where).to_pylist()
        if (r["source"], r["source_key"]) not in records
    }
    return found._replace(
        suppress=found.suppress | (hashed - of_others),
        values=found.values | values | {value for _, value in points},
    )


def _bronze(run: Run) -> tuple[dict[str, tuple[str, str]], dict[str, dict[Line, str]]]:
    """The feed of every file, and bronze's records by source and line."""
    feed_of: dict[str, tuple[str, str]] = {}
    records: dict[str, dict[Line, str]] = {}
    for source in run.config.sources:
        table = columns_at(run.config.warehouse, f"bronze.{source}", ["feed", "file_id", "row_no", "record"])
        columns = [table[name].to_pylist() for name in ("feed", "file_id", "row_no", "record")]
        records[source] = {}
        for feed, file_id, row_no, record in zip(*columns, strict=True):
            feed_of[file_id] = (source, feed)
            records[source][file_id, row_no] = record
    return feed_of, records


def _carried(run: Run) -> pa.Table:
    """Every identifier on every line of bronze, read as the suppression list reads them."""
    each = [
        carried_identifiers(run.tables.read(f"bronze.{name}"), source.feeds)
        for name, source in run.config.sources.items()
        if source.linkage == "allowed"
    ]
    raw = union(each).withColumn("written", F.col("raw"))
    rows = normalised(raw, namespaces=run.config.namespaces, key=hash_key(run.key))
    kept = ["file_id", "row_no", "namespace", "is_owner", "value", "value_hmac", "written"]
    return rows.select(*kept).toArrow()


def _cards_of_others(warehouse: Path, records: Collection[Record]) -> set[str]:
    """Loyalty cards that somebody else holds today, whoever held them before."""
    theirs = {(source, source_key.strip()) for source, source_key in records}
    return {card_no for card_no, holder in holders_of_cards(warehouse).items() if holder not in theirs}


def _tokens_of_others(warehouse: Path, records: Collection[Record], *, key: bytes) -> set[str]:
    """Keyed hashes of payment cards that identifiers hold together with other records of somebody else."""
    rows = rows_at(warehouse, "id.golden_member", pc.field("valid_to_on").is_null())
    parts: dict[str, set[Record]] = defaultdict(set)
    for r in rows:
        parts[r["part"]].add((r["source"], r["source_key"]))
    others = [part for part in parts.values() if len(part) > 1 and part.isdisjoint(records)]
    return {
        hash_of("payment_token", source_key.strip(), key=key)
        for part in others
        for source, source_key in part
        if source == OWN_KEYS["payment_token"]
    }


def _owned(
    theirs: Iterable[Mapping[str, Any]],
    feed_of: Mapping[str, tuple[str, str]],
    feeds: Mapping[tuple[str, str], Feed],
) -> tuple[set[Line], set[Line]]:
    """Lines whose owner is one of the persons' records, and receipts paid with their cards.

    Other identifiers of a line may be somebody else's, as those of a device are while another is logged in.
    """
    delete: set[Line] = set()
    receipts: set[Line] = set()
    for r in theirs:
        if feeds[feed_of[r["file_id"]]].is_accounting:
            if r["namespace"] == "payment_token":
                receipts.add(line_of(r))
        elif r["is_owner"]:
            delete.add(line_of(r))
    return delete, receipts


def _accounts(bronze: Mapping[str, Mapping[Line, str]], records: Collection[Record]) -> set[Line]:
    """Lines of loyalty accounts whose every holder is to be erased."""
    holders: dict[str, set[str]] = defaultdict(set)
    accounts: dict[str, set[Line]] = defaultdict(set)
    for line, record in bronze.get("loyalty", {}).items():
        row = json_text(record)
        account = str(row.get("account_no") or "")
        if account and "member_no" in row:
            holders[account].add(str(row["member_no"]))
        elif account:
            accounts[account].add(line)
    members = {key for source, key in records if source == "loyalty"}
    return {
        line for account, lines in accounts.items() if holders[account] and holders[account] <= members
        for line in lines
    }  # fmt: skip


def _surveys(bronze: Mapping[str, Mapping[Line, str]], cookies: Collection[str]) -> set[Line]:
    """Answers of the anonymous survey that came with one of their cookies."""
    return {
        line for line, record in bronze.get("survey", {}).items()
        if str(json_text(record).get("cookie_id") or "").strip() in cookies
    } if cookies else set()  # fmt: skip


def _values(
    run: Run,
    bronze: Mapping[str, Mapping[Line, str]],
    feed_of: Mapping[str, tuple[str, str]],
    delete: Iterable[Line],
    unlink: Mapping[Line, list[str]],
) -> set[str]:
    """Texts in personal columns of lines that go, and in the columns of receipts that are blanked."""
    values: set[str] = set()
    for line in delete:
        source, feed = feed_of[line[0]]
        row = json_text(bronze[source][line])
        columns = run.config.sources[source].feeds[feed].columns
        names = [name for name, column in columns.items() if column.personal or column.identifier]
        for name in names:
            # Of what was permitted only the address or number it was said of is somebody's.
            found = row.get(name)
            if name == "permissions" and isinstance(found, list):
                found = [p.get("contact_point") for p in found if isinstance(p, dict)]
            values |= set(leaves(found))
        whole = [str(row[name]) for name in ("first_name", "last_name") if row.get(name)]
        if len(whole) == 2:
            values |= {" ".join(whole), " ".join(reversed(whole))}
    for line, names in unlink.items():
        row = json_text(bronze["tills"][line])
        values |= {str(row[name]) for name in names if row.get(name)}
    return values


def _select(carried: pa.Table, lines: Collection[Line]) -> list[dict[str, Any]]:
    files = pa.array(sorted({file_id for file_id, _ in lines}), pa.string())
    near: list[dict[str, Any]] = carried.filter(pc.is_in(carried["file_id"], files)).to_pylist()
    return [r for r in near if line_of(r) in lines]

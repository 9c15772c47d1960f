"""Which pairs are worth scoring: those that agree on one of many keys, the most telling keys first.

A key puts records into blocks. Blocks of more than `LARGEST_BLOCK` records say little and cost much, so they are left
out; keys are then taken from the one with fewest pairs up, until a budget of pairs is spent: so many
a record, but no more in all than one machine can hold.
"""

from collections.abc import Collection
from typing import Final

import duckdb

LARGEST_BLOCK: Final = 150  # records
PAIRS_PER_RECORD: Final = 105  # of all keys together, before pairs found twice are counted once
# What one machine can hold; it counts from 570,000 records on, where the keys it leaves out bring next to nothing.
MOST_PAIRS: Final = 60_000_000

# Parts of a key, as SQL over the fields.
_PARTS: Final = {
    "given": "given", "family": "family", "given sound": "given_sound", "family sound": "family_sound",
    "given 3": "given[:3]", "family 4": "family[:4]", "given 1": "given[:1]", "family 2": "family[:2]",
    "middle": "middle", "born": "born", "year": "year", "birthday": "birthday", "year month": "year || month",
    "year day": "year || day", "postcode": "postcode", "district": "district", "city": "city", "address": "address",
    "street": "street", "street 2": "street_2", "number": "number", "national id": "national_id", "email": "email",
    "email name": "email_name", "email digits": "email_digits", "phone": "phone", "sex": "sex",
    "tokens": "case when len(tokens) > 1 then list_aggregate(tokens, 'string_agg', '|') end",
}  # fmt: skip
_FIELD_OF: Final = {"year month": "born", "year day": "born"}

_KEYS: Final = (
    ("national id",), ("email",), ("email name",), ("email digits",), ("phone",), ("tokens",),
    ("given", "family"), ("given sound", "family sound"), ("given 3", "family 4"), ("given", "born"), ("family", "born"),
    ("family sound", "born"), ("given 1", "family 2", "born"), ("born", "postcode"), ("born", "district"),
    ("born", "city"), ("born", "address"), ("born", "street"), ("born", "sex"), ("born",), ("given", "postcode"),
    ("family", "postcode"), ("given sound", "postcode"), ("family sound", "postcode"), ("postcode", "city"),
    ("postcode",), ("given", "district"), ("family", "district"), ("given", "city"), ("family", "city"),
    ("family sound", "city"), ("address",), ("address", "given"), ("address", "family"), ("street", "given"),
    ("street", "family"), ("street", "given 3"), ("street 2", "given"), ("street 2", "family"),
    ("family", "year month"), ("family", "year day"), ("family", "birthday"), ("family", "year"),
    ("given", "year month"), ("given", "year day"), ("given", "birthday"), ("given", "year", "sex"),
    ("given 3", "family 2", "year"), ("given 3", "family 2", "birthday"), ("postcode", "year"),
    ("postcode", "birthday"), ("postcode", "given 1"), ("postcode", "family 2"), ("address", "year"),
    ("address", "birthday"), ("city", "birthday"), ("city", "year month"), ("street", "birthday"), ("number", "born"),
    ("number", "given", "family 2"), ("number", "family", "given 1"), ("middle", "born"), ("middle", "family"),
    ("middle", "given"), ("categories",), ("categories", "given 1"), ("categories", "family 2"),
    ("categories", "year"), ("categories", "given"), ("categories", "family"), ("categories", "sex"),
    ("district", "year month"), ("district", "birthday"), ("category", "postcode"), ("category", "born"),
    ("category", "family", "city"), ("category", "year", "given"), ("category", "year", "family"),
    ("category", "city", "given 1"), ("category", "given", "city"),
)  # fmt: skip
_HALVED: Final = {"national_id": 6, "phone": 8}  # field, and the characters it must have


def key_expressions(fields: Collection[str]) -> list[str]:
    """SQL of every key these fields allow: one number, null where a part is missing."""
    return list(_named_keys(fields).values())


def shared_keys(
    connection: duckdb.DuckDBPyConnection, fields: Collection[str], one: int, other: int
) -> list[str]:
    """Names of the keys on which two records of the table `fields` agree.

    Where there is one, the two are compared, unless in the whole table its block or all its pairs are too many.
    """
    keys = _named_keys(fields)
    if not keys:
        return []
    rows = connection.execute(
        f"select {', '.join(keys.values())} from fields where unique_id in (?, ?)", [one, other]
    ).fetchall()
    return [name for name, a, b in zip(keys, rows[0], rows[-1], strict=True) if a == b and a is not None]


def _named_keys(fields: Collection[str]) -> dict[str, str]:
    """SQL of every key these fields allow, by a name that tells its parts."""
    parts = {
        name: sql
        for name, sql in _PARTS.items()
        if _FIELD_OF.get(name, sql.split("[")[0].split(" ")[0]) in fields
    }
    if "tokens" in fields:
        parts["tokens"] = _PARTS["tokens"]
    categories = sorted(name for name in fields if name.startswith("category_"))
    if len(categories) > 1:
        parts["categories"] = " || '|' || ".join(categories)
    first = next((name for name in sorted(fields) if "category" in name), None)
    if first is not None:
        parts["category"] = first
    keys = {
        " and ".join(key): _hashed([parts[part] for part in key]) for key in _KEYS if set(key) <= set(parts)
    }
    for field, least in _HALVED.items():
        if field in fields:
            halves = {
                "first": f"{field}[:length({field}) // 2 + 1]",
                "last": f"{field}[-(length({field}) // 2 + 1):]",
            }
            keys |= {
                f"{which} half of {field}": f"case when length({field}) >= {least} then {_hashed([half])} end"
                for which, half in halves.items()
            }
    return keys


def _hashed(parts: list[str]) -> str:
    there = " and ".join(f"({part}) is not null" for part in parts)
    return f"case when {there} then hash({', '.join(parts)}) end"


def block(connection: duckdb.DuckDBPyConnection, fields: Collection[str]) -> None:
    """Make the table `blocked` of the candidate pairs of the table `fields`.

    Each pair stands there once: `match_key` (the place of the most telling key that found it), `join_key_l` <
    `join_key_r` (`unique_id`), which is Splink's shape of blocked pairs.
    """
    expressions = key_expressions(fields)
    keys = ", ".join(f"{sql} as k{place}" for place, sql in enumerate(expressions))
    connection.execute(
        f"create table keys as select unique_id::integer as unique_id, {keys or 'null as k0'} from fields"
    )
    found = " union all ".join(
        f"select {rank}::utinyint as match_key, l.unique_id as join_key_l, r.unique_id as join_key_r "
        f"from ({_blocks(key)}) l join ({_blocks(key)}) r on l.k = r.k and l.unique_id < r.unique_id"
        for rank, key in enumerate(_affordable(connection, len(expressions)))
    )
    none = "select 0::utinyint as match_key, unique_id as join_key_l, unique_id as join_key_r from fields where false"
    connection.execute(
        "create table blocked as select min(match_key) as match_key, join_key_l, join_key_r "
        f"from ({found or none}) group by join_key_l, join_key_r"
    )
    connection.execute("drop table keys")


def _affordable(connection: duckdb.DuckDBPyConnection, keys: int) -> list[int]:
    """The keys to use: those with fewest pairs, as long as the budget lasts."""
    if not keys:
        return []
    pairs = " union all ".join(
        f"select {key} as key, sum(n * (n - 1) // 2)::bigint as pairs from (select count(*) as n from keys "
        f"where k{key} is not null group by k{key}) where n between 2 and {LARGEST_BLOCK}"
        for key in range(keys)
    )
    counted = connection.execute(
        f"select key, pairs from ({pairs}) where pairs > 0 order by pairs, key"
    ).fetchall()
    records = connection.execute("select count(*) from fields").fetchall()[0][0]
    left = min(PAIRS_PER_RECORD * records, MOST_PAIRS)
    taken = []
    for key, cost in counted:
        left -= cost
        if left < 0:
            break
        taken.append(key)
    return taken


def _blocks(key: int) -> str:
    """The records of a key's blocks that are neither alone nor too many."""
    size = f"count(*) over (partition by k{key})"
    there = f"select unique_id, k{key} as k from keys where k{key} is not null"
    return f"{there} qualify {size} between 2 and {LARGEST_BLOCK}"

"""What is blanked on receipts: what names the erased, and what would make their purchases another's."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from identity.erasure.line import Line, line_of


def of_others(
    carried: pa.Table, of_lines: Iterable[Mapping[str, Any]], by_card: Collection[Line]
) -> set[tuple[Line, str]]:
    """Others' tokens and addresses on receipts of the persons' cards, by line, if other lines tell of them too.

    Left there, what the persons bought would become theirs; and who is known by such a one stays known by other lines.

    Args:
        carried: Every identifier on every line: `file_id`, `row_no`, `namespace`, `value_hmac`.
        of_lines: Those on the persons' lines.
        by_card: Receipt lines on which a card of the persons was shown.

    Returns:
        Line and keyed hash.
    """
    there = [(line_of(r), r["value_hmac"]) for r in of_lines if line_of(r) in by_card]
    values = pa.array(sorted({value for _, value in there}), pa.string())
    rows = carried.filter(pc.is_in(carried["value_hmac"], values)).to_pylist()
    elsewhere = {r["value_hmac"] for r in rows if line_of(r) not in by_card}
    return {(line, value) for line, value in there if value in elsewhere}


def unlinked(
    of_receipts: Iterable[Mapping[str, Any]],
    columns: Collection[tuple[str, str]],
    *,
    own: Collection[str],
    known: Collection[str],
    of_others: Collection[tuple[Line, str]],
) -> tuple[dict[Line, list[str]], set[tuple[Line, str, str]]]:
    """What is blanked on receipts: what they are known by; of others what `of_others` says, and the address they paid for.

    Args:
        of_receipts: Identifiers on the persons' receipt lines.
        columns: Columns of receipts that identify, each with its namespace.
        own: Keyed hashes of what their records are called by.
        known: Those, and what else on receipts is theirs.
        of_others: What the function of this name returns.

    Returns:
        Columns to be blanked by line, and what stood there: line, namespace and keyed hash.
    """
    by_line: dict[Line, list[Mapping[str, Any]]] = defaultdict(list)
    for r in of_receipts:
        by_line[line_of(r)].append(r)
    unlink: dict[Line, list[str]] = {}
    blanked: set[tuple[Line, str, str]] = set()
    for line, rows in by_line.items():
        is_payer = any(r["value_hmac"] in own and r["namespace"] == "payment_token" for r in rows)
        shows_other = any(r["namespace"] == "loyalty_card" and r["value_hmac"] not in known for r in rows)
        gone = [
            r for r in rows
            if r["value_hmac"] in known or (line, r["value_hmac"]) in of_others
            or (r["namespace"] == "email" and is_payer and not shows_other)
        ]  # fmt: skip
        namespaces = {r["namespace"] for r in gone}
        unlink[line] = sorted(c for c, namespace in columns if namespace in namespaces)
        blanked |= {(line, r["namespace"], r["value_hmac"]) for r in gone}
    return unlink, blanked

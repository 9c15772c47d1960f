"""`identity rights decisions`: what each purpose could do with a person on a date, and why."""

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.rights import Identifiers, opened
from identity.cli.shared import Conf, Json, Warehouse, date_of
from identity.errors import ConfigError

_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}
_WHY: Final = {
    ("permit", 1): "said yes",
    ("permit", 3): "a yes newer than the no",
    ("permit", 5): "needs no yes, nobody refused",
    ("deny", 1): "refused",
    ("deny", 2): "objected",
    ("deny", 3): "conflicting answers",
    ("deny", 4): "permitted for other records only",
    ("deny", 5): "no valid answer",
    ("deny", 6): "no guardian's permission",
}


def decisions_command(
    identifiers: Identifiers,
    conf: Conf,
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DATE", help="The day, yyyy-mm-dd.", show_default=False)
    ],
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only this purpose.")] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Tell what each purpose could do with the person on a date, by which rule and which statement. No Spark."""
    from identity.erasure.plan import require_whole
    from identity.keys import key_in_force
    from identity.rights.decisions import decisions
    from identity.rights.persons import find

    day, config = date_of(as_of, option="--as-of"), opened(conf, warehouse)
    if purpose is not None and purpose not in config.purposes:
        raise ConfigError(f"--purpose {purpose}: there are {', '.join(sorted(config.purposes))}")
    key = key_in_force(config)
    require_whole(config.warehouse)
    subject = find(config, identifiers, key=key, with_deleted=True)
    told = decisions(config, subject, key=key, on=day, purpose=purpose)
    if as_json:
        print(json.dumps(told, default=str))
        return
    console = Console()
    console.print(f"as of      {told['as_of']}", **_PLAIN)
    console.print(f"golden id  {', '.join(told['golden_ids'])}", **_PLAIN)
    if told["restricted_since"]:
        console.print(f"restricted since {told['restricted_since']}: no purpose used her data", **_PLAIN)
    console.print(_table(told["decisions"]))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("purpose", "decision", "since", "rule", "said by")
    for row in rows:
        # The keyed hash tells two e-mails apart; --json has it whole.
        point = "" if row["channel"] == "any" else f"\n{row['channel']} {row['contact_point'][:6]}…"
        until = f"\nuntil {row['valid_to_on']}" if row["valid_to_on"] else ""
        table.add_row(
            row["purpose"] + point,
            row["decision"] + until,
            str(row["decided_on"]),
            f"{row['rule_no']}: {_WHY[row['decision'], row['rule_no']]}",
            _statement(row),
        )
    return table


def _statement(row: dict[str, Any]) -> str:
    said = row["statement"]
    if said is None:
        return str(row["said_by"])
    notice = f", notice {said['notice_version']}" if said["notice_version"] else ""
    return f"{said['source']}, {said['by']}: {said['answer']}\n{said['said_at']:%Y-%m-%d %H:%M} UTC{notice}"

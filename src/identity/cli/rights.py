"""`identity rights …`: find a person, show her everything, and keep the register of requests."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from identity.cli.shared import Conf, Json, Warehouse, date_of, session
from identity.config import Config
from identity.config_reading import load_config

rights_app = typer.Typer(
    help="The rights of the data subject: access, portability, restriction, objection, withdrawal, with deadlines.",
    no_args_is_help=True,
)
Identifiers = Annotated[
    list[str],
    typer.Argument(
        metavar="IDENTIFIER...",
        help="Who: namespace=value, such as email=… or loyalty_member=…, record=source:key, or golden_id=….",
        show_default=False,
    ),
]
On = Annotated[str, typer.Option("--run-date", help="The day, yyyy-mm-dd.", show_default=False)]
RequestId = Annotated[
    str | None,
    typer.Option(
        "--request", help="Name of the request in the register; it is registered if it is not there."
    ),
]
_PLAIN: Final[Any] = {"highlight": False, "soft_wrap": True, "markup": False}


def opened(conf: Path, warehouse: Path | None) -> Config:
    """The configuration, for a warehouse that is there."""
    from identity.evaluate import require_warehouse

    config = load_config(conf, warehouse=warehouse, need_model=False)
    require_warehouse(config.warehouse)
    return config


@rights_app.command("find")
def find_command(
    identifiers: Identifiers,
    conf: Conf,
    doubtful: Annotated[
        bool,
        typer.Option(
            "--doubtful", help="List the doubtful records too: for staff, and never for her answer."
        ),
    ] = False,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Tell which golden id and which records an identifier names. No Spark, and no value of a record."""
    from identity.keys import key_in_force
    from identity.rights.persons import find

    config = opened(conf, warehouse)
    subject = find(config, identifiers, key=key_in_force(config))
    told: dict[str, Any] = {
        "golden_ids": list(subject.golden_ids),
        "records": [f"{source}:{key}" for source, key in subject.records],
        "doubtful_records": len(subject.doubtful),
    }
    if doubtful:
        told["doubtful"] = [f"{source}:{key}" for source, key in subject.doubtful]
    if as_json:
        print(json.dumps(told))
        return
    console = Console()
    console.print(f"golden id  {', '.join(told['golden_ids'])}", **_PLAIN)
    for record in told["records"]:
        console.print(f"record     {record}", **_PLAIN)
    if subject.doubtful:
        console.print(
            f"{len(subject.doubtful)} more records of the golden id are joined by resemblance alone; they are not taken for "
            "hers: `identity review` lets a person decide",
            **_PLAIN,
        )
    for record in told.get("doubtful", ()):
        console.print(f"doubtful   {record}", **_PLAIN)


@rights_app.command("export")
def export_command(
    identifiers: Identifiers,
    conf: Conf,
    run_date: On,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="File to write, readable by its owner alone; other content is not overwritten."
        ),
    ],
    warehouse: Warehouse = None,
    portable: Annotated[
        bool, typer.Option("--portable", help="Only what she gave and did, to carry elsewhere (art. 20).")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page for her to read, too.")
    ] = None,
    request: RequestId = None,
    as_json: Json = False,
) -> None:
    """Write everything that is held of a person as JSON (GDPR art. 15), or what she may carry elsewhere (art. 20)."""
    from identity.erasure.plan import writing
    from identity.keys import key_in_force
    from identity.private import write_privately
    from identity.rights.persons import find

    day, config = date_of(run_date), opened(conf, warehouse)
    key = key_in_force(config)
    right = "portability" if portable else "access"
    # Held before she is looked for: who is half erased may be found no more.
    with writing(config.warehouse):
        subject = find(config, identifiers, key=key, with_deleted=True)
        with session(config, needs_quality=False) as tables:
            from identity.rights import export as exports
            from identity.rights import requests

            if request is not None:
                requests.receive(config.warehouse, request, right, subject.golden_ids, day)
            with Console(stderr=True).status("reading everything about the person …"):
                told = exports.export(tables, config, subject, key=key, on=day, answered=request)
            if portable:
                told = exports.portable(told)
            write_privately(out, exports.to_json(told))
            if html is not None:
                from identity.pages.subject import subject_page

                write_privately(html, subject_page(told).encode())
            if request is not None:
                requests.close(config.warehouse, request, outcome="exported", on=day)
    counts = {
        name: len(rows) for name, rows in told.items() if isinstance(rows, list) and name != "golden_ids"
    }
    if as_json:
        print(json.dumps({"file": str(out), "rows": counts}))
        return
    filled = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    Console().print(f"written to {out}: {filled}", **_PLAIN)


@rights_app.command("receive")
def receive_command(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The company's name of the request.")],
    right: Annotated[str, typer.Argument(help="access, portability, rectification, erasure, restriction, …")],
    conf: Conf,
    run_date: On,
    identifiers: Annotated[list[str] | None, typer.Option("--identifier", help="Who, as in `find`.")] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Register a request; it is due within one month."""
    from identity.keys import key_in_force
    from identity.rights import requests
    from identity.rights.persons import find

    day, config = date_of(run_date), opened(conf, warehouse)

    def received() -> dict[str, Any]:
        ids = find(config, identifiers, key=key_in_force(config)).golden_ids if identifiers else ()
        return requests.receive(config.warehouse, request, right, ids, day)

    _tell(config, received, as_json=as_json)


@rights_app.command("extend")
def extend_command(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A registered request.")],
    conf: Conf,
    run_date: On,
    reason: Annotated[str, typer.Option("--reason", help="Why; the person is told. No personal data.")],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Extend a request by two months, within its first (GDPR art. 12(3))."""
    from identity.rights import requests

    day, config = date_of(run_date), opened(conf, warehouse)
    _tell(config, lambda: requests.extend(config.warehouse, request, reason=reason, on=day), as_json=as_json)


@rights_app.command("close")
def close_command(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A registered request.")],
    conf: Conf,
    run_date: On,
    outcome: Annotated[str, typer.Option("--outcome", help="What was done, or why not. No personal data.")],
    refused: Annotated[bool, typer.Option("--refused", help="It was not granted.")] = False,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Close a request, granted or refused."""
    from identity.rights import requests

    day, config = date_of(run_date), opened(conf, warehouse)

    def closed() -> dict[str, Any]:
        return requests.close(config.warehouse, request, outcome=outcome, on=day, refused=refused)

    _tell(config, closed, as_json=as_json)


@rights_app.command("requests")
def requests_command(
    conf: Conf,
    overdue: Annotated[
        str | None,
        typer.Option("--overdue", metavar="DATE", help="Only what should have been answered by that day."),
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List the requests by the day they are due."""
    from identity.rights import requests

    config = opened(conf, warehouse)
    rows = requests.requests(config.warehouse, overdue_on=None if overdue is None else date_of(overdue))
    if as_json:
        print(json.dumps(rows, default=str))
        return
    table = Table("request", "right", "received", "due", "status", "closed", "outcome")
    for row in rows:
        table.add_row(
            row["request_id"], row["right"], str(row["received_on"]), str(row["due_on"]), row["status"],
            _text(row["closed_on"]), _text(row["outcome"]),
        )  # fmt: skip
    Console().print(table if rows else "no request", **({} if rows else _PLAIN))


def _tell(config: Config, act: Any, *, as_json: bool) -> None:
    from identity.erasure.plan import writing

    with writing(config.warehouse):
        row = act()
    if as_json:
        print(json.dumps(row, default=str))
        return
    due = f", due on {row['due_on']}" if row["closed_on"] is None else f" on {row['closed_on']}"
    Console().print(f"request {row['request_id']} ({row['right']}): {row['status']}{due}", **_PLAIN)


def _text(value: dt.date | str | None) -> str:
    return "" if value is None else str(value)

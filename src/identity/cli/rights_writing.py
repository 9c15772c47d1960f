"""`identity rights correct`, `restrict`, `object` and `withdraw`: what a person asks to be changed."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from identity.cli.rights import Identifiers, On, RequestId, opened
from identity.cli.shared import Conf, Json, Warehouse, date_of, session
from identity.config import Config


def correct_command(
    identifiers: Identifiers,
    conf: Conf,
    run_date: On,
    values: Annotated[
        list[str],
        typer.Option("--set", metavar="ATTRIBUTE=VALUE", help="What is right; empty where there is none."),
    ],
    warehouse: Warehouse = None,
    request: RequestId = None,
    as_json: Json = False,
) -> None:
    """Put values right (GDPR art. 16): from the next run on they stand in place of what the sources deliver."""
    from identity.rights.corrections import changes_of, correct
    from identity.rights.writing import request_name
    from identity.standardise.corrections import standardised

    changes = changes_of(values)
    day, config = date_of(run_date), opened(conf, warehouse)
    subject = _found(config, identifiers)
    only = None
    if len(identifiers) == 1 and identifiers[0].startswith("record="):
        source, _, source_key = identifiers[0].partition("=")[2].strip().partition(":")
        only = (source, source_key)
    with session(config, needs_quality=False) as tables:
        right = standardised(tables.spark, changes, on=day)

        def act(request_id: str) -> int:
            return correct(config.warehouse, subject, right, only=only, request_id=request_id, on=day)

        name = request_name(request, "rectification", subject, day)
        _answer(config, "rectification", subject, name, day, act, "value corrected", as_json=as_json)


def restrict_command(
    identifiers: Identifiers,
    conf: Conf,
    run_date: On,
    reason: Annotated[str, typer.Option("--reason", help="Why; no personal data.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="End the restriction.")] = False,
    warehouse: Warehouse = None,
    request: RequestId = None,
    as_json: Json = False,
) -> None:
    """Restrict processing (GDPR art. 18): stored and matched, in no audience at once, in no gold table from the next run."""
    from identity.errors import ConfigError
    from identity.rights import restrictions
    from identity.rights.writing import request_name

    if not lift and not reason.strip():
        raise ConfigError("--reason: say why, such as 'accuracy contested'; no personal data")
    day, config = date_of(run_date), opened(conf, warehouse)
    subject = _found(config, identifiers)

    def act(request_id: str) -> int:
        if lift:
            return restrictions.lift(config.warehouse, subject, on=day)
        return restrictions.restrict(config.warehouse, subject, reason=reason, request_id=request_id, on=day)

    # To lift one is another matter than to ask for it.
    name = request_name(request, "restriction-lift" if lift else "restriction", subject, day)
    done = "record no longer restricted" if lift else "record restricted"
    _answer(config, "restriction", subject, name, day, act, done, as_json=as_json)


def _stating(kind: Any, what: str) -> Callable[..., None]:
    """The command for a kind of statement."""

    def command(
        identifiers: Identifiers,
        conf: Conf,
        run_date: On,
        purpose: Annotated[
            list[str] | None, typer.Option("--purpose", help="Purpose; may be given several times.")
        ] = None,
        warehouse: Warehouse = None,
        request: RequestId = None,
        as_json: Json = False,
    ) -> None:
        from identity.rights.statements import purposes_of, state
        from identity.rights.writing import request_name

        day, config = date_of(run_date), opened(conf, warehouse)
        purposes = purposes_of(kind, purpose or [], config.purposes)
        subject = _found(config, identifiers)

        def act(request_id: str) -> int:
            return state(config, subject, kind, purposes, request_id=request_id, on=day)

        _answer(
            config,
            kind,
            subject,
            request_name(request, kind, subject, day),
            day,
            act,
            "statement recorded",
            as_json=as_json,
        )

    command.__doc__ = what
    return command


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "correct": correct_command,
    "restrict": restrict_command,
    "object": _stating(
        "objection",
        "Object (GDPR art. 21) to purposes; to all that can be objected to when none is named. It does not expire.",
    ),
    "withdraw": _stating(
        "withdrawal", "Withdraw consent (GDPR art. 7(3)) for purposes; of identity.link, joining."
    ),
}
"""The verbs by what they are called."""


def _found(config: Config, identifiers: list[str]) -> Any:
    from identity.erasure.plan import require_whole
    from identity.keys import key_in_force
    from identity.rights.persons import find

    key = key_in_force(config)
    require_whole(config.warehouse)  # who is half erased may be found no more
    return find(config, identifiers, key=key)


def _answer(
    config: Config,
    right: str,
    subject: Any,
    name: str,
    day: dt.date,
    act: Callable[[str], int],
    what: str,
    *,
    as_json: bool,
) -> None:
    from identity.rights.writing import answering

    with answering(config.warehouse, name, right, subject, day):
        changed = act(name)
    if as_json:
        print(json.dumps({"request": name, "right": right, "changed": changed}))
        return
    told = (
        f"{changed} × {what}; the next run goes by it" if changed else "nothing to change: it was done before"
    )
    Console().print(f"request {name}: {told}", highlight=False, soft_wrap=True, markup=False)

"""What is held of a person as a page for her to read (GDPR art. 12(1), 15)."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from identity.pages.page import Figure, Rows, page_text

_SECTIONS: Final = {
    "records": ("Who you are to us", "One row a system that knows you, as we read it."),
    "identifiers": ("What we know you by", ""),
    "consents": ("What you permitted and refused", "As you told it, in whichever channel; y is yes, n is no."),
    "statements": ("What you told us to stop", "Objections, and consents you took back, told to us directly."),
    "decisions": ("What follows from it", "What each purpose may do today, and the rule that says so."),
    "past_decisions": ("What followed from it before", "From each day on, until the next row of its kind."),
    "repermissions": ("What we would have to ask you again", "You said yes and no; until then it counts as no."),
    "carried_refusals": (
        "Refusals these records go on hearing",
        "What was refused by this kind of identifier goes on counting for them, though they do not carry it.",
    ),
    "restrictions": ("Restrictions you asked for", ""),
    "corrections": ("Corrections you asked for", ""),
    "requests": ("Requests you made", "As our register has them, with the day each is due."),
    "cards": ("Loyalty cards", ""),
    "accounts": ("Loyalty accounts", "Those your cards collect for; others may hold cards of the same account."),
    "purchases": ("Purchases", "By your loyalty card, your payment card, or the e-mail you gave for the receipt."),
    "interactions": ("Contacts with us", ""),
    "views": ("Web shop and app", "On devices on which you were logged in."),
    "uses": ("To whom we gave your contact details", ""),
    "evidence": ("Why we take these records for one person", ""),
    "memberships": ("Under which customer number each record is kept", ""),
    "history": ("What happened to that customer number", ""),
    "devices": ("Devices we take for yours", "By your logins, and from when to when."),
    "household": ("Household", ""),
    "delivered": ("As our systems delivered it", "Word for word."),
}  # fmt: skip

# Keys of ours that tell her nothing; the file for machines has them.
_TECHNICAL: Final = {
    "value_hmac", "subject_hmac", "contact_point_hmac", "contact_point", "email_hmac", "event_key", "winning_event_key",
    "refusal_event_key", "winning_subject_hmac",
    "session_id", "event_id", "part", "permitted_parts", "run_id", "use_id", "file_sha256", "recorded_at",
}  # fmt: skip
# A time as Spark writes it; that times are UTC is said once, above. What was delivered stays word for word.
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def subject_page(told: Mapping[str, Any]) -> str:
    """The page, as HTML: everything that the file for machines has but hashes and other keys of ours.

    Args:
        told: What `rights.export.export` returned, or the portable part of it.
    """
    figures = [
        Figure(title, says, _shown(told[name]), None)
        for name, (title, says) in _SECTIONS.items()
        if name in told
    ]
    profiles: Mapping[str, Any] = told.get("profiles", {})
    figures += [
        Figure(f"Profile: {name.replace('_', ' ')}", "What this purpose sees of you.", _shown(rows), None)
        for name, rows in profiles.items()
    ]
    for name, title in (("purposes", "What for, and on which basis"), ("sources", "Where it comes from")):
        rows = [{"name": key, **value} for key, value in told.get(name, {}).items()]
        figures.append(Figure(title, "", _shown(rows), None))
    tiles = [(figure.title, f"{len(figure.rows):,}") for figure in figures[:4] if figure.rows]
    doubtful = told.get("doubtful_records", 0)
    more = f"; {doubtful} more records may be yours or somebody else's and are not shown" if doubtful else ""
    return page_text(
        title="What we hold about you",
        subtitle=f"As of {told['made_on']}; times are UTC{more}",
        tiles=tiles,
        figures=figures,
    )


def _shown(rows: Rows) -> list[dict[str, str]]:
    """Rows as texts, without the columns that are empty in all of them."""
    filled = [
        name for name in (rows[0] if rows else ()) if any(row[name] not in (None, [], {}) for row in rows)
    ]
    names = [name for name in filled if name not in _TECHNICAL]
    return [
        {
            name: _TIME.sub(r"\1 \2", row[name]) if isinstance(row[name], str) else _text(row[name])
            for name in names
        }
        for row in rows
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(not isinstance(each, dict | list) for each in value):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        filled = {name: each for name, each in value.items() if each is not None}
        return "; ".join(f"{name}: {_text(each)}" for name, each in filled.items())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)

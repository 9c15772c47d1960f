"""A person reads everything that is held of her on one page; keys of ours and empty columns are left out."""

import re
from html.parser import HTMLParser
from typing import Any

from identity.pages.subject import subject_page
from identity.rights.export import portable
from identity.rights.sections import PORTABLE, SECTIONS

TOLD: dict[str, Any] = {
    **{name: [] for name in SECTIONS},
    "made_on": "2026-02-01",
    "golden_ids": ["g1"],
    "doubtful_records": 2,
    "records": [
        {"source": "crm", "source_key": "C1", "family_name": "<b>virtanen</b>",
         "first_seen_at": "2025-09-15T11:00:00.000Z", "emails": ["a@x.fi", "b@x.fi"], "flat": None}
    ],
    "identifiers": [{"namespace": "email", "value_hmac": "f" * 64, "value": "a@x.fi"}],
    "delivered": [
        {"source": "crm", "feed": "contacts",
         "record": {"contact_id": "C1", "permissions": [{"code": "ads", "value": "refused"}]}},
        {"source": "loyalty", "feed": "accounts", "record": {"account_no": "A1", "tier": "gold"}},
    ],
    "profiles": {"profile_service": [{"golden_id": "g1", "open_complaints": 1}]},
    "purposes": {"service": {"basis": "contract", "categories": ["service"], "expires_days": None}},
    "sources": {"crm": {"meaning": "Contacts", "region": "EEA", "retention_days": 1825}},
}  # fmt: skip


class Texts(HTMLParser):
    """What a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.seen.append(data.strip())


def test_everything_is_shown_and_markup_is_text():
    seen = Texts(subject_page(TOLD)).seen
    for text in (
        "<b>virtanen</b>",
        "a@x.fi, b@x.fi",
        "2025-09-15 11:00:00",
        "contract",
        "Contacts",
        "Profile: profile service",
        "1",
    ):
        assert text in seen
    assert "account_no: A1; tier: gold" in seen
    [delivered] = [text for text in seen if text.startswith("contact_id")]
    assert delivered == 'contact_id: C1; permissions: [{"code": "ads", "value": "refused"}]'
    assert any("2 more records may be yours or somebody else's" in text for text in seen)
    assert "flat" not in seen
    assert "f" * 64 not in seen


def test_a_portable_page_shows_nothing_that_was_inferred():
    seen = Texts(subject_page(portable(TOLD))).seen
    assert "<b>virtanen</b>" in seen
    assert not any("Profile" in text or "may be yours" in text or "tier" in text for text in seen)


def test_every_section_has_its_place():
    full = {name: [{"x": f"in {name}"}] for name in SECTIONS}
    seen = Texts(subject_page({**TOLD, **full})).seen
    assert {f"in {name}" for name in SECTIONS} <= set(seen)
    assert set(PORTABLE) <= set(SECTIONS)

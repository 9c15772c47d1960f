"""No table that holds something of a person is forgotten: an export shows it, or says why it does not."""

from identity.contracts import all_contracts, contract_of
from identity.rights.sections import DROPPED, LEFT_OUT, PORTABLE, PROFILES, SECTIONS

# What leads from a row to a person.
KEYS = {
    "golden_id", "golden_ids", "source_key", "source_key_l", "member_no", "card_no", "account_no", "receipt_id",
    "payment_token", "login_id", "device", "value_hmac", "subject_hmac", "contact_point_hmac",
}  # fmt: skip
PURPOSES = "gold.profile__purpose"


def test_every_table_with_a_key_of_persons_is_shown_or_left_out_with_a_reason():
    about = {c.name for c in all_contracts() if KEYS & set(c.columns)}
    shown = {*SECTIONS.values(), *PROFILES, PURPOSES}
    assert about - shown == set(LEFT_OUT)
    assert shown - about == {"bronze._source"}  # there the keys stand in the record
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())


def test_every_personal_column_is_of_such_a_table():
    personal = {c.name for c in all_contracts() if any(column.personal for column in c.columns.values())}
    assert personal <= {*SECTIONS.values(), *PROFILES, PURPOSES, *LEFT_OUT}


def test_what_is_dropped_is_of_the_sections_table_and_what_is_carried_is_a_section():
    for section, columns in DROPPED.items():
        assert set(columns) < set(contract_of(SECTIONS[section]).columns), section
    assert set(PORTABLE) < set(SECTIONS)

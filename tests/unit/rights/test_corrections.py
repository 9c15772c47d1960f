"""Corrections written down, on tables written by hand."""

import datetime as dt
from pathlib import Path

from identity.contracts import contract_of
from identity.rights.corrections import correct
from identity.rights.persons import Subject
from identity.tables import rows_at
from tests.unit.by_hand import write

FEB, MARCH, DEC = dt.date(2026, 2, 1), dt.date(2026, 3, 1), dt.date(2026, 12, 1)
HER = Subject(frozenset({("G", "p")}), (("crm", "C1"),), ())


def held(warehouse: Path) -> list[tuple[object, ...]]:
    names = ("attribute", "value", "replaced", "corrected_on")
    return sorted(tuple(row[name] for name in names) for row in rows_at(warehouse, "silver.correction"))


def test_a_date_mistyped_is_put_right_by_asking_again(warehouse: Path):
    told = {"source": "crm", "source_key": "C1", "given_name": "anio", "postal_code": "00100", "emails": []}
    write(warehouse, contract_of("silver.person_record"), told)

    def asked(on: dt.date) -> int:
        right = {"given_name": "aino", "postal_code": "00200"}
        return correct(warehouse, HER, right, only=None, request_id="R-1", on=on)

    parts = ["city", "country", "flat", "postal_code", "street"]  # an address is one value
    assert asked(DEC) == 1 + len(parts)
    assert asked(FEB) == 1 + len(parts)
    by_name = {name: rest for name, *rest in held(warehouse)}
    assert by_name["given_name"] == ["aino", "anio", FEB]
    assert by_name["postal_code"] == ["00200", "00100", FEB]
    assert {day for *_, day in by_name.values()} == {FEB}
    assert asked(FEB) == asked(MARCH) == 0

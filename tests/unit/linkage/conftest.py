"""A small town for every test here: persons with two to four written forms of themselves."""

import random

import pandas as pd
import pytest

GIVEN = [
    "anna", "ville", "william", "mary", "otto", "helmi", "james", "katherine", "onni",
    "ida", "oskar", "linda", "eino", "aino", "george", "susan", "paavo", "kerttu",
    "henry", "alice", "tauno", "saima", "robert", "nancy", "veikko", "hilja", "edward",
    "ruth", "urho", "lempi", "carl", "betty", "toivo", "martta", "frank", "doris",
]  # fmt: skip
FAMILY = [first + last for first in ("virta", "korpi", "niemi", "maki", "saari", "harju") for last in
          ("nen", "la", "lainen", "salo", "ranta", "kangas", "oja", "vaara")]  # fmt: skip
TYPES = {
    "first": "given_name", "last": "family_name", "born": "date_of_birth", "mail": "email", "street": "street",
    "number": "house_number", "zip": "postcode",
}  # fmt: skip


@pytest.fixture(scope="session")
def town() -> tuple[pd.DataFrame, list[int]]:
    """Records, and the person of each."""
    rng = random.Random(7)
    rows, persons = [], []
    for person in range(150):
        first, last = rng.choice(GIVEN), rng.choice(FAMILY)
        born = f"{rng.randint(1940, 2005)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        home = (
            f"{rng.choice(['park', 'mill', 'church', 'high'])} street",
            str(rng.randint(1, 90)),
            f"{rng.randint(10, 60)}100",
        )
        handle = f"{rng.randrange(16**8):08x}"
        for _ in range(rng.randint(2, 4)):
            slip = rng.random()
            rows.append(
                (
                    first[:-1] if slip < 0.1 else first,
                    last,
                    None if 0.1 < slip < 0.2 else born,
                    f"{handle}@x.fi" if rng.random() < 0.6 else None,
                    *(home if rng.random() < 0.8 else (None, None, None)),
                )
            )
            persons.append(person)
    return pd.DataFrame(rows, columns=list(TYPES), dtype=object), persons


@pytest.fixture(scope="session")
def types() -> dict[str, str]:
    """What the town's columns are."""
    return TYPES

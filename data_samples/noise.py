"""How names, dates and phone numbers go wrong or differ between registers."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from data_samples.arrays import Column, Mask, objects
from data_samples.reference import nicknames, variants

NORDIC = "åäöÅÄÖ"
FOLD = str.maketrans("åäöÅÄÖõüÕÜ", "aaoAAOouOU")
SPELL_OUT = {ord(a): b for a, b in zip("åäöÅÄÖ", ("aa", "ae", "oe", "Aa", "Ae", "Oe"), strict=True)}
MAILBOX = str.maketrans("åäöÅÄÖõüÕÜ '", "aaoAAOouOU..")
LETTERS = "aeiknlrstuovmp"
PHONE_FORMATS: tuple[Callable[[str], str], ...] = (
    lambda n: f"0{n[:2]} {n[2:5]} {n[5:]}",
    lambda n: f"+358{n}",
    lambda n: f"00358{n}",
    lambda n: f"0{n[:2]}-{n[2:]}",
    lambda n: f"0{n}",
    lambda n: f"+358 {n[:2]} {n[2:]}",
)


def change(column: Column, where: Mask, how: Callable[[str], str]) -> Column:
    """The column with those rows that hold something rewritten."""
    changed = column.copy()
    rows = [row for row in np.flatnonzero(where) if column[row] is not None]
    changed[rows] = objects(how(column[row]) for row in rows)
    return changed


def nickname(rng: Generator, first: Column, where: Mask) -> tuple[Column, Mask]:
    """A nickname instead of the call name, and where there was one to use."""
    known = nicknames()
    hit = where & np.fromiter((name in known for name in first), dtype=bool, count=len(first))
    return change(first, hit, lambda name: known[name][int(rng.integers(len(known[name])))]), hit


def variant(rng: Generator, name: Column, where: Mask) -> tuple[Column, Mask]:
    """Another transliteration, and where there was one."""
    known = variants()
    hit = where & np.fromiter((text in known for text in name), dtype=bool, count=len(name))
    return change(name, hit, lambda text: known[text][int(rng.integers(len(known[text])))]), hit


def has_nordic(name: Column) -> Mask:
    """Whether å, ä or ö is in it."""
    return np.fromiter((any(letter in text for letter in NORDIC) for text in name), bool, count=len(name))


def folded(text: str) -> str:
    """Dots and rings lost: Hämäläinen becomes Hamalainen."""
    return text.translate(FOLD)


def spelt_out(text: str) -> str:
    """Dots and rings written as letters: Hämäläinen becomes Haemaelaeinen."""
    return text.translate(SPELL_OUT)


def mojibake(text: str) -> str:
    """UTF-8 once read as Latin-1."""
    return text.encode("utf-8").decode("cp1252", errors="replace")


def typo(rng: Generator, text: str) -> str:
    """One letter dropped, doubled, mistaken or changed places with the next."""
    if len(text) < 4:
        return text + text[-1]
    at, kind = int(rng.integers(1, len(text) - 1)), int(rng.integers(4))
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2 and text[at] != text[at + 1]:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    wrong = LETTERS[(LETTERS.find(text[at].lower()) + 1 + int(rng.integers(len(LETTERS) - 1))) % len(LETTERS)]
    return text[:at] + wrong + text[at + 1 :]


def wrong_date(rng: Generator, date: Column, where: Mask) -> Column:
    """Birth dates with day and month swapped where that is a date, else a day digit, or a year off."""
    year = date.astype("datetime64[Y]")
    month = date.astype("datetime64[M]") - year.astype("datetime64[M]")
    day = date - date.astype("datetime64[M]").astype("datetime64[D]")
    kind = rng.integers(3, size=len(date))
    swaps = (kind == 0) & (day.astype(int) < 12) & (day.astype(int) != month.astype(int))
    swapped = (year.astype("datetime64[M]") + day.astype(int)).astype("datetime64[D]") + month.astype(int)
    shifted = (year.astype("datetime64[M]") + month.astype(int)).astype("datetime64[D]") + (
        day.astype(int) + 10 * np.where(day.astype(int) < 15, 1, -1)
    )
    years = rng.choice(np.array([-10, -1, 1, 10]), size=len(date))
    off = (year + years).astype("datetime64[M]") + month.astype(int)
    other_year = off.astype("datetime64[D]") + np.minimum(day.astype(int), 27)
    wrong = np.where(swaps, swapped, np.where(kind == 2, other_year, shifted))
    return np.where(where, wrong, date)


def phone(rng: Generator, number: Column) -> Column:
    """National numbers (nine digits without the zero) in one of the ways people write them."""
    how = rng.integers(len(PHONE_FORMATS), size=len(number))
    return objects(
        None if n is None else PHONE_FORMATS[k](n) if n[0] != "+" else n
        for n, k in zip(number, how, strict=True)
    )

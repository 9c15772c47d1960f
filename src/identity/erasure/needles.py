"""Looking for many values in much text at once, in every form in which they may be written.

Text and values are compared as runs of letters and digits, case and Unicode form aside: `Anna.Salo@posti.example` is
`anna salo posti example`, whatever stands between. Numbers are compared by their digits, however these are grouped.
One reading of the text finds all values, however many. What decides whether a value is somebody's alone and what scans
for residue is this same class, so the two cannot differ.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from identity.standardise.contacts import dialled

_WORD: Final = re.compile(r"\w+")
_DIGITS: Final = re.compile(r"[0-9]+")
# Digits in groups, as phones and cards are written; no point, which makes a number of another kind.
_GROUPED: Final = re.compile(r"(?<!\w)[0-9][0-9 ()/\u00a0-]{5,}[0-9](?!\w)")
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([bfnrt"/\\]))')
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?|\d{1,2}\.\d{1,2}\.\d{4}")
# A word of its own, so that what ends one value and begins the next is never taken for one.
BETWEEN: Final = "\n_\n"
_FEWEST_LETTERS: Final = 4
_FEWEST_DIGITS: Final = 7


def is_searchable(value: str) -> bool:
    """Whether a value says who it is about: not a short word, a small number, or a date."""
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return not _DATE.fullmatch(value.strip()) and (letters >= _FEWEST_LETTERS or digits >= _FEWEST_DIGITS)


def forms(value: str) -> set[tuple[str, ...]]:
    """The runs of words that a value may be written as."""
    plain = value.strip()
    written = {plain}
    if "@" in plain:
        address = plain.lower().encode()
        written |= {hashlib.sha256(address).hexdigest(), base64.b64encode(address).decode().rstrip("=")}
    return {words for text in written if (words := tuple(_words(text)))}


def numbers(value: str) -> set[str]:
    """The digits that a value without letters may be written as; of a phone with its country and without."""
    digits = "".join(_DIGITS.findall(value))
    if len(digits) < _FEWEST_DIGITS or any(c.isalpha() for c in value):
        return set()
    return {digits, *dialled(value)}


class Needles:
    """Values to look for."""

    def __init__(self, values: Iterable[str]) -> None:
        self._at: dict[str, list[tuple[int, tuple[str, ...], str]]] = defaultdict(list)
        self._numbers: dict[str, set[str]] = defaultdict(set)
        for value in values:
            for digits in numbers(value):
                self._numbers[digits].add(value)
            for words in forms(value):
                place = max(range(len(words)), key=lambda i, words=words: len(words[i]))  # type: ignore[misc]
                self._at[words[place]].append((place, words, value))
        self._begins = {digits[:end] for digits in self._numbers for end in range(1, len(digits))}

    def found(self, text: str) -> set[str]:
        """The values that a text holds: as it stands, unescaped from JSON, and decoded from a URL."""
        hits = self._found(text)
        if "%" in text:
            hits |= self._found(unquote(text, errors="replace"))
        # JSON may hold JSON, as a table's log does.
        while "\\" in text and (plain := _ESCAPE.sub(_unescaped, text)) != text:
            text = plain
            hits |= self._found(text)
        return hits

    def _found(self, text: str) -> set[str]:
        words = _words(text)
        hits = {value for digits in self._found_numbers(text) for value in self._numbers[digits]}
        at = self._at
        for i in [i for i, word in enumerate(words) if word in at]:
            for place, wanted, value in at[words[i]]:
                begin = i - place
                if begin >= 0 and tuple(words[begin : begin + len(wanted)]) == wanted:
                    hits.add(value)
        return hits

    def _found_numbers(self, text: str) -> Iterator[str]:
        for run in _GROUPED.findall(text) if self._numbers else ():
            groups = _DIGITS.findall(run)
            for first in range(len(groups)):
                digits = ""
                for group in groups[first:]:
                    digits += group
                    if digits in self._numbers:
                        yield digits
                    if digits not in self._begins:
                        break


def leaves(value: object) -> Iterable[str]:
    """All texts in a value read from JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)


def json_text(record: str) -> dict[str, object]:
    """A record of bronze."""
    found = json.loads(record)
    return found if isinstance(found, dict) else {}


def _unescaped(escape: re.Match[str]) -> str:
    code, short = escape.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(short, short)


def _words(text: str) -> list[str]:
    text = text.replace("\n", BETWEEN)
    # Folding may undo the normal form, so it comes first.
    return _WORD.findall(unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()))

"""Written values as they are compared: folded to plain lower-case letters and digits; what says nothing becomes null."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

# Letters of other scripts that pass for Latin ones, as typed by mistake or to deceive.
_LOOK_ALIKES: Final = str.maketrans(
    "АВСЕНІЈКМОРЅТХУаеіјорсухѕԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονιυρκ", "ABCEHIJKMOPSTXYaeijopcyxsdhqwABEZHIKMNOPTYXaoviupk"
)
# Letters that Unicode does not take apart into a base and an accent.
_UNDIVIDED: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "ł": "l", "đ": "d", "œ": "oe", "þ": "th", "ð": "d"}
)
_SAYS_NOTHING: Final = frozenset({"", "nan", "none", "null", "n/a", "na", "unknown", "test", "-", "."})
_TITLES: Final = re.compile(r"\b(mr|mrs|ms|dr|prof|sir|miss|rev|jr|sr|ii|iii|iv)\b")
# The suffixes and directions of American, British and Australian addresses, as their post offices shorten them.
_STREET_WORDS: Final = {
    "street": "st", "avenue": "ave", "road": "rd", "drive": "dr", "lane": "ln", "place": "pl", "court": "ct",
    "boulevard": "blvd", "parkway": "pkwy", "trail": "trl", "terrace": "ter", "circle": "cir", "crescent": "cres",
    "close": "cl", "highway": "hwy", "square": "sq", "way": "wy", "north": "n", "south": "s", "east": "e",
    "west": "w", "northwest": "nw", "northeast": "ne", "southwest": "sw", "southeast": "se",
}  # fmt: skip

Cleaner = Callable[[str], Any]


def each(values: pd.Series, clean: Cleaner) -> pd.Series:
    """Clean every distinct value once; nulls stay null."""
    codes, distinct = pd.factorize(values)
    cleaned = np.empty(len(distinct) + 1, dtype=object)
    for place, value in enumerate(distinct):
        cleaned[place] = clean(str(value))
    return pd.Series(cleaned[codes], index=values.index, dtype=object)


def folded(text: str) -> str | None:
    """Lower case, no accents, no invisible characters, one blank between words."""
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in letters if unicodedata.category(c) not in {"Mn", "Cf", "Cc"})
    words = " ".join(plain.translate(_LOOK_ALIKES).lower().split())
    return None if words in _SAYS_NOTHING else words


def name(text: str) -> str | None:
    """A name without punctuation and titles."""
    words = folded(text)
    if words is None:
        return None
    words = re.sub(r"['’`]", "", words.translate(_UNDIVIDED))
    words = re.sub(r"[\W_]+", " ", words).strip()
    if " " in words:
        words = " ".join(_TITLES.sub(" ", words).split())
    return words or None


def words(text: str) -> str | None:
    """Words of letters and digits."""
    return re.sub(r"[\W_]+", " ", (folded(text) or "").translate(_UNDIVIDED)).strip() or None


def code(text: str) -> str | None:
    """Letters and digits alone, as of a number, an identifier or a postal code."""
    return re.sub(r"[\W_]+", "", folded(text) or "") or None


def number(text: str) -> str | None:
    """A house number; what spreadsheets make `21.0` of is 21."""
    return code(text.removesuffix(".0"))


def digits(text: str) -> str | None:
    """Six digits or more, without the zeros and ones that country and trunk codes begin with."""
    found = re.sub(r"\D", "", text).lstrip("01")
    return found if len(found) >= 6 else None


def street(text: str) -> str | None:
    """A street with its common words shortened."""
    found = words(text)
    return None if found is None else " ".join(_STREET_WORDS.get(word, word) for word in found.split())


def email(text: str) -> str | None:
    """An address with its @."""
    found = folded(text)
    return found if found and "@" in found else None


def sex(text: str) -> str | None:
    """m, f, or whatever else stands there."""
    found = folded(text)
    return found[0] if found and re.fullmatch(r"m|f|male|female|man|woman", found) else found

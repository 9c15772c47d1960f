"""Addresses: streets folded like names, postal codes by country."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from identity.standardise.names import folded

# "Flat" as people write it: asunto, huoneisto; bostad, lägenhet.
_FLAT = ("as", "asunto", "huoneisto", "bost", "bostad", "lgh", "lagenhet")


def street(text: Column) -> Column:
    """Street and house number, folded; staircase and flat are left out, for they are written in a dozen ways."""
    return F.nullif(F.regexp_extract(folded(text), r"^(\D+?\s?\d+)", 1), F.lit(""))


def flat(text: Column) -> Column:
    """What follows the house number: staircase and flat, without blanks (`A 14` and `a14` are one); null when nothing does.

    Words that only say that a flat's number follows are left out, in Finnish and Swedish.
    """
    behind = F.regexp_extract(folded(text), r"^\D+?\s?\d+(.*)$", 1)
    return F.nullif(F.regexp_replace(behind, rf"\b({'|'.join(_FLAT)})\b|\s", ""), F.lit(""))


def postal_code(text: Column) -> Column:
    """Letters and digits only, upper case; null when nothing is left or all are zero.

    The country that may stand before it (`FI-00100`, as the CEPT recommended) is no part of it.
    """
    national = F.regexp_replace(text, r"^\s*[A-Za-z]{1,3}-(?=[0-9 ]+$)", "")
    plain = F.upper(F.regexp_replace(national, "[^0-9A-Za-z]", ""))
    return F.nullif(F.regexp_replace(plain, "^0+$", ""), F.lit(""))


def country(text: Column) -> Column:
    """ISO 3166 alpha-2 as delivered, upper case; null when it is not two letters."""
    return F.nullif(F.regexp_extract(F.upper(F.trim(text)), "^[A-Z]{2}$", 0), F.lit(""))

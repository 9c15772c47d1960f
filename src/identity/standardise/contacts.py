"""E-mail addresses and phone numbers."""

import re
from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s.]{2,}$"
_SHA256 = "^[0-9a-f]{64}$"


def email(text: Column) -> Column:
    """Lower case, trimmed, `mailto:` dropped; null when it is no address."""
    return F.nullif(
        F.regexp_extract(F.regexp_replace(F.lower(F.trim(text)), "^mailto:", ""), _EMAIL, 0), F.lit("")
    )


def email_text(text: str) -> str | None:
    """`email` of one text, without Spark."""
    written = text.strip().lower().removeprefix("mailto:")
    return written if re.fullmatch(_EMAIL, written) else None


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 in hex, as a tag collector sends in place of an address."""
    return re.fullmatch(_SHA256, text) is not None


def email_or_hash(text: Column) -> Column:
    """An address, or the SHA-256 a tag collector sends in its place."""
    return F.coalesce(email(text), F.when(F.lower(text).rlike(_SHA256), F.lower(text)))


def contact_kind(text: Column) -> Column:
    """Whether a contact point is an `email` or else a `phone`."""
    return F.when(email_or_hash(text).isNotNull(), "email").otherwise("phone")


def email_hash(text: Column) -> Column:
    """What an address and its SHA-256 share: the SHA-256."""
    return F.when(text.rlike(_SHA256), text).otherwise(F.sha2(text, 256))


def phones(raw: DataFrame) -> DataFrame:
    """Read phone numbers as people write them.

    Args:
        raw: A column `raw`; each distinct value once.

    Returns:
        `raw` and `phone` in E.164; null when no phone could be. Numbers without a country are Finnish.
    """
    return raw.mapInArrow(_phones_of, "raw string, phone string")


def _phones_of(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    for batch in batches:
        texts = batch.column("raw").to_pylist()
        numbers = [e164(text) for text in texts]
        yield pa.RecordBatch.from_arrays(
            [pa.array(texts, pa.string()), pa.array(numbers, pa.string())], ["raw", "phone"]
        )


@lru_cache(maxsize=100_000)
def e164(text: str | None) -> str | None:
    """A phone number in E.164; None when no phone could be. Numbers without a country are Finnish."""
    import phonenumbers  # on the executor, and only where there are phones

    if not text:
        return None
    try:
        number = phonenumbers.parse(text, "FI")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def dialled(text: str) -> set[str]:
    """The digits of a phone number in every way it is dialled: with its country, and within it; none of no number."""
    import phonenumbers

    number = e164(text)
    if number is None:
        return set()
    read = phonenumbers.parse(number)
    within = phonenumbers.normalize_digits_only(
        phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.NATIONAL)
    )
    abroad = number.removeprefix("+")
    return {abroad, f"00{abroad}", within, f"{read.country_code}{within}"}

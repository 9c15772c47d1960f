"""Names: case, accents and punctuation folded away, so that Hämäläinen, HAMALAINEN and Haemaelaeinen are one.

Every function reads its argument once: Spark would work out an argument as often as it is written.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

_ACCENTED = "àáâãäåāăąæçćčďđèéêëēėęěğìíîïīįıķłļñńňņòóôõöøőœřśšşșťțùúûüūůűųýÿžźżß"
_PLAIN = "aaaaaaaaaacccddeeeeeeeegiiiiiiikllnnnnoooooooorssssttuuuuuuuuyyzzzs"

# Words people type when they have to type something.
PLACEHOLDERS = (
    "test",
    "testi",
    "testaaja",
    "tuntematon",
    "unknown",
    "none",
    "null",
    "ei ole",
    "nimeton",
    "x",
    "xx",
    "xxx",
)


def repaired(text: Column) -> Column:
    """Undo UTF-8 read as Latin-1 (`HÃ¤mÃ¤lÃ¤inen`); other text stays as it is."""
    undone = F.try_validate_utf8(F.encode(text, "ISO-8859-1").cast("string"))
    is_latin = text.rlike("^[\\x{00}-\\x{FF}]*$")
    return F.when(is_latin & text.rlike("Ã[\\x{80}-\\x{BF}]"), F.coalesce(undone, text)).otherwise(text)


def folded(text: Column) -> Column:
    """Lower case, no accents, letters and digits only, single blanks; `ae` and `oe` count as transliterated ä and ö."""
    plain = F.translate(F.lower(repaired(text)), _ACCENTED, _PLAIN)
    # Apostrophes, and accents written as characters of their own (NFD).
    plain = F.regexp_replace(plain, "['’`´\\p{M}]", "")
    plain = F.trim(F.regexp_replace(plain, "[^\\p{L}\\p{N}]+", " "))
    return F.nullif(F.regexp_replace(F.regexp_replace(plain, "ae+", "a"), "oe+", "o"), F.lit(""))


def name(text: Column) -> Column:
    """A folded name; placeholders are null."""
    return F.nullif(F.regexp_replace(folded(text), f"^({'|'.join(PLACEHOLDERS)})$", ""), F.lit(""))


def first_token(text: Column) -> Column:
    """The first of several names."""
    return F.substring_index(text, " ", 1)


def other_tokens(text: Column) -> Column:
    """What follows the first name, null when nothing does."""
    return F.nullif(F.regexp_extract(text, "^\\S+ (.+)$", 1), F.lit(""))

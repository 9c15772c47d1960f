"""Dates of birth."""

import datetime as dt

from pyspark.sql import Column
from pyspark.sql import functions as F

_FORMS = ("yyyy-MM-dd", "d.M.yyyy", "d/M/yyyy", "yyyyMMdd")
# What forms fill in for people who do not say: nobody among living customers was born then.
_PLACEHOLDERS = ("1900-01-01", "1901-01-01", "1970-01-01")


def written_date(text: Column) -> Column:
    """A date as written in Finland or by machines; null when it is none."""
    return F.coalesce(*(F.try_to_timestamp(F.trim(text), F.lit(form)).cast("date") for form in _FORMS))


def birth_date(date: Column, *, on: dt.date) -> Column:
    """A date of birth; null for placeholders, the future, and before 1900."""
    is_plausible = date.between(F.lit("1900-01-02").cast("date"), F.lit(on)) & ~date.cast("string").isin(
        *_PLACEHOLDERS
    )
    return F.when(is_plausible, date)

"""Dates as they are written: year, month and day apart, kept even if no calendar has them."""

import re

import pandas as pd

_NUMBERS = re.compile(r"\d+")
Parts = tuple[str | None, str | None, str | None]
_NONE: Parts = (None, None, None)


def parts_of(dates: pd.Series, sources: pd.Series) -> pd.DataFrame:
    """`year`, `month`, `day` as texts.

    Whether the day or the month comes first is asked source by source, of the dates that can be read in one way only.
    """
    found = pd.DataFrame(None, index=dates.index, columns=["year", "month", "day"], dtype=object)
    for _, group in dates.dropna().astype(str).groupby(sources.loc[dates.dropna().index], sort=True):
        distinct = pd.unique(group)
        numbers = {text: _NUMBERS.findall(text) for text in distinct}
        late = [p for p in group.map(numbers) if len(p) == 3 and len(p[2]) == 4]
        is_day_first = sum(int(p[0]) > 12 for p in late) > sum(int(p[1]) > 12 for p in late)
        parts = {text: _parts(p, is_day_first=is_day_first) for text, p in numbers.items()}
        found.loc[group.index] = [parts[text] for text in group]
    return found


def _parts(numbers: list[str], *, is_day_first: bool) -> Parts:
    if len(numbers) == 1 and len(numbers[0]) == 8:
        year, month, day = numbers[0][:4], numbers[0][4:6], numbers[0][6:]
    elif len(numbers) == 3 and len(numbers[2]) == 4:
        day, month = numbers[:2] if is_day_first else numbers[1::-1]
        year = numbers[2]
    elif len(numbers) >= 3:  # what follows a date is a time of day
        year, month, day = numbers[:3]
    else:
        return _NONE
    month, day = month.zfill(2), day.zfill(2)
    return (year, day, month) if month > "12" >= day else (year, month, day)

"""Bronze without what is expired.

A line of an event goes. The newest line that tells the state of something, such as a member or a product, stays however
old it is, for the source still stands by it; the source ends it by a line that says `deleted`. Of such a line the end
stays, and nothing else, so that an older line that comes late brings nothing back. Of a line that says what somebody
permitted or refused the statement stays, and nothing else: a refusal does not end with its line.
"""

import datetime as dt

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import Feed, SourceContract
from identity.sources.parsing import reduced
from identity.sources.rows import union

STATEMENT = "statement"
DELETION = "deletion"
_DELETED = "deleted"
_LINE = ["file_id", "row_no"]
_AGE = ["delivered_on", "file", "row_no"]
_EMPTY = ("", "[]", "{}")


def is_expired(source: SourceContract, *, on: dt.date) -> Column:
    """Whether a line was delivered before the oldest day of its feed that stays."""
    kept_from = F.lit(source.kept_from(None, on))
    for name in source.feeds:
        kept_from = F.when(F.col("feed") == name, F.lit(source.kept_from(name, on))).otherwise(kept_from)
    return F.col("delivered_on") < kept_from


def aged(bronze: DataFrame, source: SourceContract, *, on: dt.date) -> DataFrame:
    """What stays of a source's bronze table, in its shape.

    Args:
        bronze: `bronze.<source>`.
        source: The source's contract.
        on: Run date: a line is expired when it is older than its days on that date.
    """
    old = bronze.where(is_expired(source, on=on))
    stays = [bronze.where(~is_expired(source, on=on))]
    for name, feed in source.feeds.items():
        mine = bronze.where(F.col("feed") == name)
        expired = old.where(F.col("feed") == name)
        if feed.state_of:
            newest = _newest(mine.where(F.coalesce("kept_for", F.lit(DELETION)) == DELETION), feed)
            stays.append(_states(expired.join(newest, on=_LINE, how="left_semi"), feed))
            expired = expired.join(newest, on=_LINE, how="left_anti")
        if feed.statement is not None:
            stays.append(_statements(expired, feed))
    return union([frame.select(*bronze.columns) for frame in stays])


def _newest(lines: DataFrame, feed: Feed) -> DataFrame:
    """The line that is the state today: `file_id`, `row_no`, a row a key (as `rows.newest` orders lines)."""
    key = [F.get_json_object("record", f"$.{name}").alias(name) for name in feed.state_of]
    line = F.max_by(F.struct(*_LINE), F.struct(*_AGE))
    return lines.groupBy(*key).agg(line.alias("line")).select("line.*")


def _states(lines: DataFrame, feed: Feed) -> DataFrame:
    """Lines that are the state today; of one that ends it, without what else it tells."""
    if _DELETED not in feed.columns:
        return lines
    # As its reader casts it: a file may write it in several ways.
    is_end = F.coalesce(F.get_json_object("record", f"$.{_DELETED}").try_cast("boolean"), F.lit(False))
    said = feed.statement.columns if feed.statement is not None else ()
    end = reduced(F.col("record"), feed, {*feed.state_of, _DELETED, *said})
    return lines.withColumns(
        {
            "record": F.when(is_end, end).otherwise(F.col("record")),
            "kept_for": F.when(is_end, F.lit(DELETION)).otherwise(F.col("kept_for")),
        }
    )


def newly_reduced(stays: DataFrame, bronze: DataFrame) -> DataFrame:
    """Lines that `aged` kept a part of, and that were whole before."""
    before = bronze.where("kept_for is not null").select(*_LINE)
    return stays.where("kept_for is not null").join(before, on=_LINE, how="left_anti")


def _statements(lines: DataFrame, feed: Feed) -> DataFrame:
    """Lines that make a statement, without what else they tell; of those that say the same the first."""
    assert feed.statement is not None
    said = F.coalesce(F.get_json_object("record", f"$.{feed.statement.carried_in}"), F.lit(""))
    told = lines.where(~said.isin(*_EMPTY)).withColumns(
        {
            "record": reduced(F.col("record"), feed, feed.statement.columns),
            "kept_for": F.coalesce("kept_for", F.lit(STATEMENT)),
        }
    )
    first = Window.partitionBy("feed", "record", "kept_for").orderBy(*_AGE, "file_id")
    return told.withColumn("_place", F.row_number().over(first)).where("_place = 1").drop("_place")

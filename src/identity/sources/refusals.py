"""What a file refused outlives the file: a source that delivers it again takes back what it permitted, and no refusal.

A yes that vanishes only denies. A no that vanishes would let an older yes permit again, and nobody would know.
"""

from collections.abc import Collection
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import ConsentMapping, Feed, SourceContract
from identity.sources.parsing import opened
from identity.sources.rows import union

REFUSAL: Final = "refusal"
"""What such a line of bronze is kept for (`kept_for`)."""
IS_GIVEN_UP: Final = f"coalesce(kept_for, '') <> '{REFUSAL}'"
"""Whether a line of a file that is replaced goes with it, as SQL."""


def taken_back(bronze: DataFrame, source: SourceContract, *, file_ids: Collection[str]) -> DataFrame:
    """Lines of files that are replaced, reduced to what they refuse; those whose words no other line has, once each.

    Args:
        bronze: `bronze.<source>`, with the lines of what replaces them.
        source: The source's contract.
        file_ids: The files.

    Returns:
        Lines in the shape of bronze, to be added to it.
    """
    goes = F.col("file_id").isin(*file_ids) & F.expr(IS_GIVEN_UP)
    first = Window.partitionBy("record").orderBy("delivered_on", "file", "row_no", "file_id")
    kept = [bronze.limit(0)]
    for name, feed in source.feeds.items():
        if feed.statement is not None:
            refused = refusal(F.col("record"), feed, source.consent)
            mine = bronze.where(F.col("feed") == name).withColumns({"record": refused, "goes": goes})
            mine = mine.where("record is not null")
            said = mine.where(~F.col("goes")).select("record")
            left = mine.where("goes").join(said, on="record", how="left_anti")
            left = left.withColumn("_place", F.row_number().over(first)).where("_place = 1")
            kept.append(left.withColumn("kept_for", F.lit(REFUSAL)).select(*bronze.columns))
    return union(kept)


def refusal(record: Column, feed: Feed, consent: ConsentMapping) -> Column:
    """A `record` reduced to what it refuses; null where it refuses nothing.

    A code or an answer that nobody mapped is no refusal: to replace its file is the way to be rid of it.

    Args:
        record: The record as JSON.
        feed: A feed whose lines make statements.
        consent: What the source's codes and answers mean.
    """
    assert feed.statement is not None
    codes = [code for code, purposes in consent.codes.items() if purposes]
    answers = [answer for answer, value in consent.values.items() if value in ("n", "objection")]
    statement, read = feed.statement, opened(record, feed)
    said = read[statement.carried_in]

    def refuses(code: Column, answer: Column) -> Column:
        return code.isin(*codes) & answer.isin(*answers)

    if statement.code is None:
        said = F.map_filter(said, refuses)
        is_refused = F.size(said) > 0
    elif statement.answer is not None:
        fields = (statement.code, statement.answer)
        said = F.filter(said, lambda one: refuses(*(one[field] for field in fields)))
        is_refused = F.size(said) > 0
    else:
        is_refused = refuses(read[statement.code], said)
    columns = [
        (said if name == statement.carried_in else read[name]).alias(name)
        for name in feed.columns
        if name in statement.columns
    ]
    return F.when(is_refused, F.to_json(F.struct(*columns)))

"""Rule 6: a child's data need the guardian's permission; who is a child, and who the guardian is.

Below 13 nobody can consent alone to an online service anywhere in the EU (GDPR art. 8(1); Finland's age is 13).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

AGE_OF_CONSENT: Final = 13


def children(members: DataFrame, persons: DataFrame, cards: DataFrame, *, on: dt.date) -> DataFrame:
    """Parts of golden ids that are a child's, each with its guardians.

    The guardian is who holds, as principal, the loyalty account that a record of the part holds a card of, and is no
    child. A card that is closed makes nobody a guardian. One record with a child's birth date makes the whole part a child's.

    Args:
        members: `golden_id`, `part`, `source`, `source_key`.
        persons: silver.person_record.
        cards: silver.loyalty_card.
        on: Run date.

    Returns:
        `golden_id`, `part`, `guardian_id`, `guardian_part`: a row a guardian, and one without where there is none.
    """
    key = ["source", "source_key"]
    birthday = F.add_months("birth_date", 12 * AGE_OF_CONSENT)
    young = persons.where(birthday > F.lit(on)).select(*key)
    parts = members.join(young, on=key, how="left_semi").select("golden_id", "part").distinct()
    holders = cards.select(
        "account_no",
        "holder_role",
        "closed_on",
        F.lit("loyalty").alias("source"),
        F.col("member_no").alias("source_key"),
    ).join(members.select("golden_id", "part", *key), on=key, how="inner")
    is_open = F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(on))
    grown = holders.where((F.col("holder_role") == "principal") & is_open).join(
        parts, on=["golden_id", "part"], how="left_anti"
    )
    guardians = grown.select(
        "account_no", F.col("golden_id").alias("guardian_id"), F.col("part").alias("guardian_part")
    )
    found = (
        holders.select("golden_id", "part", "account_no")
        .join(guardians, on="account_no", how="inner")
        .where("golden_id <> guardian_id")
        .select("golden_id", "part", "guardian_id", "guardian_part")
        .distinct()
    )
    return parts.join(found, on=["golden_id", "part"], how="left")


def under_guardians(young: DataFrame, granted: DataFrame, *, purposes: Sequence[str]) -> DataFrame:
    """Until when guardians permit each purpose for the children's parts of golden ids.

    Args:
        young: `children`.
        granted: What guardians permit for their own confirmed parts: `guardian_id`, `guardian_part`, `purpose`, `until`.
        purposes: Purposes that rest on consent.

    Returns:
        `golden_id`, `purpose`, `guarded`: an array of `part` and `until`, null where no guardian permits.
    """
    every = young.withColumn("purpose", F.explode(F.array(*map(F.lit, purposes))))
    return (
        every.join(granted, on=["guardian_id", "guardian_part", "purpose"], how="left")
        .groupBy("golden_id", "part", "purpose")
        .agg(F.max("until").alias("until"))
        .groupBy("golden_id", "purpose")
        .agg(F.collect_list(F.struct("part", "until")).alias("guarded"))
    )

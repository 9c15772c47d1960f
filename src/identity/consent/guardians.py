"""Rule 6: a child's data need the guardian's permission; who is a child, and who the guardian is.

Below 13 nobody can consent alone to an online service anywhere in the EU (GDPR art. 8(1); Finland's age is 13).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

AGE_OF_CONSENT: Final = 13
_RULE: Final = 6


def children(members: DataFrame, persons: DataFrame, cards: DataFrame, *, on: dt.date) -> DataFrame:
    """Parts of golden ids that are a child's, each with its guardians.

    The guardian is who holds, as principal, the loyalty account that a record of the part holds a card of, and is no
    child. One record with a child's birth date makes the whole part a child's.

    Args:
        members: `golden_id`, `part`, `source`, `source_key`.
        persons: silver.person_record.
        cards: silver.loyalty_card.
        on: Run date.

    Returns:
        `golden_id`, `part`, `guardian_id`: a row a guardian, and one without a guardian where there is none.
    """
    key = ["source", "source_key"]
    birthday = F.add_months("birth_date", 12 * AGE_OF_CONSENT)
    young = persons.where(birthday > F.lit(on)).select(*key)
    parts = members.join(young, on=key, how="left_semi").select("golden_id", "part").distinct()
    holders = cards.select(
        "account_no", "holder_role", F.lit("loyalty").alias("source"), F.col("member_no").alias("source_key")
    ).join(members.select("golden_id", "part", *key), on=key, how="inner")
    grown = holders.where("holder_role = 'principal'").join(parts, on=["golden_id", "part"], how="left_anti")
    guardians = grown.select("account_no", F.col("golden_id").alias("guardian_id"))
    found = (
        holders.select("golden_id", "part", "account_no")
        .join(guardians, on="account_no", how="inner")
        .where("golden_id <> guardian_id")
        .select("golden_id", "part", "guardian_id")
        .distinct()
    )
    return parts.join(found, on=["golden_id", "part"], how="left")


def without_guardian(
    decided: DataFrame, granted: DataFrame, young: DataFrame, *, purposes: Sequence[str]
) -> DataFrame:
    """Take from a decision the parts of children for whom no guardian permits the purpose.

    Args:
        decided: Decisions without regard to age, in the shape of consent.effective.
        granted: Those of guardians that permit.
        young: `children`.
        purposes: Purposes that rest on consent.
    """
    permitted = granted.select(F.col("golden_id").alias("guardian_id"), "purpose").distinct()
    allowed = young.join(permitted, on="guardian_id", how="inner").select("golden_id", "part", "purpose")
    every = young.select("golden_id", "part", F.explode(F.array(*map(F.lit, purposes))).alias("purpose"))
    kept_out = (
        every.join(allowed, on=["golden_id", "part", "purpose"], how="left_anti")
        .groupBy("golden_id", "purpose")
        .agg(F.collect_set("part").alias("kept_out"))
    )
    joined = decided.join(kept_out, on=["golden_id", "purpose"], how="left")
    left = F.array_except("permitted_parts", F.coalesce("kept_out", F.array().cast("array<string>")))
    is_out = (F.col("decision") == "permit") & F.col("kept_out").isNotNull() & (F.size("left") == 0)
    told = joined.withColumn("left", left).withColumn("is_out", is_out)
    return told.select(
        *(
            {
                "decision": F.when(F.col("is_out"), "deny").otherwise(F.col("decision")).alias("decision"),
                "rule_no": F.when(F.col("is_out"), F.lit(_RULE)).otherwise(F.col("rule_no")).alias("rule_no"),
                "valid_to_on": F.when(~F.col("is_out"), F.col("valid_to_on")).alias("valid_to_on"),
                "permitted_parts": F.col("left").alias("permitted_parts"),
            }.get(name, F.col(name))
            for name in decided.columns
        )
    )

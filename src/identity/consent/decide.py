"""What a purpose may do with a golden id: the rules of docs/consent.md, in their order.

1. Of one identifier the newest statement counts, by when it was said; of two said at once, the no.
2. An objection (GDPR art. 21) beats everything and does not expire.
3. Across identifiers of one person a no beats a yes, unless the yes is newer and at least as strong an
   identifier; otherwise it is a conflict, which denies.
5. Unknown, pending and expired deny purposes that need consent; other purposes run unless refused.
7. Every decision names its rule and the statement that won.

(Rules 4 and 6, reach over edges and households, are not decided here yet.)
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import STRENGTHS, Namespace, Purpose

PERSON = "person"


def newest_statements(events: DataFrame, *, namespaces: Mapping[str, Namespace]) -> DataFrame:
    """Rule 1: the newest statement of each subject, purpose and contact point; adds `strength` of the subject.

    An objection is kept beside a newer statement, for it beats that (rule 2).
    """
    strengths = {name: STRENGTHS[namespace.level] for name, namespace in namespaces.items()}
    strength = F.create_map(*(F.lit(part) for item in strengths.items() for part in item))
    order = Window.partitionBy(
        "subject_namespace", "subject_hmac", "purpose", "contact_point_hmac", "basis"
    ).orderBy(
        F.desc("asserted_at"),
        "value",
        "event_key",  # at one time: n before pending, unknown and y
    )
    return (
        events.withColumn("_place", F.row_number().over(order))
        .where("_place = 1")
        .drop("_place")
        .withColumn("strength", strength[F.col("subject_namespace")])
    )


def effective(
    subjects: DataFrame,
    events: DataFrame,
    points: DataFrame,
    *,
    purposes: Mapping[str, Purpose],
    namespaces: Mapping[str, Namespace],
    on: dt.date,
) -> DataFrame:
    """Decide every purpose for every golden id.

    Args:
        subjects: `golden_id`, `namespace`, `value_hmac`, `no_only`: identifiers whose statements speak for the id;
            where `no_only`, a refusal that reaches it from a record that may not be joined.
        events: silver.consent_event.
        points: `golden_id`, `kind` (email or phone), `contact_point`: where the id can be reached.
        purposes: Purposes by name.
        namespaces: The identifier hierarchy.
        on: Run date.

    Returns:
        consent.effective: a row a golden id and purpose; for purposes that need a contact point, a row each.
    """
    rules = events.sparkSession.createDataFrame(
        [(name, p.basis, p.contact, p.expires_days) for name, p in purposes.items()],
        "purpose string, lawful_basis string, contact string, expires_days int",
    )
    heard = (
        newest_statements(events, namespaces=namespaces)
        .withColumnsRenamed({"subject_namespace": "namespace", "subject_hmac": "value_hmac"})
        .join(subjects, on=["namespace", "value_hmac"], how="inner")
        .where("not no_only or value = 'n'")
        .join(F.broadcast(rules.select("purpose", "contact")), on="purpose", how="inner")
    )
    # What was said of a contact point counts for that point; what was said at large, for every point.
    at_large = F.col("contact_point_hmac").isNull()
    of_person = heard.where(at_large & F.col("contact").isNull()).withColumn("contact_point", F.lit(PERSON))
    of_points = heard.join(
        points.withColumnRenamed("kind", "contact"), on=["golden_id", "contact"], how="inner"
    ).where(at_large | (F.col("contact_point_hmac") == F.col("contact_point")))
    question = ["golden_id", "purpose", "contact_point"]
    weighed = weigh(of_person.unionByName(of_points), by=question)
    asked = _questions(subjects, points, rules)
    return _judge(asked.join(weighed, on=question, how="left"), on=on)


def weigh(heard: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Weigh all that was said on each question (rules 1 to 3).

    Rule 3 asks every yes, not only the newest: is it newer than every no, and at least as strong? Such a yes lifts
    the no.

    Args:
        heard: What `newest_statements` returns, with the columns that name the question.
        by: Those columns.

    Returns:
        `by`, `objection`, `no`, `yes` (the statements that speak loudest, null where nothing was said), and `lifts`.
    """
    said = F.struct("asserted_at", "strength", "source", "event_key")
    is_objection = F.col("basis") == "objection"
    is_no = (F.col("value") == "n") & ~is_objection
    told = heard.groupBy(*by).agg(
        F.max(F.when(is_objection, said)).alias("objection"),
        F.max(F.when(is_no, said)).alias("no"),
        F.max(F.when(is_no, F.col("strength"))).alias("no_strength"),
        F.collect_list(F.when(F.col("value") == "y", said)).alias("yeses"),
    )
    lifting = F.filter(
        "yeses",
        lambda yes: (
            (yes["asserted_at"] > F.col("no.asserted_at")) & (yes["strength"] >= F.col("no_strength"))
        ),
    )
    return (
        told.withColumn("lifting", F.array_max(lifting))
        .withColumn("yes", F.coalesce("lifting", F.array_max("yeses")))
        .select(*by, "objection", "no", "yes", F.col("lifting").isNotNull().alias("lifts"))
    )


def _questions(subjects: DataFrame, points: DataFrame, rules: DataFrame) -> DataFrame:
    """A row a golden id and purpose (and contact point) there is to decide."""
    ids = subjects.select("golden_id").distinct()
    of_person = ids.crossJoin(F.broadcast(rules.where("contact is null"))).withColumn(
        "contact_point", F.lit(PERSON)
    )
    by_kind = F.broadcast(rules.where("contact is not null"))
    of_points = points.join(by_kind, on=F.col("kind") == F.col("contact"), how="inner").drop("kind")
    every = of_person.unionByName(of_points.select(*of_person.columns))
    return every.withColumn("channel", F.coalesce("contact", F.lit("any"))).drop("contact")


def _judge(heard: DataFrame, *, on: dt.date) -> DataFrame:
    needs_yes = F.col("lawful_basis") == "consent"
    by_contract = F.col("lawful_basis") == "contract"
    objected = F.col("objection").isNotNull() & ~by_contract
    refused = F.col("no").isNotNull() & ~by_contract
    agreed = F.col("yes").isNotNull()
    until = F.when(needs_yes, F.date_add(F.col("yes.asserted_at").cast("date"), F.col("expires_days")))
    expired = agreed & (until <= F.lit(on))

    def verdict(decision: str, rule: int, winner: str | None, *, conflict: bool = False) -> Column:
        return F.struct(
            F.lit(decision).alias("decision"),
            F.lit(rule).alias("rule_no"),
            F.lit(conflict).alias("is_conflict"),
            (F.col(winner)["source"] if winner else F.lit(None).cast("string")).alias("winning_source"),
            (F.col(winner)["event_key"] if winner else F.lit(None).cast("string")).alias("winning_event_key"),
        )

    decided = (
        F.when(objected, verdict("deny", 2, "objection"))
        .when(refused & agreed & ~F.col("lifts"), verdict("deny", 3, "no", conflict=True))
        .when(refused & ~agreed, verdict("deny", 1, "no"))
        .when(needs_yes & expired, verdict("deny", 5, "yes"))
        .when(refused & agreed, verdict("permit", 3, "yes"))
        .when(agreed & ~by_contract, verdict("permit", 1, "yes"))
        .when(needs_yes, verdict("deny", 5, None))
        .otherwise(verdict("permit", 5, None))
    )
    return heard.withColumn("v", decided).select(
        "golden_id",
        "purpose",
        "channel",
        "contact_point",
        "v.*",
        F.lit(on).alias("decided_on"),
        F.when(F.col("v.decision") == "permit", until).alias("valid_to_on"),
    )

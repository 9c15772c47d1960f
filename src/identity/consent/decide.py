"""What a purpose may do with a golden id: the rules of docs/consent.md, in their order.

1. Of one identifier the newest statement counts, by when it was said; of two said at once, the no.
2. An objection (GDPR art. 21) beats everything and does not expire.
3. Across identifiers of one person a no beats a yes, unless the yes is newer and at least as strong an
   identifier; otherwise it is a conflict, which denies.
4. A yes speaks for its own confirmed part of the golden id; a no for all of it, and for whom it may also be (`reach.py`).
5. Unknown, pending and expired deny purposes that need consent; other purposes run unless refused.
6. A child's data need the guardian's permission too (`guardians.py`); nothing else passes between members of a household.
7. Every decision names its rule and the statement that won.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from identity.config import STRENGTHS, Namespace, Notice, Purpose
from identity.consent.guardians import under_guardians

PERSON = "person"
_NEVER = dt.date(9999, 12, 31)


def newest_statements(
    events: DataFrame, *, namespaces: Mapping[str, Namespace], by: Sequence[str] = ()
) -> DataFrame:
    """Rule 1: the newest statement of each subject, purpose and contact point; adds `strength` of the subject.

    An objection is kept beside a newer statement, for it beats that (rule 2).

    Args:
        events: silver.consent_event.
        namespaces: The identifier hierarchy.
        by: More columns, of whose values each has its own newest statement.
    """
    strengths = {name: STRENGTHS[namespace.level] for name, namespace in namespaces.items()}
    strength = F.create_map(*(F.lit(part) for item in strengths.items() for part in item))
    order = Window.partitionBy(
        *by, "subject_namespace", "subject_hmac", "purpose", "contact_point_hmac", "basis"
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


def yes_until(purposes: Mapping[str, Purpose], notices: Mapping[str, Notice]) -> Column:
    """The day from which a yes no longer counts, by its age and its notice's validity; far off where it never ends.

    Needs `purpose`, `asserted_at` and `notice_version`. Only a purpose that rests on consent needs a yes, so only its
    yes can expire.
    """
    days = {
        name: p.expires_days
        for name, p in purposes.items()
        if p.basis == "consent" and p.expires_days is not None
    }
    on_consent = F.col("purpose").isin(*(name for name, p in purposes.items() if p.basis == "consent"))
    aged = F.lit(None).cast("date")
    if days:
        lasts = F.create_map(*(F.lit(x) for item in days.items() for x in item))[F.col("purpose")]
        aged = F.date_add(F.col("asserted_at").cast("date"), lasts)
    withdrawn = F.lit(None).cast("date")
    if notices:
        ends = ((version, notice.valid_to_on) for version, notice in notices.items())
        withdrawn = F.create_map(*(F.lit(x) for item in ends for x in item))[F.col("notice_version")]
        withdrawn = F.when(on_consent, withdrawn)
    return F.coalesce(F.least(aged, withdrawn), F.lit(_NEVER))


def effective(
    subjects: DataFrame,
    events: DataFrame,
    points: DataFrame,
    children: DataFrame,
    *,
    purposes: Mapping[str, Purpose],
    notices: Mapping[str, Notice],
    namespaces: Mapping[str, Namespace],
    on: dt.date,
) -> DataFrame:
    """Decide every purpose for every golden id.

    Args:
        subjects: Identifiers whose statements speak for an id, as `reach.subjects` returns them.
        events: silver.consent_event.
        points: `golden_id`, `kind` (email or phone), `contact_point`: where the id can be reached.
        children: What `guardians.children` returns.
        purposes: Purposes by name.
        notices: Privacy notices whose validity ended, by version.
        namespaces: The identifier hierarchy.
        on: Run date.

    Returns:
        consent.effective: a row a golden id and purpose; for purposes that need a contact point, a row each.
    """
    rules = events.sparkSession.createDataFrame(
        [(name, p.basis, p.contact) for name, p in purposes.items()],
        "purpose string, lawful_basis string, contact string",
    )
    spoken = events.withColumn("until", yes_until(purposes, notices))
    now = newest_statements(spoken, namespaces=namespaces)

    def weighed(speaking: DataFrame, reached: DataFrame) -> DataFrame:
        """What was said on every question, of the ids that are spoken for."""
        today = speaking.where("heard_to is null")
        of_today = _of_subjects(now, today).where("part is not null or value = 'n'")
        # What is no longer reached is heard as it was then: what was said later neither counts nor takes back.
        once = _of_subjects(spoken, speaking.where("heard_to is not null"))
        of_once = newest_statements(
            once.where("cast(asserted_at as date) <= heard_to"), namespaces=namespaces, by=["golden_id"]
        ).where("value = 'n'")
        heard = of_today.unionByName(of_once).join(
            F.broadcast(rules.select("purpose", "contact")), on="purpose", how="inner"
        )
        # What was said of a contact point counts for that point; what was said at large, for every point.
        at_large = F.col("contact_point_hmac").isNull()
        of_person = heard.where(at_large & F.col("contact").isNull()).withColumn(
            "contact_point", F.lit(PERSON)
        )
        of_points = heard.join(
            reached.withColumnRenamed("kind", "contact"), on=["golden_id", "contact"], how="inner"
        ).where(at_large | (F.col("contact_point_hmac") == F.col("contact_point")))
        question = ["golden_id", "purpose", "contact_point"]
        told = weigh(of_person.unionByName(of_points), by=question)
        asked = _questions(speaking, reached, rules).join(told, on=question, how="left")
        yeses = F.coalesce("lifting", F.array().cast(_YESES))
        return asked.withColumn("lifting", yeses).withColumn("standing", standing(on))

    ids = children.select(F.col("guardian_id").alias("golden_id")).distinct()
    of_guardians = weighed(
        subjects.join(ids, on="golden_id", how="left_semi"), points.join(ids, on="golden_id", how="left_semi")
    )
    needing = [name for name, p in purposes.items() if p.basis == "consent"]
    guarded = under_guardians(children, _granted(of_guardians), purposes=needing)
    return _judge(weighed(subjects, points).join(guarded, on=["golden_id", "purpose"], how="left"), on=on)


def _of_subjects(events: DataFrame, speaking: DataFrame) -> DataFrame:
    """Statements with the `golden_id`, `part` and `heard_to` of whom each speaks for."""
    named = speaking.withColumnsRenamed({"namespace": "subject_namespace", "value_hmac": "subject_hmac"})
    return events.join(named, on=["subject_namespace", "subject_hmac"], how="inner")


def _granted(weighed: DataFrame) -> DataFrame:
    """What guardians permit for their own parts, and until when: `guardian_id`, `guardian_part`, `purpose`, `until`."""
    return (
        weighed.where("lawful_basis = 'consent' and objection is null")
        .select(F.col("golden_id").alias("guardian_id"), "purpose", F.explode("standing").alias("yes"))
        .groupBy("guardian_id", F.col("yes.part").alias("guardian_part"), "purpose")
        .agg(F.max("yes.until").alias("until"))
    )


def weigh(heard: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Weigh all that was said on each question (rules 1 to 4).

    Rule 3 asks every yes, not only the newest: is it newer than every no, and at least as strong? Such a yes lifts
    the no, for the part it was said in (rule 4).

    Args:
        heard: What `newest_statements` returns, with `part`, `until`, and the columns that name the question.
        by: Those columns.

    Returns:
        `by`, `objection`, `no`, `yes` (the statements that speak loudest, null where nothing was said), and `lifting`:
        every yes that no refusal stands against, each with `part` and `until`.
    """
    told = ("asserted_at", "strength", "source", "event_key")
    said = F.struct(*told)
    is_objection = F.col("basis") == "objection"
    is_no = (F.col("value") == "n") & ~is_objection
    weighed = heard.groupBy(*by).agg(
        F.max(F.when(is_objection, said)).alias("objection"),
        F.max(F.when(is_no, said)).alias("no"),
        F.max(F.when(is_no, F.col("strength"))).alias("no_strength"),
        F.collect_list(F.when(F.col("value") == "y", F.struct(*told, "part", "until"))).alias("yeses"),
    )
    lifting = F.filter(
        "yeses",
        lambda yes: (
            F.col("no").isNull()
            | ((yes["asserted_at"] > F.col("no.asserted_at")) & (yes["strength"] >= F.col("no_strength")))
        ),
    )
    loudest = F.coalesce(F.array_max("lifting"), F.array_max("yeses"))
    return (
        weighed.withColumn("lifting", lifting)
        .withColumn("yes", loudest)
        .select(*by, "objection", "no", "yes", "lifting")
    )


def standing(on: dt.date) -> Column:
    """Of `weigh`'s lifting yeses those that have not expired (rule 5)."""
    return F.filter("lifting", lambda yes: yes["until"] > F.lit(on))


def _questions(subjects: DataFrame, points: DataFrame, rules: DataFrame) -> DataFrame:
    """A row a golden id and purpose (and contact point) there is to decide, with the id's parts."""
    ids = subjects.groupBy("golden_id").agg(F.sort_array(F.collect_set("part")).alias("parts"))
    of_person = ids.crossJoin(F.broadcast(rules.where("contact is null"))).withColumn(
        "contact_point", F.lit(PERSON)
    )
    by_kind = F.broadcast(rules.where("contact is not null"))
    reached = points.join(ids, on="golden_id", how="inner")
    of_points = reached.join(by_kind, on=F.col("kind") == F.col("contact"), how="inner").drop("kind")
    every = of_person.unionByName(of_points.select(*of_person.columns))
    return every.withColumn("channel", F.coalesce("contact", F.lit("any"))).drop("contact")


def _guarded() -> Column:
    """Standing yeses that rule 6 leaves: a child's only with a guardian's, and no longer than that (`guarded`)."""

    def child(yes: Column) -> Column:
        return F.get(F.filter("guarded", lambda child: child["part"] == yes["part"]), F.lit(0))

    def is_kept(yes: Column) -> Column:
        return child(yes).isNull() | child(yes)["until"].isNotNull()

    def ended(yes: Column) -> Column:
        return yes.withField("until", F.least(yes["until"], child(yes)["until"]))

    return F.transform(F.filter("standing", is_kept), ended)


def _judge(heard: DataFrame, *, on: dt.date) -> DataFrame:
    needs_yes = F.col("lawful_basis") == "consent"
    by_contract = F.col("lawful_basis") == "contract"
    objected = F.col("objection").isNotNull() & ~by_contract
    refused = F.col("no").isNotNull() & ~by_contract
    agreed = F.col("yes").isNotNull()
    lifts = F.size("lifting") > 0
    stands, is_guarded = F.size("standing") > 0, F.size("guarded_yeses") > 0
    nobody = F.lit(None).cast("struct<source:string,event_key:string>")

    def verdict(decision: str, rule: int | Column, winner: Column, *, conflict: bool = False) -> Column:
        return F.struct(
            F.lit(decision).alias("decision"),
            (F.lit(rule) if isinstance(rule, int) else rule).alias("rule_no"),
            F.lit(conflict).alias("is_conflict"),
            winner["source"].alias("winning_source"),
            winner["event_key"].alias("winning_event_key"),
        )

    newest = F.array_max("guarded_yeses")
    decided = (
        F.when(objected, verdict("deny", 2, F.col("objection")))
        .when(refused & agreed & ~lifts, verdict("deny", 3, F.col("no"), conflict=True))
        .when(refused & ~agreed, verdict("deny", 1, F.col("no")))
        .when(needs_yes & is_guarded, verdict("permit", F.when(refused, 3).otherwise(1), newest))
        .when(needs_yes & stands, verdict("deny", 6, F.array_max("standing")))
        .when(needs_yes & agreed, verdict("deny", 5, F.col("yes")))
        .when(refused & agreed, verdict("permit", 3, F.col("yes")))
        .when(agreed & ~by_contract, verdict("permit", 1, F.col("yes")))
        .when(needs_yes, verdict("deny", 5, nobody))
        .otherwise(verdict("permit", 5, nobody))
    )
    said_in = F.when(needs_yes, F.col("guarded_yeses")).when(refused, F.col("lifting"))
    of_yes = F.sort_array(F.array_distinct(F.transform(said_in, lambda yes: yes["part"])))
    until = F.when(needs_yes, F.nullif(newest["until"], F.lit(_NEVER)))
    permits = F.col("v.decision") == "permit"
    return (
        heard.withColumn("guarded_yeses", _guarded())
        .withColumn("v", decided)
        .select(
            "golden_id",
            "purpose",
            "channel",
            "contact_point",
            "v.*",
            F.lit(on).alias("decided_on"),
            F.when(permits, until).alias("valid_to_on"),
            F.when(permits, F.coalesce(of_yes, "parts"))
            .otherwise(F.array().cast("array<string>"))
            .alias("permitted_parts"),
        )
    )


_YESES = (
    "array<struct<asserted_at:timestamp,strength:int,source:string,event_key:string,part:string,until:date>>"
)

"""Loyalty programme: members, accounts, cards and consents."""

from pyspark.sql import functions as F

from identity.sources.rows import CONSENT, PERSON, Feeds, Rows, carried, newest, shaped

SOURCE = "loyalty"


def rows(feeds: Feeds) -> Rows:
    """Loyalty feeds `members`, `accounts`, `cards`, `consents` as shared rows; a deleted member is gone."""
    members = newest(feeds["members"], "member_no").where("not deleted").drop("deleted")
    cards = newest(feeds["cards"], "card_no")
    held = cards.groupBy("member_no").agg(F.sort_array(F.collect_set("card_no")).alias("card_nos"))
    joined = F.coalesce(F.col("joined_on").cast("timestamp"), F.col("updated_at"))
    return {
        "person": shaped(
            members,
            PERSON,
            source=F.lit(SOURCE),
            source_key="member_no",
            subject_kind=F.coalesce("member_kind", F.lit("customer")),
            linkage=F.lit("allowed"),
            first_names="first_name",
            last_names="last_name",
            birth_text="birth_date",
            emails=F.array("email"),
            phones=F.array("phone"),
            street="street",
            postal_code="postal_code",
            city="city",
            country="country",
            language="language",
            valid_from="updated_at",
            first_seen_at=joined,
        ),
        "identifier": carried(
            members.join(held, on="member_no", how="left"),
            source=SOURCE,
            key="member_no",
            seen=F.col("updated_at"),
            values={
                "loyalty_member": F.array("member_no"),
                "loyalty_card": F.col("card_nos"),
                "email": F.array("email"),
                "phone": F.array("phone"),
            },
        ),
        "consent": shaped(
            feeds["consents.stated"],
            CONSENT,
            source=F.lit(SOURCE),
            subject_namespace=F.lit("loyalty_member"),
            subject_raw="member_no",
            code="permission",
            answer="answer",
            **{name: name for name in _CONSENT_AS_IS},
        ),
        "loyalty_account": newest(feeds["accounts"], "account_no").select("account_no", "tier", "opened_on"),
        "loyalty_card": cards.select(
            "card_no", "account_no", "member_no", "holder_role", "issued_on", "closed_on"
        ),
    }


_CONSENT_AS_IS = (
    "asked_in",
    "asserted_at",
    "delivered_on",
    "notice_version",
    "benefit_shown",
    "benefit_type",
)

"""Customer register and contact centre: contacts with their permissions, and interactions.

Free text of a conversation often holds names and numbers; it stays in bronze.
"""

from pyspark.sql import functions as F

from identity.sources.rows import CONSENT, PERSON, Feeds, Rows, carried, newest, shaped

SOURCE = "crm"


def rows(feeds: Feeds) -> Rows:
    """CRM feeds `contacts`, `interactions` as shared rows; a deleted contact is gone, what it permitted is not."""
    latest = newest(feeds["contacts"], "contact_id")
    contacts = latest.where("not deleted")
    # A pick-up point or a delivery address is somebody else's door: it says nothing about the home.
    is_home = F.col("address.address_kind") == "home"
    return {
        "person": shaped(
            contacts,
            PERSON,
            source=F.lit(SOURCE),
            source_key="contact_id",
            subject_kind=F.when(F.col("contact_kind") == "company", F.lit("b2b_contact")).otherwise(
                F.coalesce("subject_kind", F.lit("customer"))
            ),
            linkage=F.lit("allowed"),
            first_names="first_name",
            last_names="last_name",
            birth_text="birth_date",
            emails="emails",
            phones="phones",
            street=F.when(is_home, F.col("address.street")),
            postal_code=F.when(is_home, F.col("address.postal_code")),
            city=F.when(is_home, F.col("address.city")),
            country=F.when(is_home, F.col("address.country")),
            language="language",
            valid_from="updated_at",
            first_seen_at=F.coalesce("created_at", "updated_at"),
        ),
        "identifier": carried(
            contacts,
            source=SOURCE,
            key="contact_id",
            seen=F.col("updated_at"),
            values={
                "crm_contact": F.array("contact_id"),
                "loyalty_member": F.array("loyalty_member_no"),
                "email": F.col("emails"),
                "phone": F.col("phones"),
            },
        ),
        "consent": shaped(
            feeds["contacts.stated"].select(
                "contact_id", "delivered_on", F.explode("permissions").alias("p")
            ),
            CONSENT,
            source=F.lit(SOURCE),
            subject_namespace=F.lit("crm_contact"),
            subject_raw="contact_id",
            code="p.code",
            answer="p.value",
            contact_point_raw="p.contact_point",
            asked_in="p.channel",
            asserted_at=F.col("p.at").try_cast("timestamp"),
            delivered_on="delivered_on",
            notice_version="p.notice_version",
            benefit_shown="p.benefit_shown",
            benefit_type="p.benefit_type",
        ),
        "interaction": newest(feeds["interactions"], "interaction_id").select(
            F.lit(SOURCE).alias("source"),
            "interaction_id",
            F.col("contact_id").alias("source_key"),
            "channel",
            F.col("type").alias("interaction_type"),
            "topic",
            "status",
            "opened_at",
            "closed_at",
            "sentiment",
            F.col("csat").alias("satisfaction"),
            F.col("nps").alias("recommendation"),
            "agent_team",
            F.col("delivery.kind").alias("delivery_kind"),
        ),
    }

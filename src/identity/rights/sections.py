"""What an export shows, and which tables about persons it does not show, each with the reason."""

from typing import Final

# Sections of an export, and the table whose rows each shows; `delivered` is of every bronze table.
SECTIONS: Final = {
    "records": "silver.person_record",
    "identifiers": "silver.identifier",
    "delivered": "bronze._source",
    "purchases": "silver.sale_line",
    "views": "silver.web_view",
    "interactions": "silver.interaction",
    "consents": "silver.consent_event",
    "statements": "consent.statement",
    "decisions": "consent.effective",
    "past_decisions": "consent.history",
    "repermissions": "consent.repermission",
    "carried_refusals": "consent.carried_refusal",
    "restrictions": "consent.restriction",
    "corrections": "silver.correction",
    "cards": "silver.loyalty_card",
    "accounts": "silver.loyalty_account",
    "memberships": "id.golden_member",
    "history": "id.golden_history",
    "evidence": "id.edge",
    "devices": "id.device_owner",
    "household": "id.household",
    "uses": "ops.data_use_log",
    "requests": "ops.subject_request",
}
# What she provided or what was observed of her; nothing that was inferred (art. 20(1)).
PORTABLE: Final = (
    "records",
    "identifiers",
    "delivered",
    "purchases",
    "views",
    "interactions",
    "consents",
    "statements",
    "cards",
)
# Gold tables shown among the profiles, beside those of the purposes.
PROFILES: Final = ("gold.profile_core", "gold.customer_metrics")

# Columns of a section's table that are not shown: a key of others too, and what the model says of a pair.
DROPPED: Final[dict[str, tuple[str, ...]]] = {
    "evidence": ("evidence", "match_weight", "probability"),
    "household": ("household_id",),
}
LEFT_OUT: Final = {
    "silver.web_session": "sums of the views shown; of a device that two persons used they would tell of both",
    "id.crosswalk": "made from memberships and history, which are shown",
    "id.blocked_value": "says that a value is of many, and how many: about the others who carry it",
    "id.review_pair": "a decision on two records; where both are hers it stands in the evidence, else one is another's",
    "consent.suppression": "hashes of persons of whom nothing else is held, so that nobody is found by it",
    "gold.purchase_fact": "made from the purchases shown; it adds the company's margin and the product's group",
    "gold.touchpoint": "made from the purchases, views and interactions shown",
}

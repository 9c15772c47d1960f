"""The landing files: for each feed where it goes and how its columns are written."""

# ruff: noqa: S608 (the queries are made of our own constants)

from dataclasses import dataclass

MACROS = """
CREATE MACRO ts(t) AS strftime(t, '%Y-%m-%dT%H:%M:%SZ');
CREATE MACRO money(cents) AS format('{:.2f}', cents / 100.0);
CREATE MACRO present(a, b) AS list_filter([a, b], lambda x: x IS NOT NULL);
CREATE MACRO hashed(email) AS sha256(lower(trim(email)));
CREATE MACRO path(type, category, product_id, search_terms, filter_colour, campaign) AS
    CASE type
        WHEN 'page_view' THEN coalesce('/' || category || '/' || product_id, '/')
        WHEN 'search' THEN '/haku?q=' || replace(search_terms, ' ', '+')
        WHEN 'filter_survey' THEN '/phones?colour=' || filter_colour
        WHEN 'login' THEN '/kirjaudu'
        WHEN 'registration' THEN '/rekisteroidy'
        WHEN 'logout' THEN '/kirjaudu-ulos'
        WHEN 'consent_choice' THEN '/suostumus'
        WHEN 'add_to_cart' THEN '/ostoskori'
        WHEN 'purchase' THEN '/kassa/kiitos'
    END || coalesce('?utm_campaign=' || campaign, '');
CREATE MACRO log_line(ip, login, t, verb, path, status, referrer, user_agent, cookie) AS
    ip || ' - ' || coalesce(login, '-') || ' [' || strftime(t, '%d/%b/%Y:%H:%M:%S +0000') || '] "'
    || verb || ' ' || path || ' HTTP/1.1" ' || status || ' ' || (900 + (epoch(t)::BIGINT * 7919) % 41000)
    || ' "' || coalesce(referrer, '-') || '" "' || user_agent
    || '" "' || coalesce('cid=' || cookie, '-') || '"';
"""


@dataclass(frozen=True)
class Feed:
    """One kind of file: a query over the block's tables, the last column tells the delivery."""

    source: str
    name: str
    extension: str  # csv, jsonl or log (plain lines)
    order: str
    select: str


def receipt_lines(name: str) -> Feed:
    """The receipt lines that come in files of one name."""
    return Feed(
        "tills",
        name,
        "csv",
        "sold_at, receipt_id, line_no",
        f"""
        SELECT receipt_id, line_no, store_id, till_no, ts(sold_at) AS sold_at, product_id, quantity,
            money(gross_amount) AS gross_amount, money(discount_amount) AS discount_amount,
            money(net_amount) AS net_amount, 'EUR' AS currency,
            loyalty_card_no, payment_token, e_receipt_email, delivery AS delivered_in
        FROM receipt_lines WHERE feed = '{name}'
        """,
    )


FEEDS = (
    receipt_lines("receipt_lines"),
    receipt_lines("receipt_lines_contact_centre"),
    receipt_lines("receipt_lines_late"),
    Feed(
        "loyalty",
        "members",
        "csv",
        "member_no",
        """
        SELECT member_no, first_name, last_name, birth_date, email, phone, street, postal_code, city, country,
            language, member_kind, joined_on, ts(updated_at) AS updated_at, deleted, delivery AS delivered_in
        FROM members
        """,
    ),
    Feed(
        "loyalty",
        "accounts",
        "csv",
        "account_no",
        """
        SELECT account_no, tier, opened_on, ts(updated_at) AS updated_at, delivery AS delivered_in
        FROM accounts
        """,
    ),
    Feed(
        "loyalty",
        "cards",
        "csv",
        "card_no",
        """
        SELECT card_no, account_no, member_no, holder_role, issued_on, closed_on, delivery AS delivered_in
        FROM cards
        """,
    ),
    Feed(
        "loyalty",
        "consents",
        "csv",
        "member_no, permission, asserted_at, answer, asked_in",
        """
        SELECT member_no, permission, answer, asked_in, ts(asserted_at) AS asserted_at, notice_version,
            benefit_shown, benefit_type, delivery AS delivered_in
        FROM consents
        """,
    ),
    Feed(
        "crm",
        "contacts",
        "jsonl",
        "contact_id",
        """
        SELECT contact_id, contact_kind, first_name, last_name, birth_date,
            present(email_1, email_2) AS emails, present(phone_1, phone_2) AS phones,
            CASE WHEN coalesce(street, postal_code) IS NOT NULL THEN {
                'street': street, 'postal_code': postal_code, 'city': city, 'country': country,
                'address_kind': address_kind
            } END AS address,
            language, loyalty_member_no, subject_kind, company_name, coalesce(permissions, []) AS permissions,
            ts(created_at) AS created_at, ts(updated_at) AS updated_at, deleted, delivery AS delivered_in
        FROM contacts LEFT JOIN (
            SELECT contact_id, c.delivery, list({
                'code': code, 'value': value, 'at': ts(p."at"), 'channel': channel,
                'notice_version': notice_version, 'benefit_shown': benefit_shown,
                'benefit_type': benefit_type, 'contact_point': contact_point
            } ORDER BY code, p."at", contact_point) AS permissions
            FROM contacts c JOIN permissions p USING (contact_id)
            WHERE from_delivery <= c.delivery AND NOT deleted
            GROUP BY ALL
        ) USING (contact_id, delivery)
        """,
    ),
    Feed(
        "crm",
        "interactions",
        "jsonl",
        "interaction_id",
        """
        SELECT interaction_id, contact_id, channel, type, topic, ts(opened_at) AS opened_at,
            ts(closed_at) AS closed_at, status, sentiment, csat::INTEGER AS csat, nps::INTEGER AS nps,
            agent_team, free_text, receipt_id,
            CASE WHEN delivery_kind IS NOT NULL
                THEN {'kind': delivery_kind, 'postal_code': delivery_postal_code} END AS delivery,
            ts(updated_at) AS updated_at, interactions.delivery AS delivered_in
        FROM interactions
        """,
    ),
    Feed(
        "web_events",
        "events",
        "jsonl",
        '"at", event_id',
        """
        SELECT event_id, type, ts("at") AS "at", cookie_id, login_id, hashed(email) AS email_sha256,
            'https://www.kauppa.example'
                || path(type, category, product_id, search_terms, filter_colour, campaign) AS url,
            referrer, campaign, product_id, colour, quality, dwell_s::INTEGER AS dwell_s,
            scroll_pct::INTEGER AS scroll_pct, search_terms, result_count::INTEGER AS result_count,
            CASE WHEN filter_colour IS NOT NULL THEN {'colour': filter_colour} END AS filters,
            survey_answer, receipt_id, choices::JSON AS choices, notice_version, benefit_shown,
            benefit_type, user_agent, delivery AS delivered_in
        FROM hits WHERE NOT blocked
        """,
    ),
    Feed(
        "web_events",
        "app_events",
        "jsonl",
        '"at", event_id',
        """
        SELECT event_id, type, ts("at") AS "at", mobile_id, os, os_tracking_allowed, login_id,
            hashed(email) AS email_sha256, screen, product_id, user_agent, delivery AS delivered_in
        FROM app_events
        """,
    ),
    Feed(
        "web_log",
        "access",
        "log",
        "t, key",
        """
        SELECT log_line(ip, login, t, verb, path, status, referrer, user_agent, cookie) AS line,
            delivery AS delivered_in
        FROM (
            SELECT event_id AS key, "at" AS t, ip, login_id AS login, 200 AS status,
                CASE WHEN type IN ('page_view', 'search', 'filter_survey') THEN 'GET' ELSE 'POST' END AS verb,
                path(type, category, product_id, search_terms, filter_colour, campaign) AS path,
                referrer, user_agent, cookie_id AS cookie, log_delivery AS delivery
            FROM hits
            UNION ALL
            SELECT number::VARCHAR, "at", ip, NULL, status, 'GET', path, NULL, user_agent, NULL, log_delivery
            FROM bots
        )
        """,
    ),
    Feed(
        "survey",
        "answers",
        "csv",
        "answer_id",
        """
        SELECT answer_id, ts(answered_at) AS answered_at, store_id, question, score, comment, cookie_id,
            delivery AS delivered_in
        FROM answers
        """,
    ),
)

TRUTH = {
    "person_of_record": "source, source_key, person_id",
    "device_owner": "namespace, value, person_id, from_ts, to_ts",
    "person_of_receipt": "receipt_id, person_id",
    "trap": "trap, person_id, other_person_id, source, source_key",
    "bad_rows": "source, feed, delivery, reason, rows",
}
"""The tables beside the landing files and their columns."""

TOTALS = """
SELECT store_id, sold_at::DATE AS business_date, delivery,
    sum(known)::BIGINT AS lines, sum(change)::BIGINT AS cents
FROM (
    SELECT *, net_amount - coalesce(lag(net_amount) OVER versions, 0) AS change,
        (row_number() OVER versions = 1)::INTEGER AS known
    FROM receipt_lines
    WINDOW versions AS (PARTITION BY receipt_id, line_no ORDER BY delivery)
)
WHERE delivery < $deliveries
GROUP BY ALL ORDER BY ALL
"""
"""What each delivery adds to the control totals of a store and day."""

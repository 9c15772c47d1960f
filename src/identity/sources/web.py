"""Web shop and app: tag-collector events, app events and the server log, as views, logins and consent choices.

A login account is the person record of `web_events`; a cookie or mobile id is a device, not a person.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from identity.sources.refusals import REFUSAL
from identity.sources.rows import (
    CONSENT,
    IDENTIFIER,
    PERSON,
    Feeds,
    Rows,
    carried,
    names_of,
    newest,
    shaped,
    union,
)

EVENTS = "web_events"
LOG = "web_log"

_VIEW = (
    "source string, event_id string, channel string, event_type string, occurred_at timestamp, device_namespace string, "
    "device string, login_id string, referrer string, campaign string, product_id string, search_terms string, "
    "result_count int, attributes map<string,string>, survey_answer string, dwell_seconds int, scroll_percent int, "
    "user_agent string, file_id string"
)
_PRODUCT = r"/(SKU-[0-9A-Za-z]+)"


def rows(events: Feeds, log: Feeds) -> Rows:
    """Feeds `events`, `app_events` of the collector and `access` of the server as shared rows."""
    web = newest(events["events"], "event_id")
    app = newest(events["app_events"], "event_id")
    logins = _logins(web, app)
    return {
        "person": shaped(
            logins.groupBy("login_id").agg(F.min("at").alias("since")),
            PERSON,
            source=F.lit(EVENTS),
            source_key="login_id",
            subject_kind=F.lit("customer"),
            linkage=F.lit("allowed"),
            valid_from="since",
            first_seen_at="since",
        ),
        "identifier": shaped(
            carried(
                logins,
                source=EVENTS,
                key="login_id",
                seen=F.col("at"),
                values={"login": F.array("login_id"), "email": F.array("email_sha256")},
            ),
            IDENTIFIER,
            **{name: name for name in names_of(IDENTIFIER)},
        ),
        "consent": _choices(events["events.stated"]),
        "web_view": union([_web_views(web), _app_views(app), _log_views(log["access"])]),
    }


def _logins(web: DataFrame, app: DataFrame) -> DataFrame:
    kept = ("login_id", "email_sha256", "at")
    return web.select(*kept).unionByName(app.select(*kept)).where("login_id is not null")


def _choices(stated: DataFrame) -> DataFrame:
    """A consent choice speaks for the login when there is one, and always for the cookie it was made on.

    Of an event delivered several times the newest counts, and beside it what a file refused that was replaced since.
    """
    made, is_left = stated.where("type = 'consent_choice'"), F.col("kept_for").eqNullSafe(REFUSAL)
    heard = newest(made.where(~is_left), "event_id").unionByName(made.where(is_left))
    choices = heard.select("*", F.explode("choices").alias("code", "answer"))
    subjects = F.array(
        F.struct(F.lit("cookie").alias("namespace"), F.col("cookie_id").alias("raw")),
        F.struct(F.lit("login").alias("namespace"), F.col("login_id").alias("raw")),
    )
    each = choices.withColumn("subject", F.explode(subjects)).where("subject.raw is not null")
    return shaped(
        each,
        CONSENT,
        source=F.lit(EVENTS),
        subject_namespace="subject.namespace",
        subject_raw="subject.raw",
        code="code",
        answer="answer",
        asked_in=F.lit("web"),
        asserted_at="at",
        delivered_on="delivered_on",
        notice_version="notice_version",
        benefit_shown="benefit_shown",
        benefit_type="benefit_type",
    )


def _web_views(web: DataFrame) -> DataFrame:
    seen = F.map_from_arrays(F.array(F.lit("colour"), F.lit("quality")), F.array("colour", "quality"))
    attributes = F.map_concat(seen, F.coalesce("filters", F.create_map().cast("map<string,string>")))
    return shaped(
        # A filter of the same name says more than the product shown, so it is the one kept.
        web.withColumn("filters", F.map_filter("filters", lambda key, _: ~key.isin("colour", "quality"))),
        _VIEW,
        source=F.lit(EVENTS),
        channel=F.lit("web"),
        event_type="type",
        occurred_at="at",
        device_namespace=F.when(F.col("cookie_id").isNotNull(), F.lit("cookie")),
        device="cookie_id",
        attributes=F.map_filter(attributes, lambda _, value: value.isNotNull()),
        dwell_seconds="dwell_s",
        scroll_percent="scroll_pct",
        **{
            name: name
            for name in ("file_id", "event_id", "login_id", "referrer", "campaign", "product_id", "search_terms",
                         "result_count", "survey_answer", "user_agent")
        },
    )  # fmt: skip


def _app_views(app: DataFrame) -> DataFrame:
    """App events; where the operating system forbids tracking, the mobile id is not kept."""
    device: Column = F.when(F.col("os_tracking_allowed"), F.col("mobile_id"))
    return shaped(
        app,
        _VIEW,
        source=F.lit(EVENTS),
        event_id="event_id",
        channel=F.lit("app"),
        event_type="type",
        occurred_at="at",
        device_namespace=F.when(device.isNotNull(), F.lit("mobile_id")),
        device=device,
        login_id="login_id",
        product_id="product_id",
        user_agent="user_agent",
        file_id="file_id",
    )


def _log_views(access: DataFrame) -> DataFrame:
    """Successful requests of the server log; of a query string only the campaign is read."""
    path = F.regexp_extract("request", r"^\S+ (\S+)", 1)
    campaign = F.regexp_extract(path, r"[?&]utm_campaign=([\w-]+)", 1)
    product = F.regexp_extract(path, _PRODUCT, 1)
    return shaped(
        access,
        _VIEW,
        source=F.lit(LOG),
        event_id=F.concat_ws(":", F.substring("file_id", 1, 16), "row_no"),
        channel=F.lit("web"),
        event_type=F.lit("request"),
        occurred_at="time",
        device_namespace=F.when(F.col("cookie").isNotNull(), F.lit("cookie")),
        device="cookie",
        login_id="login",
        referrer="referrer",
        campaign=F.when(campaign != "", campaign),
        product_id=F.when(product != "", product),
        user_agent="user_agent",
        file_id="file_id",
    )

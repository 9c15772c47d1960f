"""standardise: bronze → silver, every source in one shape, nothing kept that may not be collected."""

from collections.abc import Mapping
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.consent.gates import collectable
from identity.contracts import conform, contract_of
from identity.run import Run, Stage
from identity.sources import crm, loyalty, survey, tills, web
from identity.sources.parsing import typed
from identity.sources.rows import union
from identity.stages.gates import check_tables
from identity.standardise import records
from identity.standardise.contacts import email_or_hash
from identity.standardise.identifiers import hash_key, value_hash
from identity.tables import in_parallel


def standardise(run: Run) -> None:
    """Make silver from all of bronze.

    Silver is a function of bronze: late and corrected records give what they would have given on time.

    Raises:
        ConsentError: A consent code or answer has no mapping.
        QualityGateError: A silver table breaks its contract.
    """
    with run.stage("standardise") as stage:
        feeds = {name: _feeds(run, name) for name in run.config.sources}
        raw = _rows(feeds)
        tables = _silver(run, stage, raw)
        contracts = {name: contract_of(f"silver.{name}") for name in tables}
        ready = dict(
            zip(
                tables,
                in_parallel(
                    [
                        partial(run.tables.staged, conform(f, contracts[n]), contracts[n].name)
                        for n, f in tables.items()
                    ]
                ),
                strict=True,
            )
        )
        stage.counts.update(
            check_tables(run, "silver", {contracts[n].name: (f, contracts[n]) for n, f in ready.items()})
        )
        in_parallel([partial(run.tables.overwrite, f, contracts[n]) for n, f in ready.items()])
        for frame in (f for fs in feeds.values() for f in fs.values()):
            frame.unpersist()


def _feeds(run: Run, source: str) -> dict[str, DataFrame]:
    """The typed feeds of a source; each is read by several tables, so each is kept in memory."""
    bronze = run.tables.read(f"bronze.{source}")
    contract = run.config.sources[source]
    return {
        name: typed(
            bronze.where(F.col("feed") == name).drop("feed", "source", "batch_id", "contract_version"), feed
        ).persist()
        for name, feed in contract.feeds.items()
    }


def _rows(feeds: Mapping[str, Mapping[str, DataFrame]]) -> dict[str, list[DataFrame]]:
    """Every source's rows by shape."""
    cards = loyalty.rows(feeds["loyalty"])["loyalty_card"]
    sources = [
        tills.rows(feeds["tills"], cards=cards),
        loyalty.rows(feeds["loyalty"]),
        crm.rows(feeds["crm"]),
        web.rows(feeds["web_events"], feeds["web_log"]),
        survey.rows(feeds["survey"]),
    ]
    by_shape: dict[str, list[DataFrame]] = {}
    for rows in sources:
        for shape, frame in rows.items():
            by_shape.setdefault(shape, []).append(frame)
    return by_shape


def _taken_now(run: Run) -> DataFrame:
    """Files taken for this run date."""
    return run.tables.read("ops.file").where(
        (F.col("status") == "taken") & (F.col("taken_for") == F.lit(run.on))
    )


def _silver(run: Run, stage: Stage, raw: Mapping[str, list[DataFrame]]) -> dict[str, DataFrame]:
    config, key = run.config, hash_key(run.key)
    identifiers = records.identifiers(
        union(raw["identifier"]), namespaces=config.namespaces, key=key
    ).persist()
    consents = records.consent_events(union(raw["consent"]), sources=config.sources, key=key).persist()
    views = collectable(
        union(raw["web_view"]),
        consents,
        sources=config.sources,
        namespaces=config.namespaces,
        hashed={
            "device": value_hash(F.col("device_namespace"), F.col("device"), key=key),
            "login": value_hash(F.lit("login"), F.col("login_id"), key=key),
        },
    )
    views = run.tables.staged(views, "view")
    barred = views.where("not is_collectable").join(_taken_now(run), on="file_id", how="left_semi")
    stage.counts.update(
        {f"barred {row['source']}": row["count"] for row in barred.groupBy("source").count().collect()}
    )
    web_views = records.web_views(
        views.where("is_collectable").drop("is_collectable"),
        gap_minutes=config.matching.session_gap_minutes,
        key=key,
    ).persist()
    email = email_or_hash(F.col("e_receipt_email"))
    sales = (
        raw["sale_line"][0]
        .withColumn("email_hmac", value_hash(F.lit("email"), email, key=key))
        .drop("e_receipt_email")
    )
    return {
        "person_record": records.person_records(union(raw["person"]), identifiers, on=run.on),
        "identifier": identifiers,
        "consent_event": consents,
        "sale_line": sales,
        "till_total": raw["till_total"][0],
        "loyalty_account": raw["loyalty_account"][0],
        "loyalty_card": raw["loyalty_card"][0],
        "interaction": union(raw["interaction"]),
        "web_view": web_views,
        "web_session": records.web_sessions(web_views),
        "product": raw["product"][0],
        "store": raw["store"][0],
    }

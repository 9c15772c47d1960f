"""standardise: bronze → silver, every source in one shape, nothing kept that may not be collected."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.consent.gates import collectable
from identity.contracts import contract_of
from identity.run import Run
from identity.sources import crm, loyalty, survey, tills, web
from identity.sources.parsing import typed
from identity.sources.rows import union
from identity.stages.gates import check_tables
from identity.standardise import records
from identity.standardise.contacts import email_or_hash
from identity.standardise.identifiers import hash_key, value_hash
from identity.tables import Contracted


def standardise(run: Run) -> None:
    """Make silver from all of bronze.

    Silver is a function of bronze: late and corrected records give what they would have given on time.

    Raises:
        ConsentError: A consent code or answer has no mapping.
        QualityGateError: A silver table breaks its contract.
    """
    with run.stage("standardise") as stage:
        raw = _rows({name: _feeds(run, name) for name in run.config.sources})
        # What others are made from is staged first and read back: worked out once, planned once.
        staged = _staged(run, _first(run, raw))
        consents, identifiers = staged["silver.consent_event"][0], staged["silver.identifier"][0]
        views = run.tables.staged(_collectable(run, raw, consents), "view")
        stage.counts.update(_barred(run, views))
        staged |= _staged(run, _second(run, raw, identifiers, views))
        staged |= _staged(run, {"web_session": records.web_sessions(staged["silver.web_view"][0])})
        stage.counts.update(check_tables(run, "silver", staged))
        run.tables.commit(contract for _, contract in staged.values())


def _feeds(run: Run, source: str) -> dict[str, DataFrame]:
    """The typed feeds of a source."""
    bronze = run.tables.read(f"bronze.{source}")
    contract = run.config.sources[source]
    return {
        name: typed(
            bronze.where(F.col("feed") == name).drop("feed", "source", "batch_id", "contract_version"), feed
        )
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


def _staged(run: Run, frames: Mapping[str, DataFrame]) -> dict[str, Contracted]:
    """Stage silver tables, by their whole names."""
    named = {f"silver.{name}": frame for name, frame in frames.items()}
    return run.tables.stage_all({name: (frame, contract_of(name)) for name, frame in named.items()})


def _first(run: Run, raw: Mapping[str, list[DataFrame]]) -> dict[str, DataFrame]:
    """Tables that need no other silver table."""
    config, key = run.config, hash_key(run.key)
    email = email_or_hash(F.col("e_receipt_email"))
    as_they_are = ("till_total", "loyalty_account", "loyalty_card", "interaction", "product", "store")
    return {
        "identifier": records.identifiers(union(raw["identifier"]), namespaces=config.namespaces, key=key),
        "consent_event": records.consent_events(union(raw["consent"]), sources=config.sources, key=key),
        "sale_line": union(raw["sale_line"])
        .withColumn("email_hmac", value_hash(F.lit("email"), email, key=key))
        .drop("e_receipt_email"),
        **{name: union(raw[name]) for name in as_they_are},
    }


def _collectable(run: Run, raw: Mapping[str, list[DataFrame]], consents: DataFrame) -> DataFrame:
    key = hash_key(run.key)
    return collectable(
        union(raw["web_view"]),
        consents,
        sources=run.config.sources,
        namespaces=run.config.namespaces,
        hashed={
            "device": value_hash(F.col("device_namespace"), F.col("device"), key=key),
            "login": value_hash(F.lit("login"), F.col("login_id"), key=key),
        },
    )


def _barred(run: Run, views: DataFrame) -> dict[str, int]:
    """Records taken for this run date that may not be kept, by source."""
    taken = run.tables.read("ops.file").where(
        (F.col("status") == "taken") & (F.col("taken_for") == F.lit(run.on))
    )
    barred = views.where("not is_collectable").join(taken.select("file_id"), on="file_id", how="left_semi")
    return {f"barred {row['source']}": row["count"] for row in barred.groupBy("source").count().collect()}


def _second(
    run: Run, raw: Mapping[str, list[DataFrame]], identifiers: DataFrame, views: DataFrame
) -> dict[str, DataFrame]:
    """Tables made with the help of the first."""
    kept = views.where("is_collectable").drop("is_collectable")
    gap = run.config.matching.session_gap_minutes
    return {
        "person_record": records.person_records(union(raw["person"]), identifiers, on=run.on),
        "web_view": records.web_views(kept, gap_minutes=gap, key=hash_key(run.key)),
    }

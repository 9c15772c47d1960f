"""standardise: bronze → silver, every source in one shape, nothing kept that may not be collected."""

from collections.abc import Mapping
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.consent.gates import collectable
from identity.consent.statements import as_events
from identity.contracts import contract_of, unexpired
from identity.run import Run
from identity.sources import crm, loyalty, survey, tills, web
from identity.sources.parsing import typed
from identity.sources.rows import union
from identity.stages.gates import TableGate
from identity.standardise import records
from identity.standardise.contacts import contact_kind, email_or_hash
from identity.standardise.corrections import corrected_identifiers, corrected_persons
from identity.standardise.identifiers import hash_key, value_hash
from identity.tables import Contracted, in_parallel


def standardise(run: Run) -> None:
    """Make silver from all of bronze.

    Silver is a function of bronze: late and corrected records give what they would have given on time.

    Raises:
        ConsentError: A consent code or answer has no mapping.
        QualityGateError: A silver table breaks its contract.
    """
    with run.stage("standardise") as stage:
        raw = _rows({name: _feeds(run, name) for name in run.config.sources})
        with TableGate(run, "silver") as gate:
            # Three lines of work that need nothing from each other.
            people, others = partial(_people, run, gate, raw), partial(_others, run, gate, raw)
            permitted = partial(_permissions_and_views, run, gate, raw, stage.counts)
            staged = in_parallel([people, permitted, others])
            stage.counts.update(gate.settle())
        run.tables.commit(contract for part in staged for _, contract in part)


def delivered_values(run: Run) -> DataFrame:
    """Devices, and whom and which contact points consent statements are about, as delivered: `namespace`, `raw`.

    Silver does not have all of them: a device whose views may not be kept is there by what it refused alone.
    """
    raw = _rows({name: _feeds(run, name) for name in run.config.sources})
    said, views = union(raw["consent"]), union(raw["web_view"])
    kind = contact_kind(F.col("contact_point_raw"))
    found = [
        said.select(F.col("subject_namespace").alias("namespace"), F.col("subject_raw").alias("raw")),
        said.select(kind.alias("namespace"), F.col("contact_point_raw").alias("raw")),
        views.select(F.col("device_namespace").alias("namespace"), F.col("device").alias("raw")),
    ]
    return union(found).where("raw is not null").distinct()


def _feeds(run: Run, source: str) -> dict[str, DataFrame]:
    """The typed feeds of a source; where lines make statements, also `feed.stated`, with those kept for it alone."""
    bronze = run.tables.read(f"bronze.{source}")
    feeds: dict[str, DataFrame] = {}
    for name, feed in run.config.sources[source].feeds.items():
        mine = bronze.where(F.col("feed") == name)
        lines = {name: mine.where("kept_for is null or kept_for = 'deletion'").drop("kept_for")}
        if feed.statement is not None:
            lines[f"{name}.stated"] = mine
        feeds |= {
            key: typed(rows.drop("feed", "source", "batch_id", "contract_version"), feed)
            for key, rows in lines.items()
        }
    return feeds


def _rows(feeds: Mapping[str, Mapping[str, DataFrame]]) -> dict[str, list[DataFrame]]:
    """Every source's rows by shape."""
    cards = loyalty.rows(feeds["loyalty"])["loyalty_card"]
    # Nothing is computed yet, but to plan it takes the JVM .8 s, and .55 s on two threads.
    sources = in_parallel(
        [
            partial(tills.rows, feeds["tills"], cards=cards),
            partial(loyalty.rows, feeds["loyalty"]),
            partial(crm.rows, feeds["crm"]),
            partial(web.rows, feeds["web_events"], feeds["web_log"]),
            partial(survey.rows, feeds["survey"]),
        ]
    )
    by_shape: dict[str, list[DataFrame]] = {}
    for rows in sources:
        for shape, frame in rows.items():
            by_shape.setdefault(shape, []).append(frame)
    return by_shape


def _people(run: Run, gate: TableGate, raw: Mapping[str, list[DataFrame]]) -> list[Contracted]:
    """Who there is: identifiers, and persons with the contacts among them."""
    # Phones are read in Python, so the identifiers are asked twice: staged, they are worked out once.
    carried = run.tables.staged(union(raw["identifier"]), "carried")
    namespaces, key = run.config.namespaces, hash_key(run.key)
    known = records.identifiers(carried, namespaces=namespaces, key=key)
    delivered, corrections = union(raw["person"]), _corrections(run)
    if corrections is not None:
        known = corrected_identifiers(known, delivered, corrections, namespaces=namespaces, key=key)
    identifiers = _stage(run, gate, "identifier", known)
    persons = records.person_records(delivered, identifiers[0], on=run.on)
    if corrections is not None:
        persons = corrected_persons(persons, corrections)
    return [identifiers, _stage(run, gate, "person_record", persons)]


def _corrections(run: Run) -> DataFrame | None:
    """What persons had put right by the run date; None where nobody had."""
    if not run.tables.exists("silver.correction"):
        return None
    return run.tables.read("silver.correction").where(F.col("corrected_on") <= F.lit(run.on))


def _permissions_and_views(
    run: Run, gate: TableGate, raw: Mapping[str, list[DataFrame]], counts: dict[str, int | None]
) -> list[Contracted]:
    """What was permitted, and what may be kept of the web for it; counts what may not."""
    config, key = run.config, hash_key(run.key)
    said = run.tables.staged(union(raw["consent"]), "said")
    events = records.consent_events(said, sources=config.sources, key=key)
    if run.tables.exists("consent.statement"):
        events = events.unionByName(as_events(run.tables.read("consent.statement"), on=run.on))
    consents = _stage(run, gate, "consent_event", events)
    marked = collectable(
        union(raw["web_view"]),
        consents[0],
        sources=config.sources,
        purpose=config.purposes["collect"],
        notices=config.notices,
        namespaces=config.namespaces,
        hashed={
            "device": value_hash(F.col("device_namespace"), F.col("device"), key=key),
            "login": value_hash(F.lit("login"), F.col("login_id"), key=key),
        },
    )
    marked = run.tables.staged(marked, "view")
    counts.update(_barred(run, marked))
    kept = marked.where("is_collectable").drop("is_collectable")
    views = _stage(
        run,
        gate,
        "web_view",
        records.web_views(kept, gap_minutes=config.matching.session_gap_minutes, key=key),
    )
    return [consents, views, _stage(run, gate, "web_session", records.web_sessions(views[0]))]


def _others(run: Run, gate: TableGate, raw: Mapping[str, list[DataFrame]]) -> list[Contracted]:
    """Sales, the loyalty programme's accounts, interactions, and what the company says of itself."""
    email = email_or_hash(F.col("e_receipt_email"))
    lines = union(raw["sale_line"]).withColumn("email", email)
    lines = lines.withColumn("email_hmac", value_hash(F.lit("email"), F.col("email"), key=hash_key(run.key)))
    as_they_are = ("till_total", "loyalty_account", "loyalty_card", "interaction", "product", "store")
    return [
        _stage(run, gate, "sale_line", lines.drop("e_receipt_email", "email")),
        *(_stage(run, gate, name, union(raw[name])) for name in as_they_are),
    ]


def _stage(run: Run, gate: TableGate, name: str, frame: DataFrame) -> Contracted:
    """Stage a silver table without what is expired."""
    contract = contract_of(f"silver.{name}")
    return gate.stage(unexpired(frame, contract, on=run.on), contract)


def _barred(run: Run, views: DataFrame) -> dict[str, int]:
    """Records taken for this run date that may not be kept, by source."""
    taken = [row["file_id"] for row in run.taken_files()]
    barred = views.where(~F.col("is_collectable") & F.col("file_id").isin(taken))
    return {f"barred {row['source']}": row["count"] for row in barred.groupBy("source").count().collect()}

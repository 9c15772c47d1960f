"""Everything about a person (GDPR art. 15), and what she gave and did, to carry elsewhere (art. 20).

Only what stands over confirmed edges is hers. Records that resemblance alone joins are counted and never shown.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from functools import partial, reduce
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.config import Config
from identity.contracts import contract_of, purpose_table
from identity.profile.purchases import identified_lines
from identity.profile.touchpoints import owned_views
from identity.rights.lines import account_lines, holders, lines_of
from identity.rights.persons import Subject, deleted, held_alone, own_keys
from identity.rights.requests import requests_of
from identity.rights.sections import DROPPED, PORTABLE, PROFILES, SECTIONS
from identity.rights.uses import uses_of
from identity.standardise.identifiers import hash_key
from identity.tables import Tables, in_parallel

_KEY = ["source", "source_key"]
# Sections that name the request they answer.
_ASKED: Final = ("statements", "restrictions", "corrections")
# A tier is the company's judgement of what a household bought: nothing to carry elsewhere.
_INFERRED: Final = {("loyalty", "accounts")}


def export(
    tables: Tables,
    config: Config,
    subject: Subject,
    *,
    key: bytes,
    on: dt.date,
    answered: str | None = None,
) -> dict[str, Any]:
    """All that is held of a person: `subject`, `sources`, `purposes`, the sections, `profiles` and `doubtful_records`.

    Args:
        tables: The warehouse.
        config: Sources and purposes.
        subject: The person.
        key: The secret.
        on: The day it is made.
        answered: The request that is answered by it, which is not told of: a repeat finds it closed.
    """
    frames = _frames(tables, config, subject, key=hash_key(key))
    read = in_parallel([partial(_rows, frame) for frame in frames.values()])
    sections = dict(zip(frames, read, strict=True))
    sections["uses"] = _dated(uses_of(config.warehouse, subject.records))
    sections |= _only_hers(sections, subject, key=hash_key(key))
    named = {row["request_id"] for name in _ASKED for row in sections[name]}
    asked = requests_of(config.warehouse, subject, named)
    sections["requests"] = _dated(row for row in asked if row["request_id"] != answered)
    told = {name: sections[name] for name in SECTIONS}
    profiles = {
        name.removeprefix("gold."): rows for name, rows in sections.items() if name not in SECTIONS and rows
    }
    return {
        "format": "identity-subject-export-1",
        "made_on": on.isoformat(),
        "golden_ids": list(subject.golden_ids),
        "doubtful_records": len(subject.doubtful),
        "sources": _sources(config),
        "purposes": {
            name: {"basis": p.basis, "categories": sorted(p.categories), "expires_days": p.expires_days}
            for name, p in config.purposes.items()
        },
        **told,
        "profiles": profiles,
    }


def portable(exported: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an export that a person may carry to another controller."""
    kept = {name: exported[name] for name in ("made_on", *PORTABLE)}
    observed = [row for row in kept["delivered"] if (row["source"], row["feed"]) not in _INFERRED]
    return {"format": "identity-portable-export-1", **kept, "delivered": observed}


def to_json(exported: Mapping[str, Any]) -> bytes:
    """An export as its file."""
    return (json.dumps(exported, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _frames(tables: Tables, config: Config, subject: Subject, *, key: bytes) -> dict[str, DataFrame]:
    spark = tables.spark
    records = F.broadcast(spark.createDataFrame(_table(_KEY, subject.records)))
    parts = F.broadcast(spark.createDataFrame(_table(["golden_id", "part"], sorted(subject.parts))))
    ids = parts.select("golden_id").distinct()
    members = tables.read("id.golden_member").where("valid_to_on is null")
    known = members.select("golden_id", "part", *_KEY).unionByName(_deleted(tables))
    # Of an id that holds none of her records any more, what is decided is of others.
    today = members.join(parts, on=["golden_id", "part"], how="left_semi").select("golden_id").distinct()
    identifiers, cards = tables.read("silver.identifier"), tables.read("silver.loyalty_card")

    def of_records(name: str) -> DataFrame:
        return tables.read(name).join(records, on=_KEY, how="left_semi")

    def of_parts(frame: DataFrame) -> DataFrame:
        return frame.join(parts, on=["golden_id", "part"], how="left_semi")

    def of_ids(name: str) -> DataFrame:
        return tables.read(name).join(today, on="golden_id", how="left_semi")

    def said(name: str) -> DataFrame:
        return tables.read(name).join(spoken, on=spoken.columns, how="left_semi")

    # In gold the card of a person who may not be joined, or is gone, says nothing; of her own right of access it says all.
    lines = identified_lines(
        tables.read("silver.sale_line"),
        known.withColumn("link_permission", F.lit("permitted")),
        identifiers,
        tables.read("silver.product"),
    )
    lines = of_parts(lines.withColumnRenamed("buyer", "golden_id"))
    views = owned_views(tables.read("silver.web_view"), members, tables.read("id.device_owner"), key=key)
    held = of_parts(holders(known, identifiers, cards, key=key))
    # Few rows of a look at every identifier: looked for once, for all that is found by them.
    subject_of = [F.col("namespace").alias("subject_namespace"), F.col("value_hmac").alias("subject_hmac")]
    spoken = F.broadcast(spark.createDataFrame(held.select(*subject_of).toArrow()))
    mine = cards.join(
        records.where("source = 'loyalty'").select(F.col("source_key").alias("member_no")),
        on="member_no",
        how="left_semi",
    )
    # Of an account that several hold she is shown what it is, and not who else holds it.
    accounts = F.broadcast(mine.select("account_no").distinct())
    frames = {
        "records": of_records("silver.person_record"),
        "identifiers": of_records("silver.identifier"),
        "delivered": _delivered(tables, config, parts, known, accounts, key=key),
        "purchases": lines.select(*tables.read("silver.sale_line").columns),
        "views": of_parts(views).select(*tables.read("silver.web_view").columns),
        "interactions": of_records("silver.interaction"),
        "consents": said("silver.consent_event"),
        "statements": said("consent.statement"),
        "decisions": of_ids("consent.effective"),
        "past_decisions": of_ids("consent.history"),
        "repermissions": of_ids("consent.repermission"),
        "carried_refusals": of_records("consent.carried_refusal"),
        "restrictions": of_records("consent.restriction"),
        "corrections": of_records("silver.correction"),
        "cards": mine,
        "accounts": tables.read("silver.loyalty_account").join(accounts, on="account_no", how="left_semi"),
        "memberships": of_records("id.golden_member"),
        "history": tables.read("id.golden_history")
        .join(ids.withColumn("is_hers", F.lit(True)), on="golden_id", how="left")
        .join(records.withColumn("is_own", F.lit(True)), on=_KEY, how="left")
        .where("is_own or (source is null and is_hers)")
        .drop("is_hers", "is_own"),
        "evidence": _between(tables.read("id.edge"), records),
        "devices": of_parts(tables.read("id.device_owner")),
        "household": of_ids("id.household"),
    }
    for name, columns in DROPPED.items():
        frames[name] = frames[name].drop(*columns)
    # A profile of a golden id that has other parts may show what is theirs.
    if not subject.doubtful:
        shown = [*PROFILES, *map(purpose_table, config.profile_purposes)]
        frames |= {table: of_ids(table) for table in shown if tables.exists(table)}
    return frames


def _deleted(tables: Tables) -> DataFrame:
    """Records that their source deleted, in the shape of id.golden_member: what names them was delivered, too."""
    rows = [(*part, *record) for record, part in deleted(tables.root).items()]
    return tables.spark.createDataFrame(_table(["golden_id", "part", *_KEY], rows))


def _only_hers(
    sections: Mapping[str, Any], subject: Subject, *, key: bytes
) -> dict[str, list[dict[str, Any]]]:
    """What is kept by golden id or of an identifier heard, without what it says of others.

    A decision, or a question to be asked again, is hers if it is of the person as a whole or of a contact point that she
    carries; of it stay her parts, and the statement it rests on if that is hers. Of a refusal heard stays the identifier if
    it is hers.
    """
    carried = {row["value_hmac"] for row in sections["identifiers"]}
    held = held_alone(sections["identifiers"], subject.records)
    own = {value_hmac for _, value_hmac in held | own_keys(subject.records, key=key)}
    said = {(row["source"], row["event_key"]) for row in sections["consents"]}
    keys = {key for _, key in said}
    speak = {(row["subject_namespace"], row["subject_hmac"]) for row in sections["consents"]}
    parts = {part for _, part in subject.parts}
    nobody = {"winning_source": None, "winning_event_key": None}
    unsaid = {name: None for name in contract_of("consent.history").columns if name.startswith("winning_")}

    def of_her_points(name: str) -> list[dict[str, Any]]:
        return [r for r in sections[name] if r["channel"] == "any" or r["contact_point"] in carried]

    return {
        "decisions": [
            row
            | {"permitted_parts": [part for part in row["permitted_parts"] if part in parts]}
            | ({} if (row["winning_source"], row["winning_event_key"]) in said else nobody)
            for row in of_her_points("decisions")
        ],
        "past_decisions": [
            row
            | {
                "permitted_parts": row["permitted_parts"]
                and [p for p in row["permitted_parts"] if p in parts]
            }
            | ({} if (row["winning_subject_namespace"], row["winning_subject_hmac"]) in speak else unsaid)
            for row in of_her_points("past_decisions")
        ],
        "repermissions": [
            row | ({} if row["refusal_event_key"] in keys else {"refusal_event_key": None})
            for row in of_her_points("repermissions")
        ],
        "carried_refusals": [
            row | ({} if row["value_hmac"] in own else {"value_hmac": None})
            for row in sections["carried_refusals"]
        ],
    }


def _delivered(
    tables: Tables, config: Config, parts: DataFrame, members: DataFrame, accounts: DataFrame, *, key: bytes
) -> DataFrame:
    """The person's records as they came, from all sources, and those of her loyalty accounts."""
    names = [
        f"bronze.{name}" for name, s in config.sources.items() if any(f.owners for f in s.feeds.values())
    ]
    bronze = reduce(DataFrame.unionByName, [tables.read(name) for name in names])
    held = holders(members, tables.read("silver.identifier"), tables.read("silver.loyalty_card"), key=key)
    mine = lines_of(bronze, held, parts, sources=config.sources, namespaces=config.namespaces, key=key)
    shown = ["source", "feed", "delivered_on", "record"]
    joint = account_lines(tables.read("bronze.loyalty"), accounts)
    return mine.select(*shown).unionByName(joint.select(*shown))


def _between(edges: DataFrame, records: DataFrame) -> DataFrame:
    """Edges that a shared identifier or a person's decision made between the person's own records."""
    sure = edges.where("kind <> 'probabilistic'")
    for side in "lr":
        ends = records.select(*(F.col(name).alias(f"{name}_{side}") for name in _KEY))
        sure = sure.join(ends, on=[f"{name}_{side}" for name in _KEY], how="left_semi")
    return sure


def _table(columns: list[str], rows: Iterable[tuple[str, ...]]) -> pa.Table:
    """Texts as Arrow, which Spark reads without a Python worker."""
    schema = pa.schema([(name, pa.string()) for name in columns])
    return pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema)


def _rows(frame: DataFrame) -> list[Any]:
    """Rows as JSON would have them, in a fixed order."""
    told = sorted(
        row[0]
        for row in frame.select(F.to_json(F.struct(*frame.columns), {"ignoreNullFields": "false"})).collect()
    )
    rows = [json.loads(text) for text in told]
    for row in rows:
        if "record" in row:
            row["record"] = json.loads(row["record"]) if row["record"].startswith("{") else row["record"]
    return rows


def _dated(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows read without Spark, with days as JSON has them."""
    return [
        {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
        for row in rows
    ]


def _sources(config: Config) -> dict[str, Any]:
    return {
        name: {
            "meaning": s.meaning,
            "collection_basis": s.collection_basis,
            "region": s.region,
            "transfer_basis": s.transfer_basis,
            "retention_days": s.retention_days,
        }
        for name, s in config.sources.items()
    }

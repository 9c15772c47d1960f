"""ingest: landing files → bronze, bad rows → quarantine, files → register."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from identity.consent.suppression import carried_identifiers, suppressed
from identity.contracts import contract_of
from identity.errors import ContractError
from identity.rehash import rehash_returned
from identity.run import Run
from identity.sources.landing import MEND_COLUMNS, LandingFile, batch_id, find_files, not_taken
from identity.sources.parsing import masked, parse_lines, unlinked
from identity.sources.refusals import IS_GIVEN_UP, taken_back
from identity.sources.rows import union
from identity.stages.gates import check_landing
from identity.standardise.identifiers import hash_key, normalised, under_every_key
from identity.tables import in_parallel, read_lines

_FILES = contract_of("ops.file")
# An erasure blanks lines of a file where it lies: its bytes are others then, and it is taken already.
_LIVE = ("taken", "rewritten")


def something_to_take(run: Run) -> bool:
    """Whether a file was delivered up to the run date that was not taken yet, or a batch did not finish."""
    register = _register_of(run)
    return bool(register.unfinished or not_taken(_delivered(run), set(register.live)))


def ingest(run: Run) -> None:
    """Take every file delivered up to the run date that was not taken yet.

    Raises:
        SourceError: A delivery is missing or unreadable.
        ContractError: A file, column or field stands in no contract.
        QualityGateError: A file has too many bad rows.
    """
    with run.stage("ingest") as stage:
        taken = recover(run)
        files = not_taken(_delivered(run), set(taken))
        stage.counts["files"] = len(files)
        if not files:
            return
        fresh_paths = {file.file for file in files}
        superseded = [file_id for file_id, file in taken.items() if file in fresh_paths]
        batch = batch_id(files)
        _register(run, files, batch, status="taking", counts={})
        lines = _lines(run, files).persist()
        records = run.tables.staged(union(_parsed(run, lines, files)), "ingest")
        records = _marked(run, records)
        counts = _count(records, run)
        _gate(run, files, counts)
        _write(run, records, batch, {file.source for file in files})
        _remove(run, superseded, {file.source for file in files if file.file in taken.values()})
        _register(run, files, batch, status="taken", counts=counts)
        _forget_left(run, files)
        run.tables.clear_staging()
        lines.unpersist()
        for kind in ("delivered", "quarantined", "suppressed"):
            stage.counts[kind] = sum(counts.get(file.file_id, _NOTHING)[kind] for file in files)
        if unlinked_records := sum(count["unlinked"] for count in counts.values()):
            stage.counts["unlinked"] = unlinked_records


def _delivered(run: Run) -> list[LandingFile]:
    register = run.tables.rows("ops.file")
    taken = {(r["delivered_on"], r["source"], r["feed"]) for r in register if r["status"] == "taken"}
    return find_files(run.config.landing, run.config.sources, up_to=run.on, taken=taken)


class _Register(NamedTuple):
    """ops.file, read: files whose rows count (`file_id` → path), and batches begun but not finished."""

    live: dict[str, str]
    unfinished: set[str]


def _register_of(run: Run) -> _Register:
    rows = run.tables.rows("ops.file")
    times = Counter((row["file_id"], row["status"]) for row in rows)
    # The same bytes may be taken, superseded, and taken again.
    live = {
        r["file_id"]: r["file"]
        for r in rows
        if times[r["file_id"], "taken"] + times[r["file_id"], "rewritten"] > times[r["file_id"], "superseded"]
    }
    begun, done = ({r["batch_id"] for r in rows if r["status"] == status} for status in ("taking", "taken"))
    return _Register(live, begun - done)


def recover(run: Run) -> dict[str, str]:
    """Remove the rows of batches that a dead run did not finish: their files are not taken yet. Returns the live files.

    Whoever publishes without taking files does it too, or half a batch would be published.
    """
    register = _register_of(run)
    if register.unfinished:
        condition = f"batch_id in ({_listed(register.unfinished)})"
        _delete(run, condition)
        run.tables.delete("ops.file", condition)
    return register.live


def _lines(run: Run, files: list[LandingFile]) -> DataFrame:
    """All lines with what is known of their file."""
    spark = run.tables.spark
    known = [(str(f.path), f.source, f.feed, f.file_id, f.file, f.delivered_on) for f in files]
    table = spark.createDataFrame(
        known, "path string, source string, feed string, file_id string, file string, delivered_on date"
    )
    lines = read_lines(spark, [str(f.path) for f in files])
    return lines.join(F.broadcast(table), on="path", how="inner").drop("path")


def _parsed(run: Run, lines: DataFrame, files: Iterable[LandingFile]) -> list[DataFrame]:
    """Parse the lines of each feed; files whose columns stand in another order are read by their own header."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for file in files:
        groups.setdefault((file.source, file.feed, file.header), []).append(file.file_id)
    return in_parallel(
        partial(
            parse_lines,
            lines.where(F.col("file_id").isin(file_ids)),
            run.config.sources[source].feeds[feed],
            header=header,
        )
        for (source, feed, header), file_ids in groups.items()
    )


def _marked(run: Run, records: DataFrame) -> DataFrame:
    """Mark the records of suppressed persons: adds `is_suppressed`, and `is_unlinked` where a record stays.

    A receipt line belongs to the books: it stays, without what says whose it was, and so do the day's sums.
    """
    if not run.tables.exists("consent.suppression") and not run.retired:
        return records.withColumns({"is_suppressed": F.lit(False), "is_unlinked": F.lit(False)})
    feeds = [(source, source.feeds) for source in run.config.sources.values() if source.linkage == "allowed"]
    carried = union(
        [
            carried_identifiers(records.where((F.col("source") == s.source) & F.col("fault").isNull()), f)
            for s, f in feeds
        ]
    )
    known = normalised(carried, namespaces=run.config.namespaces, key=hash_key(run.key))
    if run.retired:
        known = run.tables.staged(under_every_key(known, run.retired), "known")
        rehash_returned(run.tables, known, fingerprint=run.key_fingerprint)
    found = suppressed(known, run.tables.read("consent.suppression"))
    marked = records.join(
        found.withColumn("is_found", F.lit(True)), on=["file_id", "row_no"], how="left"
    ).fillna(False, subset=["is_found"])
    stays, record = F.lit(False), F.col("record")
    for source, feeds_of in feeds:
        for name, feed in feeds_of.items():
            if feed.is_accounting:
                is_it = (F.col("source") == source.source) & (F.col("feed") == name)
                stays = stays | is_it
                record = F.when(F.col("is_found") & is_it, unlinked(F.col("record"), feed)).otherwise(record)
    return (
        marked.withColumn("record", record)
        .withColumns({"is_suppressed": F.col("is_found") & ~stays, "is_unlinked": F.col("is_found") & stays})
        .drop("is_found")
    )


def _count(records: DataFrame, run: Run) -> dict[str, dict[str, int]]:
    """Delivered, accepted, quarantined and suppressed records by file; unknown fields stop the run here."""
    is_bad, is_out = F.col("fault").isNotNull(), F.col("is_suppressed")
    rows = (
        records.groupBy("source", "feed", "file_id", "file")
        .agg(
            F.count("*").alias("delivered"),
            F.count(F.when(is_bad, 1)).alias("quarantined"),
            F.count(F.when(~is_bad & is_out, 1)).alias("suppressed"),
            F.count(F.when(~is_bad & F.col("is_unlinked"), 1)).alias("unlinked"),
            F.flatten(F.collect_set("keys")).alias("keys"),
        )
        .collect()
    )
    unknown = []
    for row in rows:
        columns = run.config.sources[row["source"]].feeds[row["feed"]].columns
        unknown += [
            f"{row['file']}: unknown column {key[:40]}" for key in sorted(set(row["keys"]) - set(columns))
        ]
    if unknown:
        raise ContractError(f"{'; '.join(sorted(unknown)[:5])}; {MEND_COLUMNS}")
    counts = {}
    for row in rows:
        accepted = row["delivered"] - row["quarantined"] - row["suppressed"]
        counts[row["file_id"]] = {
            "delivered": row["delivered"],
            "accepted": accepted,
            "quarantined": row["quarantined"],
            "suppressed": row["suppressed"],
            "unlinked": row["unlinked"],
        }
    return counts


_NOTHING = {"delivered": 0, "accepted": 0, "quarantined": 0, "suppressed": 0, "unlinked": 0}


def _gate(run: Run, files: list[LandingFile], counts: Mapping[str, Mapping[str, int]]) -> None:
    limit = run.config.quality.max_quarantine_share
    check_landing(
        run,
        [
            {
                "source": f.source,
                "feed": f.feed,
                "file": f.file,
                "limit": limit,
                **counts.get(f.file_id, _NOTHING),
            }
            for f in files
        ],
    )


def _write(run: Run, records: DataFrame, batch: str, delivering: set[str]) -> None:
    good = records.where("fault is null and not is_suppressed").withColumn("batch_id", F.lit(batch))
    bad = records.where("fault is not null").select("*", "fault.*", F.lit(batch).alias("batch_id"))
    frames = []
    for name in sorted(delivering):
        source = run.config.sources[name]
        contract = contract_of(f"bronze.{name}")
        mine = good.where(F.col("source") == name).withColumns(
            {"contract_version": F.lit(source.version), "kept_for": F.lit(None)}
        )
        frames.append((mine.select(*contract.columns), contract))
    quarantine = contract_of("ops.quarantine")
    masked_rows = bad.withColumn("masked", masked(F.col("line"))).select(*quarantine.columns)
    frames.append((masked_rows, quarantine))
    run.tables.stage_all(frames)
    run.tables.commit((contract for _, contract in frames), mode="append")


def _remove(run: Run, file_ids: list[str], sources: Iterable[str]) -> None:
    """Forget the rows of files whose path came again with other bytes: the newer file replaces the older.

    What they refused stays, and is there before they go: no death on the way makes it vanish.
    """
    if file_ids:
        for name in sorted(sources):
            contract = contract_of(f"bronze.{name}")
            left = taken_back(run.tables.read(contract.name), run.config.sources[name], file_ids=file_ids)
            staged, _ = run.tables.stage(left, contract)
            if staged.head(1):
                run.tables.commit([contract], mode="append")
        replaced = f"file_id in ({_listed(file_ids)})"
        _delete(run, f"{replaced} and {IS_GIVEN_UP}", quarantined=replaced)
        register = run.tables.rows("ops.file")
        taken = [row for row in register if row["file_id"] in file_ids and row["status"] in _LIVE]
        # The same bytes may have been taken before: a file that ends, ends once.
        newest = {row["file_id"]: row for row in sorted(taken, key=lambda row: row["taken_for"])}
        rows = [{**row, "status": "superseded"} for row in newest.values()]
        run.tables.append_rows(rows, _FILES)


def _forget_left(run: Run, files: Iterable[LandingFile]) -> None:
    """Of files that came back, byte for byte, what was left of them is whole again."""
    ended = {row["file_id"] for row in run.tables.rows("ops.file") if row["status"] == "superseded"}
    if back := ended & {file.file_id for file in files}:
        for name in sorted({file.source for file in files if file.file_id in back}):
            run.tables.delete(f"bronze.{name}", f"file_id in ({_listed(back)}) and not ({IS_GIVEN_UP})")


def _delete(run: Run, condition: str, *, quarantined: str | None = None) -> None:
    conditions = {f"bronze.{name}": condition for name in run.config.sources}
    conditions["ops.quarantine"] = quarantined or condition
    in_parallel([partial(run.tables.delete, name, which) for name, which in conditions.items()])


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def _register(
    run: Run,
    files: Iterable[LandingFile],
    batch: str,
    *,
    status: str,
    counts: Mapping[str, Mapping[str, int]],
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "file_id": f.file_id, "status": status, "source": f.source, "feed": f.feed, "file": f.file,
            "delivered_on": f.delivered_on, "bytes": f.bytes, "batch_id": batch, "taken_for": run.on,
            **(counts.get(f.file_id, _NOTHING) if counts else dict.fromkeys(_NOTHING)),
        }
        for f in files
    ]  # fmt: skip
    run.tables.append_rows(rows, _FILES)

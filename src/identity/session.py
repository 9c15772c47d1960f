"""Builds the Spark session: small data on one machine by default, a cluster when told so.

What is set here was measured; `docs/adr/0002-delta-jars-and-java.md` has the figures. Nothing that only makes sense
on one machine is set for the large profile, and nothing that only counts before the JVM starts is set when
spark-submit has started it already.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pandas as pd
from delta.tables import DeltaTable
from pyspark.errors import PySparkRuntimeError
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from identity.bootstrap import class_archive, delta_jars
from identity.errors import PlatformError
from identity.java import Java, find_java, launch_environment

Profile = Literal["small", "large"]

# Switches Spark's log on, for use with test data; see log4j2.properties.
_LOG_LEVEL: Final = "IDENTITY_SPARK_LOG_LEVEL"
_JAVA_OPTIONS: Final = "spark.driver.extraJavaOptions"

_ALWAYS: Final = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Times that every reader of Parquet takes for what they are: instants, to the microsecond.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Otherwise PySpark asks the JVM a dozen questions before every column expression, to tell in an error where the
    # expression was written; planning took twice as long, and errors of Spark are not shown (docs/adr/0002).
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Spark describes every query to listeners; in short is enough for nobody to read.
    "spark.sql.ui.explainMode": "simple",
    # The web interface shows query plans, and plans hold the key of identifier hashes.
    "spark.ui.enabled": "false",
}

# Over little data compiling a query takes longer than interpreting it (docs/adr/0002).
COMPILE_FROM: Final = 24_000_000  # bytes delivered
_INTERPRETED: Final = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Interpreted, the search for common subexpressions costs more than it finds.
    "spark.sql.subexpressionElimination.enabled": "false",
}

_SMALL: Final = {
    # Otherwise Spark reads the byte code of every operator's closure, to clean it: a tenth of the JVM's work.
    "spark.sql.execution.usePartitionEvaluator": "true",
    # What the optimiser does for large data, and after each of its own steps to watch itself: 4 % of a run.
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
    "spark.sql.lightweightPlanChangeValidation": "false",
    "spark.sql.adaptive.enabled": "false",
    # Frames come in one partition (`delta.py`), where a join needs neither an exchange nor a broadcast job.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    # Every sort and every hash table begins with a page; Spark's own choice is 64 MB here, which kept the collector
    # busy for 3.7 s of a run of two days; now for 2.1 s.
    "spark.buffer.pageSize": "2m",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "1",
    "spark.sql.files.minPartitionNum": "1",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
}

_LARGE: Final = {"spark.sql.adaptive.enabled": "true"}


def build_session(
    *,
    app_name: str = "identity",
    profile: Profile = "small",
    master: str | None = None,
    delivered: int = 0,
    extra: Mapping[str, str] | None = None,
) -> SparkSession:
    """Start Spark with Delta, or join the session that already runs in this process.

    Args:
        app_name: What Spark calls the application.
        profile: `small` for some hundred thousand rows on one machine, `large` for a cluster.
        master: Where to run; when None, `local[2]` for the small profile and otherwise what spark-submit or
            Spark's own configuration says.
        delivered: Bytes that sources have delivered; from `COMPILE_FROM` on the small profile compiles its queries.
        extra: Spark settings that win over ours; Java options are added to ours.

    Raises:
        PlatformError: if there is no fitting Java, no Delta, or the JVM does not start.
    """
    extra = dict(extra or {})
    settings = {**_ALWAYS, **(_SMALL if profile == "small" else _LARGE)}
    if profile == "small" and delivered < COMPILE_FROM:
        settings |= _INTERPRETED
    environment: dict[str, str] = {}
    # When spark-submit started the JVM, its master, memory, class path and Java options are settled.
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        java = find_java()
        settings |= _small_start(java) if profile == "small" else _large_start()
        if _JAVA_OPTIONS in extra:
            extra[_JAVA_OPTIONS] = f"{settings[_JAVA_OPTIONS]} {extra[_JAVA_OPTIONS]}"
        environment = _environment_of(java, profile)
        master = master or ("local[2]" if profile == "small" else None)
    builder = SparkSession.builder.appName(app_name).config(map={**settings, **extra})
    if master:
        builder = builder.master(master)
    with _environment(environment):
        try:
            spark = builder.getOrCreate()
        except PySparkRuntimeError as error:
            java_used = environment.get("IDENTITY_JAVA", "spark-submit")
            raise PlatformError(f"Spark did not start with {java_used}: {error.getCondition()}") from error
    _silence_pyspark()
    _keep_lookups(spark)
    _require_delta(spark)
    return spark


def stop_session(spark: SparkSession) -> None:
    """End the session and free its memory; the JVM ends with this process."""
    spark.stop()


def warm_up(spark: SparkSession, folder: Path) -> None:
    """Touch the classes that a run needs, by doing a little of everything a run does."""
    names = pd.DataFrame(
        {"id": range(100), "name": ["Å b"] * 100, "at": pd.Timestamp("2026-01-01", tz="UTC")}
    )
    (folder / "lines.txt").write_text('{"id": 1, "name": "Å b"}\n{"id": "x"}\n', encoding="utf-8")
    lines = spark.read.text(str(folder / "lines.txt")).select("value", "_metadata.file_path")
    order = Window.partitionBy("name").orderBy(F.desc("id"))
    first = F.first("id", ignorenulls=True).over(order)
    rows = (
        spark.createDataFrame(names)
        .withColumn("place", F.row_number().over(order))
        .withColumn("first", first)
        .withColumn("name", F.upper(F.regexp_replace(F.trim("name"), "[^A-Z]", "")))
        .withColumn("key", F.sha2(F.concat_ws("|", "name", F.col("id").cast("string")), 256))
        .selectExpr("*", "cast(id as decimal(18, 2)) as amount", "to_json(struct(id, name)) as record")
        .selectExpr("*", "case when name rlike '^A' then named_struct('reason', 'a') end as fault")
    )
    path = str(folder / "rows")
    rows.coalesce(1).write.mode("overwrite").parquet(path)
    read = spark.read.schema(rows.schema).parquet(path).coalesce(1)
    parsed = read.select("id", F.from_json("record", "id int, name string").alias("r")).select("id", "r.name")
    csv = lines.select(F.from_csv("value", "id string, name string").alias("r")).select("r.*")
    upper = parsed.mapInArrow(lambda batches: batches, "id bigint, name string")
    totals = read.groupBy("name").agg(
        F.count("*").alias("n"), F.max(F.struct("at", "id")).alias("newest"), F.sum("amount").alias("amount"),
        F.sort_array(F.collect_set("id")).alias("ids"), F.count_distinct("key").alias("keys"),
    )  # fmt: skip
    for how in ("inner", "left", "full", "left_semi", "left_anti"):
        joined = parsed.join(read.select("id", "place"), on="id", how=how)
        joined.unionByName(upper, allowMissingColumns=True).write.mode("overwrite").parquet(str(folder / how))
    totals.select("name", "newest.id", F.explode("ids").alias("one")).orderBy("name").collect()
    csv.join(F.broadcast(parsed.limit(3)), on="name", how="left").distinct().toPandas()
    read.select("id", F.create_map(F.lit("a"), F.col("place")).alias("m")).toArrow()


def train(archive: Path) -> None:
    """Run the warm-up in a JVM that, on leaving, writes down the classes it loaded."""
    spark = build_session(extra={_JAVA_OPTIONS: f"-XX:ArchiveClassesAtExit={archive}"})
    with tempfile.TemporaryDirectory() as folder:
        warm_up(spark, Path(folder))
    stop_session(spark)


def _small_start(java: Java) -> dict[str, str]:
    """What the small profile asks of a JVM that is about to start."""
    # Short runs never win back what the optimising compiler and a parallel collector cost.
    # With the first compiler alone Java keeps 48 MB for code; a whole run fills that, and then all is interpreted.
    options = [_quiet(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=256m"]
    # Started small, the heap was collected a hundred times a day's run, for a tenth of its time.
    options += ["-Xms1g", "-Xmn640m", "-XX:MetaspaceSize=256m"]
    archive = class_archive(java)
    if archive.exists():
        # An archive that does not fit is ignored: auto; and nobody needs to hear of it: -Xlog.
        options += ["-Xshare:auto", f"-XX:SharedArchiveFile={archive}", "-Xlog:disable"]
    return {
        _JAVA_OPTIONS: " ".join(options),
        "spark.driver.memory": "4g",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, delta_jars())),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # Nothing is saved there (tables are addressed by path), but the default is the working directory.
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / f"identity-spark-{os.getuid()}"),
    }


def _large_start() -> dict[str, str]:
    """What the large profile asks of a driver that is about to start: Delta on it and on the executors."""
    return {_JAVA_OPTIONS: _quiet(), "spark.jars": ",".join(map(str, delta_jars()))}


def _quiet() -> str:
    configuration = Path(__file__).with_name("log4j2.properties")
    return f"-Dlog4j2.configurationFile={configuration.as_uri()}"


def _environment_of(java: Java, profile: Profile) -> dict[str, str]:
    environment = launch_environment(java)
    if profile == "large":
        # Executors must be able to call back, and have a Python of their own.
        del environment["SPARK_LOCAL_IP"]
        environment |= {
            name: os.environ[name] for name in environment if name in os.environ and "PYTHON" in name
        }
    return environment


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for as long as the JVM takes to start, not for later children of this process."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _silence_pyspark() -> None:
    """On a failed cast PySpark itself logs the offending value to stderr, before the exception reaches anyone."""
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = _LOG_LEVEL not in os.environ


def _keep_lookups(spark: SparkSession) -> None:
    """Look up once the three classes that PySpark asks the JVM for before nearly every call."""
    for name in ("functions", "org.apache.spark.sql.functions", "PythonUtils"):
        setattr(spark._jvm, name, getattr(spark._jvm, name))


def _require_delta(spark: SparkSession) -> None:
    """Spark only warns when the Delta extension cannot be loaded, and fails much later with something else."""
    try:
        DeltaTable.isDeltaTable(spark, tempfile.gettempdir())
    except TypeError as error:  # py4j: the class is not there, so its name is taken for a package
        raise PlatformError(
            "Spark runs without Delta; give spark-submit the jars that `python -m identity.bootstrap --jars` prints"
        ) from error


if __name__ == "__main__":
    train(Path(sys.argv[1]))

"""What each start-up trick of the small profile is worth: a start, a first Delta write, ten overwrites, three merges.

`python -m benchmarks.session_start [variant ...] [--rounds N]` runs every variant in a process of its own, in turn,
so that a change of load hits them all. Processor seconds of the JVM are the figure to compare: wall time on a busy
machine says little.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from identity.bootstrap import DELTA_COORDINATE
from identity.session import build_session, stop_session

_JAVA = "spark.driver.extraJavaOptions"

VARIANTS = {
    "as it is": {},
    "no class archive": {_JAVA: "-Xshare:off"},
    "optimising compiler": {_JAVA: "-XX:TieredStopAtLevel=4"},
    "parallel collector": {_JAVA: "-XX:-UseSerialGC -XX:+UseG1GC"},
    "adaptive execution": {"spark.sql.adaptive.enabled": "true"},
    "1 shuffle partition": {"spark.sql.shuffle.partitions": "1"},
    "200 shuffle partitions": {"spark.sql.shuffle.partitions": "200"},
    "50 snapshot partitions": {"spark.databricks.delta.snapshotPartitions": "50"},
    "no code generation": {"spark.sql.codegen.wholeStage": "false"},
    "jars by coordinate": {"spark.driver.extraClassPath": "", "spark.jars.packages": DELTA_COORDINATE},
}


def measure(extra: dict[str, str], folder: Path) -> str:
    """Run the program under one variant; the seconds of each part."""
    clock = [time.monotonic()]
    spark = build_session(extra=extra)
    clock.append(time.monotonic())
    _write(spark, folder / "0")
    clock.append(time.monotonic())
    for number in range(10):
        _write(spark, folder / str(number % 3))
    clock.append(time.monotonic())
    for _ in range(3):
        table = DeltaTable.forPath(spark, str(folder / "0")).alias("t")
        changes = spark.read.format("delta").load(str(folder / "1")).alias("s")
        table.merge(changes, "t.c3 = s.c3").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
    clock.append(time.monotonic())
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    cpu = jvm.java.lang.ProcessHandle.current().info().totalCpuDuration().get().toMillis()
    stop_session(spark)
    parts = [later - earlier for earlier, later in pairwise(clock)]
    return "  ".join(f"{seconds:6.1f}" for seconds in [*parts, clock[-1] - clock[0], cpu / 1000])


def _write(spark: SparkSession, path: Path) -> None:
    columns = [F.concat(F.lit(f"v{i}"), F.col("id") % (i + 7)).alias(f"c{i}") for i in range(12)]
    counts = spark.range(5000).select("id", *columns).groupBy("c3").agg(F.count("*").alias("n"), F.max("id"))
    named = counts.withColumnRenamed("max(id)", "last_id")
    named.write.format("delta").mode("overwrite").option("delta.enableDeletionVectors", "false").save(
        str(path)
    )


def main() -> None:
    """Run the variants asked for, each in a new process, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), metavar="variant")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--here", action="store_true", help="run the one variant in this process")
    options = parser.parse_args()
    if options.here:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(VARIANTS[options.variants[0]], Path(folder)))
        return
    print(f"{'variant':24}   start   first     ten  merges   total  JVM cpu (seconds)", flush=True)
    for _ in range(options.rounds):
        for variant in options.variants:
            command = [sys.executable, "-m", "benchmarks.session_start", "--here", variant]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
            )
            print(f"{variant:24}  {done.stdout.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from identity.bootstrap import delta_jars
from identity.errors import PlatformError
from identity.java import home
from identity.session import COMPILE_FROM, build_session
from identity.tables import bytes_delivered

CLOSED = "http://127.0.0.1:9"

PROGRAM = """
import sys
from identity.session import build_session, stop_session
spark = build_session(delivered={delivered}, extra={extra})
path = sys.argv[1]
spark.range(3).write.format("delta").save(path)
print(spark.read.format("delta").load(path).count(), spark.conf.get("spark.sql.session.timeZone"))
try:
    spark.sql("select cast(v as int) from values ('maija@example.fi') as t(v)").collect()
except Exception as error:
    print(type(error).__name__)
print("compiled", spark.conf.get("spark.sql.codegen.wholeStage"))
stop_session(spark)
"""


def run(
    folder: Path, *, delivered: int = 0, extra: dict[str, str] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start Spark in a process of its own, write and read a Delta table, and fail a cast."""
    program = PROGRAM.replace("{extra}", repr(extra or {})).replace("{delivered}", str(delivered))
    return subprocess.run(
        [sys.executable, "-c", program, str(folder / "table")],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_start_needs_no_network_says_nothing_and_leaves_nothing(tmp_path):
    before = sorted(path.name for path in home().iterdir())
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), CLOSED)
    java = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"
    done = run(
        tmp_path, extra={"spark.driver.extraJavaOptions": java}, **offline, SPARK_LOCAL_HOSTNAME="localhost"
    )
    assert done.stdout.splitlines() == ["3 UTC", "NumberFormatException", "compiled false"]
    assert done.stderr == ""  # neither warnings, nor the value that could not be cast
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    assert sorted(path.name for path in home().iterdir()) == before


def test_an_archive_of_another_java_is_ignored_in_silence_and_much_data_is_compiled_for(tmp_path):
    spoilt = tmp_path / "spoilt.jsa"
    spoilt.write_bytes(b"not an archive")
    extra = {"spark.driver.extraJavaOptions": f"-XX:SharedArchiveFile={spoilt}"}
    done = run(tmp_path, delivered=COMPILE_FROM, extra=extra)
    assert done.stdout.splitlines() == ["3 UTC", "NumberFormatException", "compiled true"]
    assert done.stderr == ""


def test_a_jvm_that_does_not_start_is_one_line(tmp_path):
    done = run(tmp_path, extra={"spark.driver.memory": "1k"})
    assert "PlatformError: Spark did not start with" in done.stderr.splitlines()[-1]


def test_a_wrong_java_home_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    with pytest.raises(PlatformError, match=r"JAVA_HOME is .* which has no working bin/java"):
        build_session()


def test_the_environment_is_as_before(spark: SparkSession):
    assert "IDENTITY_JAVA" not in os.environ
    assert "SPARK_LOCAL_IP" not in os.environ


def test_settings_that_every_stage_relies_on(spark: SparkSession):
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "4g",
        "spark.master": "local[2]",
    }
    assert {name: spark.conf.get(name) for name in settings} == settings


def test_python_workers_are_this_interpreter(spark: SparkSession):
    worker = spark.sparkContext.parallelize([0], 1).map(lambda _: sys.prefix).collect()
    assert worker == [sys.prefix]


def test_what_the_caller_asks_for_wins(spark: SparkSession):
    """A second call joins the running session and sets what can still be set."""
    joined = build_session(extra={"spark.sql.shuffle.partitions": "3"})
    try:
        assert joined.conf.get("spark.sql.shuffle.partitions") == "3"
    finally:
        joined.conf.set("spark.sql.shuffle.partitions", "2")


@pytest.mark.long
def test_under_spark_submit_its_master_and_memory_stay(tmp_path):
    job = tmp_path / "job.py"
    job.write_text(
        "from identity.session import build_session\n"
        "spark = build_session(profile='large')\n"
        f"spark.range(3).write.format('delta').save('{tmp_path / 'table'}')\n"
        "conf = spark.sparkContext.getConf()\n"
        "print(conf.get('spark.master'), conf.get('spark.driver.memory'), conf.get('spark.sql.adaptive.enabled'))\n"
    )
    submit = [f"{sys.prefix}/bin/spark-submit", "--master", "local[1]", "--driver-memory", "2g"]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}

    without = subprocess.run([*submit, job], env=environment, capture_output=True, text=True, check=False)
    # spark-submit joins a job's two outputs
    assert "PlatformError: Spark runs without Delta" in without.stdout

    jars = ["--jars", ",".join(map(str, delta_jars()))]
    done = subprocess.run([*submit, *jars, job], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["local[1] 2g true"]


def test_files_that_landed_and_bronze_count_as_delivered(tmp_path):
    landing, warehouse = tmp_path / "landing", tmp_path / "warehouse"
    assert bytes_delivered(landing, warehouse) == 0
    for path, length in (
        (landing / "2026-01-31" / "crm" / "contacts.csv", 5),
        (warehouse / "bronze" / "crm" / "a.parquet", 70),
        (warehouse / "silver" / "sale_line" / "a.parquet", 900),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * length)
    assert bytes_delivered(landing, warehouse) == 75

"""Makes a Python environment able to run Spark and Delta without asking anything more of the network.

`python -m identity.bootstrap` finds or installs Java, resolves the Delta jars once, and trains a class-data archive
that makes every later start quicker. All of it lies in `<environment>/share/identity`, so deleting the environment
deletes it too. The reasons and the measurements are in `docs/adr/0002-delta-jars-and-java.md`.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from identity.errors import PlatformError
from identity.java import (
    Java,
    find_java,
    home,
    install_java,
    launch_environment,
    trust_options,
    write_wrapper,
)

DELTA_COORDINATE = "io.delta:delta-spark_4.1_2.13:4.4.0"
_LAST_MAJOR_WITH_ARCHIVE = 17
DELTA_JAR = "io.delta_delta-spark_4.1_2.13-4.4.0.jar"

# What Delta's coordinate brings along and Spark already has. Left out, it need not be downloaded (60 MB), and on the
# class path an older copy cannot take the place of Spark's own.
_SHIPPED_WITH_SPARK = (
    "com.fasterxml.jackson.core:*",
    "com.fasterxml.jackson.datatype:*",
    "com.github.luben:*",
    "com.google.code.findbugs:*",
    "commons-logging:*",
    "commons-pool:*",
    "io.airlift:*",
    "javax.annotation:*",
    "org.apache.hadoop:*",
    "org.apache.logging.log4j:*",
    "org.apache.parquet:*",
    "org.roaringbitmap:*",
    "org.slf4j:*",
    "org.xerial.snappy:*",
)

T = TypeVar("T")


def delta_jars() -> list[Path]:
    """The jars Delta needs besides Spark's own, in a fixed order.

    Raises:
        PlatformError: if bootstrap has not put them in place.
    """
    folder = home() / "jars"
    if not (folder / DELTA_JAR).exists():
        raise PlatformError("the Delta jars are not there; run `python -m identity.bootstrap` once")
    return sorted(folder.glob("*.jar"))


def class_archive(java: Java) -> Path:
    """Where the class-data archive for this Java, Spark and Delta lies, if it was trained."""
    pyspark = importlib.util.find_spec("pyspark")
    parts = [
        str(java.executable),
        java.build,
        str(pyspark.origin if pyspark else ""),
        *map(str, delta_jars()),
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return home() / f"classes-{digest}.jsa"


def ensure_java() -> Java:
    """`find_java()`, after installing a small Java into the environment if there is none."""
    write_wrapper()
    try:
        return find_java()
    except PlatformError:
        if os.environ.get("JAVA_HOME"):
            raise
    _say("no Java found: installing a small one into this environment")
    return install_java()


def ensure_delta_jars(java: Java) -> list[Path]:
    """`delta_jars()`, after resolving them once with Spark's own package resolution if they are not there."""
    try:
        return delta_jars()
    except PlatformError:
        _say(f"resolving {DELTA_COORDINATE}")
    home().mkdir(parents=True, exist_ok=True)
    log = home() / "resolution.log"
    with tempfile.TemporaryDirectory(dir=home(), prefix="ivy-") as ivy:
        settings = {
            "spark.jars.packages": DELTA_COORDINATE,
            "spark.jars.excludes": ",".join(_SHIPPED_WITH_SPARK),
            "spark.jars.ivy": ivy,
            "spark.driver.extraJavaOptions": " ".join(trust_options(java, Path(ivy))),
        }
        program = "from pyspark.sql import SparkSession as S; S.builder.master('local[1]').config(map={}).getOrCreate()"
        done = _run_spark(java, ["-c", program.format(settings)])
        fetched = Path(ivy) / "jars"
        if not (fetched / DELTA_JAR).exists():
            log.write_text(done.stderr, encoding="utf-8")
            raise PlatformError(
                f"{DELTA_COORDINATE} could not be resolved (see {log}); check the network or, behind a mirror, name "
                f"it with spark.jars.ivySettings in SPARK_CONF_DIR, or put the jars into {home() / 'jars'} yourself"
            )
        shutil.rmtree(home() / "jars", ignore_errors=True)
        fetched.rename(home() / "jars")
    log.unlink(missing_ok=True)
    return delta_jars()


def ensure_class_archive(java: Java) -> Path | None:
    """Train the class-data archive if it is missing; None where this Java has no use for one.

    Spark's class path names one jar twice, and a newer Java then takes its own archive for another's.
    """
    if java.major > _LAST_MAJOR_WITH_ARCHIVE:
        return None
    archive = class_archive(java)
    if archive.exists():
        return archive
    _say("training a class-data archive: quicker starts from now on")
    for old in home().glob("classes-*.jsa"):
        old.unlink()
    draft = archive.with_suffix(f".{os.getpid()}")
    done = _run_spark(java, ["-m", "identity.session", str(draft)])
    if done.returncode != 0 or not draft.exists():
        draft.unlink(missing_ok=True)
        _say(f"no archive this time ({_last_line(done.stderr)}))")
        return None
    draft.replace(archive)
    return archive


def main() -> int:
    """Run the steps that are still to be done; 0, or the exit code of what went wrong.

    With `--jars` it only prints the jars, comma-separated, for `spark-submit --jars`.
    """
    try:
        if "--jars" in sys.argv[1:]:
            print(",".join(map(str, delta_jars())))  # noqa: T201
            return 0
        java = _timed("java", ensure_java, lambda found: f"{found.executable} (Java {found.major})")
        _timed("delta", lambda: ensure_delta_jars(java), lambda jars: f"{len(jars)} jars")
        _timed(
            "archive",
            lambda: ensure_class_archive(java),
            lambda file: file.name if file else "none, starts are slower",
        )
    except PlatformError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _run_spark(java: Java, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run this Python with Spark's environment and wait for the JVM too, which holds the same output pipes."""
    command = [sys.executable, *arguments]
    environment = {**os.environ, **launch_environment(java)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"


def _timed(name: str, step: Callable[[], T], describe: Callable[[T], str]) -> T:
    started = time.monotonic()
    result = step()
    _say(f"{name}: {describe(result)} [{time.monotonic() - started:.1f} s]")
    return result


def _say(line: str) -> None:
    print(f"bootstrap: {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

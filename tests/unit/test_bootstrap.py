import subprocess
from pathlib import Path

import pytest

from identity import bootstrap
from identity.errors import PlatformError
from identity.java import Java, home


@pytest.fixture(autouse=True)
def fresh_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without what bootstrap makes."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))


def test_missing_jars_say_what_to_do():
    with pytest.raises(PlatformError, match=r"run `python -m identity.bootstrap`"):
        bootstrap.delta_jars()


def test_a_resolution_that_brings_nothing_says_what_to_do(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="unresolved dependency\n")
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: failed)
    java = Java(tmp_path / "java", 17, "test")
    with pytest.raises(
        PlatformError, match=r"could not be resolved .see .*resolution.log.; check the network"
    ):
        bootstrap.ensure_delta_jars(java)
    assert [path.name for path in home().iterdir()] == ["resolution.log"]


def test_an_archive_belongs_to_one_java(tmp_path):
    jars = home() / "jars"
    jars.mkdir(parents=True)
    (jars / bootstrap.DELTA_JAR).touch()
    one, other = (Java(tmp_path / "java", 17, build) for build in ("17.0.1", "17.0.2"))
    assert bootstrap.class_archive(one) != bootstrap.class_archive(other)


def test_an_archive_that_cannot_be_trained_is_no_error(monkeypatch, tmp_path, capsys):
    jars = home() / "jars"
    jars.mkdir(parents=True)
    (jars / bootstrap.DELTA_JAR).touch()
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="no base archive\n")
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: failed)
    assert bootstrap.ensure_class_archive(Java(tmp_path / "java", 17, "test")) is None
    assert "no base archive" in capsys.readouterr().out

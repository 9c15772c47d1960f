"""Fixtures for every test: one Spark session, and a warehouse folder of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from identity.session import build_session, stop_session

# How long an example takes tells how busy the machine is.
settings.register_profile("identity", deadline=None)
settings.load_profile("identity")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session all tests share: starting one takes longer than most tests."""
    session = build_session(app_name="identity-tests")
    yield session
    stop_session(session)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """An empty folder for Delta tables."""
    folder = tmp_path / "warehouse"
    folder.mkdir()
    return folder

"""A real site's access log: every line is read or quarantined, robots are told apart."""

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from identity.config import Feed, FeedColumn
from identity.sources.parsing import parse_lines, typed
from identity.standardise.robots import robots
from identity.tables import read_lines

LOG = Path(os.environ.get("IDENTITY_BENCHMARK_DATA", "nowhere")) / "weblogs" / "apache_combined_10k.log"


@pytest.mark.skipif(not LOG.is_file(), reason="IDENTITY_BENCHMARK_DATA is not set or holds no weblogs")
def test_a_real_log_survives(spark: SparkSession) -> None:
    kinds = {"time": "timestamp", "status": "int", "bytes": "bigint"}
    names = ("host", "login", "time", "request", "status", "bytes", "referrer", "user_agent", "cookie")
    columns = {
        name: FeedColumn(type=kinds.get(name, "string"), required=name in ("time", "request", "status"))
        for name in names
    }
    feed = Feed(pattern="access*.log", format="combined_log", columns=columns)
    parsed = parse_lines(read_lines(spark, [str(LOG)]), feed, header=()).persist()
    bad = parsed.where("fault is not null").select("row_no", "fault.reason", "line").collect()
    assert parsed.count() == 10_000
    # The one truncated line, which lacks its closing quote.
    assert [row["reason"] for row in bad] == ["broken_row"]
    assert not bad[0]["line"].endswith('"')
    rows = typed(parsed.where("fault is null").select("record"), feed)
    assert rows.where("time is null or status is null").count() == 0
    agents = rows.groupBy("user_agent").agg(F.count("*").alias("n"))
    flagged = robots(agents.select("user_agent")).where("is_bot").join(agents, on="user_agent")
    by_agent = {row["user_agent"]: row["n"] for row in flagged.collect()}
    lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    assert sum(n for agent, n in by_agent.items() if "Googlebot" in agent) == sum(
        "Googlebot" in line.rsplit('"', 2)[-2] for line in lines if line.endswith('"')
    )
    assert not any(
        agent.startswith("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit") for agent in by_agent
    )

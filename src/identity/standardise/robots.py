"""Robots: user agents told apart by the community's maintained list (`crawler-user-agents`)."""

from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa
from pyspark.sql import DataFrame


def robots(agents: DataFrame) -> DataFrame:
    """Tell robots from people.

    Args:
        agents: A column `user_agent`; each distinct value once.

    Returns:
        `user_agent` and `is_bot`.
    """
    return agents.mapInArrow(_robots_of, "user_agent string, is_bot boolean")


def _robots_of(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    for batch in batches:
        agents = batch.column("user_agent").to_pylist()
        flags = [_is_bot(agent) for agent in agents]
        yield pa.RecordBatch.from_arrays(
            [pa.array(agents, pa.string()), pa.array(flags, pa.bool_())], ["user_agent", "is_bot"]
        )


@lru_cache(maxsize=100_000)
def _is_bot(agent: str | None) -> bool:
    import crawleruseragents  # on the executor; compiles several hundred patterns

    return agent is not None and bool(crawleruseragents.is_crawler(agent))

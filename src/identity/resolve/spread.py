"""Components solved side by side: the same function on every executor that runs here when there is little to do."""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from identity.linkage.work import Spread

# Records to compare up to which starting Python workers takes longer than the work.
FEW: Final = 50_000
_PARTS_PER_CORE: Final = 4


def over_executors(spark: SparkSession, *, few: int = FEW) -> Spread:
    """Spread work over Spark's executors; what is few records is solved in the driver."""

    def spread(work: pa.Table, solve: Callable[[pa.Table], pa.Table]) -> pa.Table:
        if work.num_rows <= few:
            return solve(work)

        def solve_part(
            part: pa.Table,
        ) -> pa.Table:  # Spark reads the signature, which a partial does not show
            return solve(part)

        parts = spark.sparkContext.defaultParallelism * _PARTS_PER_CORE
        parted = spark.createDataFrame(work).groupBy(F.col("component") % parts)
        solved: pa.Table = parted.applyInArrow(solve_part, "cluster bigint, merged_into bigint").toArrow()
        return solved

    return spread

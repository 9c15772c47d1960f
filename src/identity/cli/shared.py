"""What several verbs of the command line share: options, run dates, and tables over a Spark session."""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from identity.config import Config
from identity.errors import ConfigError

Conf = Annotated[
    Path, typer.Option("--conf", help="Configuration file, such as conf/local.yaml.", show_default=False)
]
Warehouse = Annotated[
    Path | None, typer.Option("--warehouse", help="Warehouse folder; overrides the configuration.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="Folder with person_of_record.parquet; the result is scored against it."),
]


def date_of(text: str, *, option: str = "--run-date") -> dt.date:
    """A date as it was typed, which an option asks for.

    Raises:
        ConfigError: It is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: a date is written yyyy-mm-dd") from None


@contextmanager
def session(config: Config, *, needs_quality: bool) -> Iterator[Any]:
    """Tables of the configured warehouse; Great Expectations is imported while Java starts."""
    warm: threading.Thread | None = None
    if needs_quality:
        from identity import quality

        warm = threading.Thread(target=quality.warm_up, daemon=True)
        warm.start()
    from identity.session import build_session, stop_session
    from identity.tables import Tables, bytes_delivered, prepare_warehouse

    prepare_warehouse(config.warehouse)
    settings = config.spark
    extra = {"spark.driver.memory": settings.driver_memory, **settings.settings}
    delivered = bytes_delivered(config.landing, config.warehouse) if settings.profile == "small" else 0
    spark = build_session(profile=settings.profile, master=settings.master, delivered=delivered, extra=extra)
    try:
        if warm is not None:
            warm.join()
        yield Tables(spark, config.warehouse)
    finally:
        stop_session(spark)


def run_of(
    config: Config, tables: Any, on: dt.date, console: Any, *, accept_blast_radius: bool = False
) -> Any:
    """A run for a date with the keys that are given.

    Raises:
        PlatformError: No key is.
    """
    from identity.run import Run

    key, *retired = config.secrets()
    return Run(
        config, tables, on, key, console, accept_blast_radius=accept_blast_radius, retired=tuple(retired)
    )

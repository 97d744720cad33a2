"""Opens the engine that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from feature_store.engine import Engine, EngineName


def open_engine(
    name: EngineName = "duckdb",
    *,
    memory_limit: str = "1GB",
    threads: int = 2,
    spill: Path | None = None,
    spark_master: str = "local[2]",
) -> Engine:
    """The engine called `name`; what does not fit into its memory goes to `spill`.

    Raises:
        EngineError: PySpark or Java is missing, or Spark does not start.
    """
    if name == "duckdb":
        from feature_store.engine.duckdb import DuckDb

        return DuckDb(memory_limit, threads, spill)
    from feature_store.engine.spark import Spark

    return Spark(spark_master, memory_limit, spill)

"""DuckDB in this process: the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import ibis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa


class DuckDb:
    """A database in memory that spills to disk above `memory_limit`."""

    failures: tuple[type[Exception], ...] = (duckdb.Error,)

    def __init__(self, memory_limit: str = "1GB", threads: int = 2, spill: Path | None = None) -> None:
        options: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)
            options["temp_directory"] = str(spill)
        self.connection = ibis.duckdb.connect(**options)
        self.connection.raw_sql("SET enable_progress_bar = false")  # it writes into the output of quiet runs
        self.connection.raw_sql("SET TimeZone = 'UTC'")

    def rows(self, name: str, files: Sequence[str], moment: str) -> ir.Table:
        view = f"{name}_files"
        self.connection.raw_sql(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT *, CAST(floor(epoch({moment})) AS BIGINT) AS seconds"
            f" FROM read_parquet({list(files)}, hive_partitioning=false, filename=true)"
        )
        return self.connection.table(view)

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        self.connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.connection.compile(rows)}")
        return self.connection.table(name)

    def write(self, rows: ir.Table, folder: Path) -> None:
        folder.mkdir()
        query, target = self.connection.compile(rows), _quoted(folder / "part.parquet")
        self.connection.raw_sql(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")

    def files(self, name: str, folder: Path) -> ir.Table:
        self.connection.raw_sql(
            f"CREATE OR REPLACE TEMP VIEW {name} AS"
            f" SELECT * FROM read_parquet('{_quoted(folder / '*.parquet')}', hive_partitioning=false)"
        )
        return self.connection.table(name)

    def to_arrow(self, rows: ir.Table) -> pa.Table:
        return self.connection.to_pyarrow(rows)

    def close(self) -> None:
        self.connection.disconnect()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")

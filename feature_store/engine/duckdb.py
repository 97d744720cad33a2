"""DuckDB in this process: the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa


@ibis.udf.scalar.builtin(name="hash")  # type: ignore[untyped-decorator]  # as all of Ibis
def _hash(text: str) -> dt.uint64: ...


_BATCH = 2**18
"""Rows, of some 25 bytes each."""


class DuckDb:
    """A database in memory that spills to disk above `memory_limit`."""

    failures: tuple[type[Exception], ...] = (duckdb.Error,)

    def __init__(self, memory_limit: str = "1GB", threads: int = 2, spill: Path | None = None) -> None:
        self.spill = spill
        options: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)
            options["temp_directory"] = str(spill)
        self.connection = ibis.duckdb.connect(**options)
        self.connection.raw_sql("SET enable_progress_bar = false")  # it writes into the output of quiet runs
        self.connection.raw_sql("SET TimeZone = 'UTC'")
        self.connection.raw_sql("SET parquet_metadata_cache = true")  # the same files are read for several questions
        # What stands on the right of a join here is the smaller side; DuckDB's guess is often the other way round. And
        # what is counted once would be copied first: a sixth of the CPU of the aggregates.
        self.connection.raw_sql("SET disabled_optimizers = 'build_side_probe_side,distinct_aggregate_rewrite'")
        self._codes = 0

    def rows(self, name: str, files: Sequence[str], moment: str) -> ir.Table:
        view = f"{name}_files"
        self.connection.raw_sql(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT *, CAST(floor(epoch({moment})) AS BIGINT) AS seconds"
            f" FROM read_parquet({list(files)}, hive_partitioning=false, filename=true)"
        )
        return self.connection.table(view)

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        self.connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.connection.compile(rows)}")
        return self._table(name, rows)

    def coded(self, name: str, rows: ir.Table, texts: Mapping[str, ir.Table], *, kept: bool) -> ir.Table:
        chosen, joined = [], ""
        for column, each in texts.items():
            kind, codes = self._learnt(each)
            chosen.append(f"coalesce({codes}.code, told.{column}::{kind}) AS {column}")
            joined += f" LEFT JOIN {codes} ON told.{column} = {codes}.text"  # a cast alone takes many times as long
        query = f"SELECT told.* REPLACE ({', '.join(chosen)}) FROM ({self.connection.compile(rows)}) AS told{joined}"
        self.connection.raw_sql(f"CREATE OR REPLACE TEMP {'TABLE' if kept else 'VIEW'} {name} AS {query}")
        return self._table(name, rows)

    def _learnt(self, texts: ir.Table) -> tuple[str, str]:
        """A type whose values are the texts, and a table that holds its value for each text."""
        self._codes += 1
        kind, codes = f"code_{self._codes}", f"codes_{self._codes}"
        told = self.connection.compile(texts.filter(texts["text"].notnull()).distinct().order_by("text"))
        self.connection.raw_sql(f"CREATE TYPE {kind} AS ENUM ({told})")
        every = f"SELECT unnest(enum_range(NULL::{kind})) AS text"
        self.connection.raw_sql(f"CREATE TEMP TABLE {codes} AS SELECT text, text::{kind} AS code FROM ({every})")
        return kind, codes

    def _table(self, name: str, rows: ir.Table) -> ir.Table:
        """Not `connection.table`: to see the columns, Ibis would read every text of a type of codes."""
        return ops.DatabaseTable(name, rows.schema(), self.connection, ops.Namespace()).to_expr()

    def hashed(self, texts: ir.Column) -> ir.Column:
        return _hash(texts)

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        arrow = f"{name}_arrow"
        self.connection.con.register(arrow, rows)
        self.connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM {arrow}")
        self.connection.con.unregister(arrow)
        return self.connection.table(name)

    def write(self, rows: ir.Table, folder: Path) -> None:
        folder.mkdir()
        query, target = self.connection.compile(rows), _quoted(folder / "part.parquet")
        # Never codes: threads that write them at once share a vector<bool> of the codes that occur, bits of it get
        # lost, and those texts come out empty (DuckDB 2.0.0; duckdb/duckdb#22658 brought it).
        columns = ", ".join(
            f'"{name}"::VARCHAR AS "{name}"' if kind.is_string() else f'"{name}"'
            for name, kind in rows.schema().items()
        )
        self.connection.raw_sql(
            f"COPY (SELECT {columns} FROM ({query})) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )

    def files(self, name: str, *folders: Path) -> ir.Table:
        every = ", ".join(f"'{_quoted(folder / '*.parquet')}'" for folder in folders)
        self.connection.raw_sql(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{every}], hive_partitioning=false)"
        )
        return self.connection.table(name)

    def to_arrow(self, rows: ir.Table) -> pa.Table:
        # Not through Ibis' own way, which imports pandas.
        return self._computed(rows).to_arrow_table().cast(rows.schema().to_pyarrow())

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        types = rows.schema().to_pyarrow()
        return (batch.cast(types) for batch in self._computed(rows).to_arrow_reader(_BATCH))

    def _computed(self, rows: ir.Table) -> duckdb.DuckDBPyRelation:
        return self.connection.con.sql(self.connection.compile(rows))

    def close(self) -> None:
        self.connection.disconnect()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")

"""DuckDB computes within the memory it is given, and in UTC wherever it runs."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.engine.duckdb import DuckDb


def test_it_takes_the_memory_it_is_given_and_spills_where_it_is_told(tmp_path) -> None:
    engine = DuckDb(memory_limit="200MB", threads=1, spill=tmp_path / "spill")
    found = engine.connection.con.sql(
        "SELECT name, value FROM duckdb_settings()"
        " WHERE name IN ('temp_directory', 'threads', 'memory_limit', 'TimeZone')"
    )
    assert dict(found.fetchall()) == {
        "temp_directory": str(tmp_path / "spill"),
        "threads": "1",
        "memory_limit": "190.7 MiB",
        "TimeZone": "UTC",
    }
    engine.close()


def test_what_is_kept_is_computed_once(tmp_path) -> None:
    path = tmp_path / "part.parquet"
    time = dt.datetime(2017, 1, 1, 0, 0, 0, 900_000, tzinfo=dt.UTC)
    pq.write_table(pa.table({"time": pa.array([time], pa.timestamp("us", tz="UTC"))}), path)
    engine = DuckDb(threads=1)
    kept = engine.keep("moments", engine.rows("events", [str(path)], "time").drop("filename"))
    path.unlink()
    assert engine.to_arrow(kept).to_pylist() == [
        {"time": time, "seconds": int(dt.datetime(2017, 1, 1, tzinfo=dt.UTC).timestamp())}
    ]
    engine.close()

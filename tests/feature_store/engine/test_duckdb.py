"""DuckDB computes within the memory it is given, and in UTC wherever it runs."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


@pytest.mark.parametrize("kept", [True, False])
def test_codes_read_as_the_texts_that_they_stand_for(tmp_path, kept) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(
        pa.table({"time": pa.array([dt.datetime(2017, 1, 1, tzinfo=dt.UTC)] * 4), "who": [*"bab", None]}), path
    )
    engine = DuckDb(threads=1)
    told = engine.rows("events", [str(path)], "time")
    coded = engine.coded("coded", told.select("who"), {"who": told.select(text="who")}, kept=kept)
    assert engine.connection.raw_sql("SELECT DISTINCT typeof(who) FROM coded").fetchall() == [("ENUM('a', 'b')",)]
    assert engine.to_arrow(coded).to_pylist() == [{"who": who} for who in ("b", "a", "b", None)]
    assert engine.to_arrow(coded.filter(coded["who"] == "b").order_by("who")).num_rows == 2
    assert pa.Table.from_batches(engine.batches(coded)).equals(engine.to_arrow(coded))
    engine.close()


def test_codes_are_written_as_their_texts_by_many_threads_at_once(tmp_path) -> None:
    """Ten times: of files with codes in them, DuckDB 2.0.0 spoils every second one in this way."""
    path = tmp_path / "part.parquet"
    numbers = np.random.default_rng(1).integers(400_000, size=600_000)  # so that a text is in few parts of the file
    who = pa.array(numbers).cast(pa.string())
    time = pa.array([dt.datetime(2017, 1, 1, tzinfo=dt.UTC)] * len(who), pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"time": time, "who": who}), path)
    engine = DuckDb(threads=32)
    told = engine.rows("events", [str(path)], "time")
    coded = engine.coded("coded", told.select("who"), {"who": told.select(text="who")}, kept=True)
    wanted = pa.table({"who": engine.to_arrow(coded)["who"].combine_chunks()})
    assert sorted(wanted["who"].to_pylist()) == sorted(who.to_pylist())
    for number in range(10):
        engine.write(coded, tmp_path / f"{number}")
        assert pq.read_table(tmp_path / f"{number}").equals(wanted)
    engine.close()


def test_a_text_without_a_code_is_an_error(tmp_path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"time": pa.array([dt.datetime(2017, 1, 1, tzinfo=dt.UTC)] * 2), "who": ["a", "b"]}), path)
    engine = DuckDb(threads=1)
    told = engine.rows("events", [str(path)], "time")
    with pytest.raises(engine.failures, match="b"):
        engine.coded("coded", told, {"who": told.filter(told["who"] == "a").select(text="who")}, kept=True)
    engine.close()

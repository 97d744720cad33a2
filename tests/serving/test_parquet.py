from __future__ import annotations

import io

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.parquet import Kind, encode

KINDS: dict[str, Kind] = {"name": "text", "raw": "bytes", "count": "integer", "at": "time", "share": "real"}


@pytest.mark.parametrize("rows", [0, 1, 3, 20_000])
def test_what_is_encoded_is_read_by_arrow_and_duckdb(rows: int, tmp_path) -> None:
    columns = {
        "name": [f"ünï {row % 7}" for row in range(rows)],
        "raw": [bytes([row % 256]) * (row % 5) for row in range(rows)],
        "count": [row - 2**40 for row in range(rows)],
        "at": [1_511_000_000_000_000 + row for row in range(rows)],
        "share": [row / 3 for row in range(rows)],
    }
    data = encode(KINDS, columns)
    table = pq.ParquetFile(io.BytesIO(data)).read()
    assert [str(field.type) for field in table.schema] == [
        "string",
        "binary",
        "int64",
        "timestamp[us, tz=UTC]",
        "double",
    ]
    assert table.set_column(3, "at", table["at"].cast(pa.int64())).to_pydict() == columns
    (tmp_path / "file.parquet").write_bytes(data)
    found = duckdb.sql(f"SELECT count(*), max(name), sum(count) FROM '{tmp_path}/file.parquet'").limit(1).fetchall()[0]
    assert found == (rows, max(columns["name"], default=None), sum(columns["count"]) if rows else None)


def test_wide_tables_have_more_columns_than_one_byte_counts() -> None:
    kinds: dict[str, Kind] = {f"column {number}": "integer" for number in range(40)}
    table = pq.ParquetFile(io.BytesIO(encode(kinds, {name: [1, 2] for name in kinds}))).read()
    assert (table.num_columns, table.num_rows) == (40, 2)
    assert table["column 39"].to_pylist() == [1, 2]

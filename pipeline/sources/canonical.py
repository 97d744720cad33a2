"""Canonical tables as Arrow: the types every partition has, and the way a source's values become them."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.schema import Column, Table

ARROW_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
}
_NAIVE = pa.timestamp("us")
_OFFSET = re.compile(r":\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)$")
_ZERO_DATE = "0000-00-00"
"""What MySQL keeps where an application had no date; it means that there is none."""


def arrow_schema(table: Table) -> pa.Schema:
    """Column names and types of `table` in Parquet; nulls are a matter of the contracts."""
    return pa.schema([(name, ARROW_TYPES[column.type]) for name, column in table.columns.items()])


def no_rows(schema: pa.Schema) -> pa.Table:
    """A table without rows; Arrow's own `empty_table` imports pandas for it."""
    return pa.Table.from_batches([], schema)


def canonical_column(values: Sequence[Any] | pa.Array, column: Column, zone: str, where: str) -> pa.Array:
    """`values` as the database driver gave them, in the canonical type; times without a zone are of `zone`.

    Raises:
        SourceError: a value that is no such thing, e.g. a word in a column of numbers.
    """
    array = values if isinstance(values, pa.Array) else plain_array(values)
    target = ARROW_TYPES[column.type]
    try:
        return _times(array, zone) if column.type == "time" else _plain(array, target)
    except pa.ArrowInvalid as error:
        raise SourceError(
            where,
            expected=f"values of type {column.type}",
            found=f"{array.type} with {error}",
            remedy="Map another column, or an expression that casts it.",
        ) from error


def plain_array(values: Sequence[Any]) -> pa.Array:
    """Arrow's own reading; columns of mixed types (SQLite, MySQL's zero dates) go through text."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, dt.datetime) and first.tzinfo is not None:
        # Importing Pandera sets PYARROW_IGNORE_TIMEZONE, with which Arrow drops a datetime's offset: it gets none.
        values = [None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None) for value in values]
        return pa.array(values, _NAIVE).cast(ARROW_TYPES["time"])
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _plain(array: pa.Array, target: pa.DataType) -> pa.Array:
    # Arrow's cast from decimal to float can miss the nearest float; through text it never does.
    if pa.types.is_binary(array.type) or (pa.types.is_decimal(array.type) and pa.types.is_floating(target)):
        array = array.cast(pa.string())
    if pa.types.is_floating(array.type) and pa.types.is_string(target):
        array = array.cast(pa.int64()) if _is_whole(array) else array
    return array.cast(target)


def _is_whole(array: pa.Array) -> bool:
    """Whether ids came as 12.0 because the column holds nulls."""
    return bool(pc.all(pc.equal(pc.floor(array), array)).as_py())


def _says_its_zone(texts: pa.Array) -> bool:
    """Whether the times end in Z or an offset; Arrow refuses a column that mixes both."""
    known = texts.drop_null()
    return bool(len(known) and _OFFSET.search(known[0].as_py()))


def _times(array: pa.Array, zone: str) -> pa.Array:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = pc.if_else(pc.starts_with(array, _ZERO_DATE), pa.nulls(len(array), array.type), array)
        if _says_its_zone(array):
            return array.cast(ARROW_TYPES["time"])
        array = array.cast(_NAIVE)
    elif pa.types.is_date(array.type) or (pa.types.is_timestamp(array.type) and array.type.tz is None):
        array = array.cast(_NAIVE)
    elif pa.types.is_timestamp(array.type):
        return array.cast(ARROW_TYPES["time"])
    elif not pa.types.is_null(array.type):
        raise pa.ArrowInvalid("no date or time")
    naive = array.cast(_NAIVE)
    if zone == "UTC":
        return naive.cast(ARROW_TYPES["time"])
    # An hour that a clock shows twice is taken as the first; one that it skips begins when the skip ends.
    return pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest").cast(ARROW_TYPES["time"])

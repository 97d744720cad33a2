"""The clean archive's files: of which days they are, what span of time they tell of, and the digest of each."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOMENTS = {"events": "time", "prices": "valid_from"}
EVERYTHING = float("-inf"), float("inf")


def partitions(clean: Path, table: str, first: dt.date = dt.date.min, last: dt.date = dt.date.max) -> list[Path]:
    """The files of a table for the days `first` to `last`, both included, in order."""
    return sorted(path for path in (clean / table).glob("day=*/part.parquet") if first <= day_of(path) <= last)


def day_of(path: Path) -> dt.date:
    """The UTC day of the cursor of a partition's rows."""
    return dt.date.fromisoformat(path.parent.name.removeprefix("day="))


def digest(path: Path) -> str:
    """SHA-256 of a partition."""
    return _digest(path, *_version(path))


def span(path: Path, table: str) -> tuple[float, float]:
    """The first and the last moment that a partition of events or prices tells of, seconds since 1970 UTC, from the
    file's own statistics; everything where it has none.
    """
    return _span(path, _MOMENTS[table], *_version(path))


def _version(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@cache
def _digest(path: Path, *_of: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _span(path: Path, column: str, *_of: int) -> tuple[float, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.ParquetFile(path)
    except (OSError, pa.ArrowException):
        return EVERYTHING  # whoever reads its rows will say what is wrong with it
    at = footer.schema_arrow.get_field_index(column)
    groups = [footer.metadata.row_group(group) for group in range(footer.metadata.num_row_groups)]
    if at < 0 or any((found := group.column(at).statistics) is None or not found.has_min_max for group in groups):
        return EVERYTHING
    moments = [group.column(at).statistics for group in groups]
    first = min((each.min.timestamp() for each in moments), default=EVERYTHING[1])
    return first, max((each.max.timestamp() for each in moments), default=EVERYTHING[0])

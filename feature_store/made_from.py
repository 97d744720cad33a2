"""What a snapshot is made from, so that a day whose past was told again can be recognised and made again."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

from feature_store.offline import LATE_TABLES, end_of_day
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MADE_FROM = "made_from.json"
_MOMENTS = {"events": "time", "prices": "valid_from"}


def made_from(clean: Path, day: dt.date, through: dt.date) -> dict[str, str]:
    """`table/day` -> SHA-256 of the partitions up to `through` that a snapshot of the end of `day` looks at, and
    `feature_set` -> the id of the code that looks.

    Of partitions after the day only those of events and prices that tell of something before its end.
    """
    found = {"feature_set": feature_set_id()}
    for table in ("events", "items", "prices", "promotions", "users"):
        for path in sorted((clean / table).glob("day=*/part.parquet")):
            told = dt.date.fromisoformat(path.parent.name.removeprefix("day="))
            if told <= day or (told <= through and table in LATE_TABLES and _earliest(path, table) < end_of_day(day)):
                found[f"{table}/{told}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def write_made_from(folder: Path, sources: Mapping[str, str]) -> None:
    """Write it beside the snapshot in `folder`."""
    (folder / MADE_FROM).write_text(json.dumps(sources, indent=1) + "\n", encoding="utf-8")


def is_stale(folder: Path, now: Mapping[str, str]) -> bool:
    """Whether the snapshot in `folder` was made from something else than `now`, or does not say from what."""
    try:
        return bool(json.loads((folder / MADE_FROM).read_text(encoding="utf-8")) != now)
    except (OSError, ValueError):
        return True


def _earliest(path: Path, table: str) -> float:
    """The earliest moment in a partition, seconds since 1970 UTC, from the file's own statistics."""
    import pyarrow.parquet as pq

    footer = pq.ParquetFile(path)
    column = footer.schema_arrow.get_field_index(_MOMENTS[table])
    groups = [footer.metadata.row_group(at).column(column).statistics for at in range(footer.metadata.num_row_groups)]
    if any(group is None or not group.has_min_max for group in groups):
        return float("-inf")  # unknown: as if it told of everything
    return min((group.min.timestamp() for group in groups), default=float("inf"))

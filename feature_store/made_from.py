"""What a snapshot is made from, so that a day whose past was told again can be recognised and made again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feature_store.days import end_of_day
from feature_store.offline import LATE_TABLES
from feature_store.partitions import day_of, digest, partitions, span
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

MADE_FROM = "made_from.json"


def made_from(clean: Path, day: dt.date, through: dt.date, timezone: str = "UTC") -> dict[str, str]:
    """`table/day` -> SHA-256 of the partitions up to `through` that a snapshot of the end of `day` looks at, and
    `feature_set` and `timezone` -> the id of the code that looks, and where the day ends.

    Of partitions after the day only those of events and prices that tell of something before its end.
    """
    found = {"feature_set": feature_set_id(), "timezone": timezone}
    for table in ("events", "items", "prices", "promotions", "users"):
        for path in partitions(clean, table, last=through if table in LATE_TABLES else day):
            if day_of(path) <= day or span(path, table)[0] < end_of_day(day, timezone):
                found[f"{table}/{day_of(path)}"] = digest(path)
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

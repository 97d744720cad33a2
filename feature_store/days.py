"""Where a day ends: on the shop's clock for what features look at, in UTC for partitions."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def end_of_day(day: dt.date, timezone: str = "UTC") -> int:
    """The moment a day ends on clocks of `timezone`, seconds since 1970 UTC; events of the day lie before it."""
    zone = dt.UTC if timezone == "UTC" else ZoneInfo(timezone)
    return int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone).timestamp())


def partition_day(moment: int) -> dt.date:
    """The partition that holds what was told at a moment: its UTC day."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).date()

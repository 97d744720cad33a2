"""When the shop sells: what a user's own hours and days of the week are smoothed towards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.tables import SECONDS_PER_DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from numpy.typing import NDArray

RHYTHM_DAYS = 91
"""Days of baskets that tell it: each day of the week equally often."""
NEAR_HOURS = 2
"""An hour is near another when at most this far from it, before or after."""
HOUR = 3600
MONDAYS = 4 * SECONDS_PER_DAY
"""The first Monday of 1970 began this many seconds into the year."""
_HOURS_OF_WEEK = 7 * 24


@dataclass(frozen=True)
class Rhythm:
    """Of the baskets of the whole shop, by its own clock; NaN where it had none.

    weekdays: (7,) float32, the share of each day of the week from Monday on
    hours:    (24,) float32, the share of the `NEAR_HOURS` before and after the middle of each hour, in whatever hours
    """

    weekdays: NDArray[np.float32]
    hours: NDArray[np.float32]

    def on_weekday(self, clock: NDArray[np.int64]) -> NDArray[np.float32]:
        """The share of the day of the week that the shop's clock shows (seconds since 1970)."""
        return self.weekdays[(clock - MONDAYS) // SECONDS_PER_DAY % 7]

    def near_hour(self, clock: NDArray[np.int64]) -> NDArray[np.float32]:
        """The share of the time of day that the shop's clock shows, to the hour."""
        return self.hours[clock % SECONDS_PER_DAY // HOUR]


UNKNOWN = Rhythm(np.full(7, np.nan, np.float32), np.full(24, np.nan, np.float32))


def baskets_of_hours(bought: ir.Table, as_of: int, ahead: int) -> ir.Table:
    """hour_of_week (from Monday's first, 0), baskets: of purchases before the end of the day.

    ahead: seconds by which the shop's clock is ahead of UTC at that moment, and had it never been changed, before it
    """
    recent = bought.filter(bought["seconds"] >= as_of - RHYTHM_DAYS * SECONDS_PER_DAY)
    hours = ((recent["seconds"] + ahead - MONDAYS) / float(HOUR)).floor().cast("int64") % _HOURS_OF_WEEK
    timed = recent.select("basket_id", hour_of_week=hours)
    return timed.group_by("hour_of_week").aggregate(baskets=timed["basket_id"].nunique())


def rhythm(hour_of_week: NDArray[np.integer], baskets: NDArray[np.integer]) -> Rhythm:
    """Of the table of `baskets_of_hours`."""
    counts = np.zeros(_HOURS_OF_WEEK)
    counts[hour_of_week] = baskets
    if not counts.any():
        return UNKNOWN
    shares = counts.reshape(7, 24) / counts.sum()
    of_hour = shares.sum(axis=0)
    inside = range(1 - NEAR_HOURS, NEAR_HOURS)
    near = sum(np.roll(of_hour, -apart) for apart in inside)
    near = near + (np.roll(of_hour, NEAR_HOURS) + np.roll(of_hour, -NEAR_HOURS)) / 2  # the outermost by halves
    return Rhythm(shares.sum(axis=1).astype(np.float32), np.minimum(near, 1).astype(np.float32))

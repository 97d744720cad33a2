"""Winsorised quantities and amounts: what lies outside a category's usual range is moved to its bound.

The bounds of a month come from the lines archived in the days before the month, with the categories that items had
then. So a day's bounds never depend on what came later, and cleaning day by day gives what cleaning at once gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

COLUMNS = ("quantity", "amount")


@dataclass(frozen=True)
class Bounds:
    """`values[month, category]` is (lowest, highest) per column of COLUMNS, shape (months, categories + 1, 2, 2).

    The last category is the whole shop, for items without one; NaN where nothing is bounded.
    """

    months: NDArray[np.int64]
    """First days, since 1970, ascending."""
    values: NDArray[np.float64]

    def of(self, day: NDArray[np.int64], category: NDArray[np.int64]) -> NDArray[np.float64]:
        """The bounds of rows by their partition's day and their item's category, shape (n, 2, 2)."""
        month = np.searchsorted(self.months, day, side="right") - 1
        return np.asarray(self.values[month, category])


def no_bounds(categories: int) -> Bounds:
    return Bounds(np.array([np.iinfo(np.int64).min]), np.full((1, categories + 1, len(COLUMNS), 2), np.nan))


def month_of(day: dt.date) -> dt.date:
    return day.replace(day=1)


def bounds_of(
    category: NDArray[np.int64], values: NDArray[np.float64], categories: int, share: float, enough: int
) -> NDArray[np.float64]:
    """(lowest, highest) of each category and, last, of all together, shape (categories + 1, 2); values that are there.

    category: shape (n,), -1 where there is none; values: shape (n,)

    >>> bounds_of(np.zeros(101, np.int64), np.arange(101.0), 1, 0.02, 50).tolist()
    [[2.0, 98.0], [2.0, 98.0]]
    """
    found = np.full((categories + 1, 2), np.nan)
    if len(values) >= enough:
        found[:] = _ends(np.sort(values), share)
    order = np.lexsort((values, category))
    ascending, starts = values[order], np.searchsorted(category[order], np.arange(categories + 1))
    for at in np.flatnonzero(np.diff(starts) >= enough):
        found[at] = _ends(ascending[starts[at] : starts[at + 1]], share)
    return found


def _ends(ascending: NDArray[np.float64], share: float) -> tuple[float, float]:
    beyond = int(share * (len(ascending) - 1))
    return float(ascending[beyond]), float(ascending[len(ascending) - 1 - beyond])

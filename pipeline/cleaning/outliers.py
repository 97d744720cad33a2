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

    import pandas as pd
    from numpy.typing import NDArray

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts, Mask

COLUMNS = ("quantity", "amount")


@dataclass(frozen=True)
class Bounds:
    """`values[month, category]` is (lowest, highest) per column of COLUMNS, shape (months, categories + 1, 2, 2).

    The last category is the whole shop, for items without one; NaN where nothing is bounded.
    """

    months: NDArray[np.int64]
    """First days, since 1970, ascending."""
    values: NDArray[np.float64]

    def of(self, frame: pd.DataFrame, facts: Facts) -> NDArray[np.float64]:
        """The bounds of each row, shape (n, 2, 2)."""
        month = np.searchsorted(self.months, frame["partition_day"].to_numpy(), side="right") - 1
        return np.asarray(self.values[month, facts.item_category[frame["item_row"].to_numpy()]])


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


def outside(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    bounds, values = facts.bounds.of(frame, facts), _values(frame)
    return np.asarray(((values < bounds[..., 0]) | (values > bounds[..., 1])).any(axis=1), bool)


def clip(_table: Table, frame: pd.DataFrame, _found: Mask, facts: Facts) -> pd.DataFrame:
    bounds, values = facts.bounds.of(frame, facts), _values(frame)
    clipped = np.fmin(np.fmax(values, bounds[..., 0]), bounds[..., 1])
    return frame.assign(**{name: clipped[:, at] for at, name in enumerate(COLUMNS)})


def _values(frame: pd.DataFrame) -> NDArray[np.float64]:
    return frame[list(COLUMNS)].to_numpy(float)

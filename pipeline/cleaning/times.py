"""Repair of times: another unit, another zone, and what is no time at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from feature_store.schema import EVENTS, PRICES, PROMOTIONS, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.cleaning.masks import Mask

EARLIEST = pd.Timestamp("1990-01-01", tz="UTC")
"""No web shop is older; what is before it is a zero date or an unset clock."""
SECOND = 1_000_000
DAY = 24 * 60 * 60 * SECOND
_EARLIEST = EARLIEST.value // 1000
_NONE = np.iinfo(np.int64).min
_UNITS = (1_000, 1_000_000)
"""Seconds read as milliseconds or milliseconds as microseconds, and seconds read as microseconds."""
_ZONE_STEP, _WIDEST_ZONE, _CLOCK_STEP = 15 * 60 * SECOND, 14 * 60 * 60 * SECOND, 2 * SECOND
"""Offsets of the world's zones are whole quarter hours up to 14; two columns of one row are written within 2 s."""
_PLANNED = (PRICES, PROMOTIONS)
"""Tables whose rows may begin after they were written."""
_PLANS_AHEAD = 10 * 366 * DAY
"""No price list plans further."""


def repair_times(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with every repair made, in the order of the rules."""
    for find, mend in (
        (wrong_units, mend_units),
        (wrong_zones, mend_zones),
        (wrong_times, use_cursor),
    ):
        found = find(table, frame)
        frame = mend(table, frame, found) if found.any() else frame
    return frame


def wrong_units(table: Table, frame: pd.DataFrame, _facts: object = None) -> Mask:
    """Times of which a thousand or a million times as much, or a thousandth, is possible while they are not."""
    times = _microseconds(frame[time_column(table)])
    return np.asarray(_in_another_unit(table, frame, times) != times, bool)


def mend_units(table: Table, frame: pd.DataFrame, _found: Mask, _facts: object = None) -> pd.DataFrame:
    times = _microseconds(frame[time_column(table)])
    return _with_times(table, frame, _in_another_unit(table, frame, times))


def _in_another_unit(table: Table, frame: pd.DataFrame, times: NDArray[np.int64]) -> NDArray[np.int64]:
    end, mended = _latest(table, frame), times.copy()
    for factor in _UNITS:
        small = (times > 0) & (times < _EARLIEST) & (times <= end // factor)
        mended = np.where(small & (times * np.where(small, factor, 1) >= _EARLIEST), times * factor, mended)
    large = (times >= end) & (times // 1000 >= _EARLIEST) & (times // 1000 < end)
    return np.where(large, times // 1000, mended)


def wrong_zones(table: Table, frame: pd.DataFrame, _facts: object = None) -> Mask:
    """Rows made a whole zone's offset after their own last change: one column in local time, the other in UTC."""
    if table in _PLANNED:
        return np.zeros(len(frame), bool)
    times, ahead = _microseconds(frame[time_column(table)]), _ahead(table, frame)
    offset = _nearest_offset(ahead)
    is_zone = (offset > 0) & (offset <= _WIDEST_ZONE) & (np.abs(ahead - offset) <= _CLOCK_STEP)
    return np.asarray(is_zone & (times != _NONE), bool)


def mend_zones(table: Table, frame: pd.DataFrame, found: Mask, _facts: object = None) -> pd.DataFrame:
    times = _microseconds(frame[time_column(table)])
    return _with_times(table, frame, np.where(found, times - _nearest_offset(_ahead(table, frame)), times))


def _ahead(table: Table, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Microseconds by which the time lies after the cursor; not told where either is missing or far out."""
    times, cursor = _microseconds(frame[time_column(table)]), _microseconds(frame[table.cursor])
    known = (times > 0) & (cursor > 0)
    return np.where(known, times - cursor, 0)


def _nearest_offset(ahead: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((ahead + _ZONE_STEP // 2) // _ZONE_STEP * _ZONE_STEP)


def wrong_times(table: Table, frame: pd.DataFrame, _facts: object = None) -> Mask:
    """A row cannot have been made after the day on which it was last changed; what is planned may begin later."""
    times = _microseconds(frame[time_column(table)])
    return np.asarray((times < _EARLIEST) | (times >= _latest(table, frame)), bool)


def use_cursor(table: Table, frame: pd.DataFrame, found: Mask, _facts: object = None) -> pd.DataFrame:
    column = time_column(table)
    return frame.assign(**{column: frame[column].where(~found, frame[table.cursor])})


def time_column(table: Table) -> str:
    """The column that says when it happened."""
    return {**{each.name: "valid_from" for each in _PLANNED}, EVENTS.name: "time"}.get(table.name, "created_at")


def day_numbers(times: pd.Series) -> NDArray[np.int64]:
    """UTC days since 1970."""
    return np.asarray(_microseconds(times) // DAY)


def _latest(table: Table, frame: pd.DataFrame) -> NDArray[np.int64]:
    """The moment from which on a row's time is impossible."""
    ahead = _PLANS_AHEAD if table in _PLANNED else 0
    return (frame["partition_day"].to_numpy(np.int64) + 1) * DAY + ahead


def _microseconds(times: pd.Series) -> NDArray[np.int64]:
    """Since 1970 UTC; a missing time is the least number there is."""
    return np.asarray(times.dt.tz_convert(None).to_numpy("datetime64[us]").astype(np.int64))


def _with_times(table: Table, frame: pd.DataFrame, times: NDArray[np.int64]) -> pd.DataFrame:
    moments = pd.Series(times.view("datetime64[us]"), index=frame.index).dt.tz_localize("UTC")
    return frame.assign(**{time_column(table): moments})

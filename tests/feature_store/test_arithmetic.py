"""Division that neither fails nor invents."""

from __future__ import annotations

import numpy as np

from feature_store.arithmetic import at_least, where_known

COLUMN = np.array([0, 0.5, 3, np.nan], np.float32)


def test_a_divisor_is_raised_and_nan_stays() -> None:
    assert np.array_equal(at_least(COLUMN, 1), np.array([1, 1, 3, np.nan], np.float32), equal_nan=True)


def test_zero_is_nothing_known() -> None:
    assert np.array_equal(where_known(COLUMN), np.array([np.nan, 0.5, 3, np.nan], np.float32), equal_nan=True)


def test_columns_stay_float32() -> None:
    assert at_least(COLUMN, 1).dtype == where_known(COLUMN).dtype == np.float32

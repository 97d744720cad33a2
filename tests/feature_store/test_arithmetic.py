"""Division that neither fails nor invents."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.arithmetic import at_least, row_dot, where_known

COLUMN = np.array([0, 0.5, 3, np.nan], np.float32)


def test_a_divisor_is_raised_and_nan_stays() -> None:
    assert np.array_equal(at_least(COLUMN, 1), np.array([1, 1, 3, np.nan], np.float32), equal_nan=True)


def test_zero_is_nothing_known() -> None:
    assert np.array_equal(where_known(COLUMN), np.array([np.nan, 0.5, 3, np.nan], np.float32), equal_nan=True)


def test_columns_stay_float32() -> None:
    assert at_least(COLUMN, 1).dtype == where_known(COLUMN).dtype == np.float32


@pytest.mark.parametrize("dimensions", [0, 1, 2, 3, 7, 32])
def test_a_row_alone_has_the_product_that_it_has_among_others(dimensions: int) -> None:
    left, right = np.random.default_rng(1).standard_normal((2, 99, dimensions)).astype(np.float32)
    found = row_dot(left, right)
    assert found == pytest.approx((left.astype(float) * right).sum(axis=1), abs=1e-5)
    alone = [row_dot(left[row : row + 1], right[row : row + 1])[0] for row in range(99)]
    assert found.tobytes() == np.array(alone).tobytes()

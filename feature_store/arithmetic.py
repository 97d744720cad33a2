"""Words for the arithmetic of request features; columns stay float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.spec import Column


def at_least(column: Column, least: float) -> Column:
    """The column, raised to `least` where it is lower: a divisor that is never 0."""
    return np.asarray(np.maximum(column, np.float32(least)), np.float32)


def where_known(column: Column) -> Column:
    """The column, NaN where it is 0 and 0 says that nothing is known: what is computed from it becomes its default."""
    known: Column = np.full(column.shape, np.nan, np.float32)
    np.copyto(known, column, where=column > 0)  # less than half the time of `np.where`
    return known


def smoothed(part: Column, whole: Column, shop_share: Column, prior: np.float32) -> Column:
    """The share that `part` is of `whole`, as if `prior` more had been seen, the shop's share of them as the part."""
    share: Column = (part + prior * shop_share) / (whole + prior)
    return share


def row_dot(left: NDArray[np.float32], right: NDArray[np.float32]) -> Column:
    """The product of each pair of rows (n, dimensions), each added by itself: BLAS would round by their number."""
    return np.asarray(np.add.reduce(np.ascontiguousarray(left * right), axis=1), np.float32)

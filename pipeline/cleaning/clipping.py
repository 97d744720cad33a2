"""The rule of outliers: numbers outside the bounds of their month and category are moved to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.cleaning.outliers import COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Mask


def outside(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    bounds, values = _bounds(frame, facts), _values(frame)
    return np.asarray(((values < bounds[..., 0]) | (values > bounds[..., 1])).any(axis=1), bool)


def clip(_table: Table, frame: pd.DataFrame, _found: Mask, facts: Facts) -> pd.DataFrame:
    bounds, values = _bounds(frame, facts), _values(frame)
    clipped = np.fmin(np.fmax(values, bounds[..., 0]), bounds[..., 1])
    return frame.assign(**{name: clipped[:, at] for at, name in enumerate(COLUMNS)})


def _values(frame: pd.DataFrame) -> NDArray[np.float64]:
    return frame[list(COLUMNS)].to_numpy(float)


def _bounds(frame: pd.DataFrame, facts: Facts) -> NDArray[np.float64]:
    return facts.bounds.of(frame["partition_day"].to_numpy(), facts.item_category[frame["item_row"].to_numpy()])

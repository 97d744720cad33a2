"""What a user had to do with lately, in the vectors of `text.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import row_dot
from feature_store.history import SECONDS_PER_DAY
from feature_store.schema import EVENT_KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.history import History

HALF_LIFE_DAYS = 30.0
"""An event weighs half after a month, as a shopping list changes with the season."""
LATEST_EVENTS = 200
"""Older events would hardly move the mean, and cost time at every request."""
_OF_THE_SHOP = EVENT_KINDS.index("impression")


def tastes(history: History, asked_at: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean vector of each user's latest events, the later the heavier, shape (users, dimensions), of length 1.

    NaN where there is no event. Each user is summed alone and in time order, so that company changes no bit.
    """
    found = np.full((history.users, vectors.shape[1]), np.nan, np.float32)
    for user in np.flatnonzero(np.diff(history.offsets)):
        end = history.offsets[user + 1]
        own = slice(max(history.offsets[user], end - LATEST_EVENTS), end)
        ages = (asked_at[user] - history.time[own]) / SECONDS_PER_DAY
        weights = np.exp2((ages[-1] - ages) / HALF_LIFE_DAYS) * (history.kind[own] != _OF_THE_SHOP)
        found[user] = np.add.reduce(weights.astype(np.float32)[:, None] * vectors[history.item[own]], axis=0)
    length = np.sqrt(row_dot(found, found))
    return np.divide(found, length[:, None], out=np.full_like(found, np.nan), where=length[:, None] > 0)

"""Users' baskets as methods for the next basket read them: sets of items in their order, without regard to dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.history import History


@dataclass(frozen=True)
class BasketLines:
    """One line for each distinct item of each basket, in the order of the history.

    user, item: (n,) int32; later: (n,) int64, how many baskets of the user came after this one
    baskets:    (users,) int64, how many each user has
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    later: NDArray[np.int64]
    baskets: NDArray[np.int64]


def basket_lines(history: History) -> BasketLines:
    """The lines of every basket of `history`: its events of one user at one moment."""
    user, item, later = history.user, history.item, history.baskets_later
    opens = np.ones(len(item), bool)
    opens[1:] = (item[1:] != item[:-1]) | (later[1:] != later[:-1]) | (user[1:] != user[:-1])
    baskets = np.zeros(history.users, np.int64)
    np.maximum.at(baskets, user, later + 1)
    return BasketLines(user[opens], item[opens], later[opens], baskets)

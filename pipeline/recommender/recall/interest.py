"""How much a user wants each item, read from what they did: the raw material of every recall source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from feature_store.history import SECONDS_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.history import History

KIND_WEIGHTS = np.array([1.0, 0.5, 0.2, 0.2, 0.0])
"""What one event of each kind (`schema.EVENT_KINDS`) says of interest, against a purchase.
A cart leads to a purchase in about half of all cases, a view or click in far fewer; an impression is the shop's act."""


@dataclass(frozen=True)
class Decay:
    """A mixture of half-lives: `shares[j]` of an event's weight halves every `half_lives_days[j]`.

    The short ones follow what the user does now; a long last one keeps old interests apart when nothing is new.
    """

    half_lives_days: tuple[float, ...]
    shares: tuple[float, ...]

    def weights(self, age_days: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weight left after `age_days` (n,), in (0, sum of shares]."""
        left = np.zeros(len(age_days))
        for half_life, share in zip(self.half_lives_days, self.shares, strict=True):
            left += share * np.exp2(age_days / -half_life)
        return left

    def array(self) -> NDArray[np.float64]:
        """The mixture as it lies in an index: (2, half-lives)."""
        return np.array([self.half_lives_days, self.shares], np.float64)

    @classmethod
    def from_array(cls, array: NDArray[np.float64]) -> Decay:
        half_lives, shares = array.tolist()
        return cls(tuple(half_lives), tuple(shares))


HABIT = Decay(half_lives_days=(90.0,), shares=(1.0,))
"""A quarter of a year: what somebody buys again, and still would."""
UNDECAYED = Decay(half_lives_days=(np.inf,), shares=(1.0,))
"""Every event counts the same, however old."""
LATELY = Decay(half_lives_days=(14.0, 365.0), shares=(0.99, 0.01))
"""Two weeks follow the season; the hundredth that lasts a year keeps an order where nothing recent has happened."""


@dataclass(frozen=True)
class Lines:
    """Events with interest in them, one line for each item of a user's basket: twice in one basket counts once.

    user: (n,) int32; item: (n,) int32; weight: (n,) float64, by the strongest kind in the basket and by age
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float64]


def lines(history: History, as_of: int, decay: Decay) -> Lines:
    """The lines of `history`, in its order, weighted as of `as_of` (seconds since 1970 UTC)."""
    user, item, time = history.user, history.item, history.time
    opens = np.ones(len(item), bool)
    opens[1:] = (item[1:] != item[:-1]) | (time[1:] != time[:-1]) | (user[1:] != user[:-1])
    first = np.flatnonzero(opens)
    if not len(first):
        return Lines(user, item, np.empty(0))
    strength = np.maximum.reduceat(KIND_WEIGHTS[history.kind], first)
    first, strength = first[strength > 0], strength[strength > 0]
    age_days = (as_of - time[first]) / SECONDS_PER_DAY
    return Lines(user[first], item[first], strength * decay.weights(age_days))


def taste(history: History, as_of: int, decay: Decay) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """One user's items (n,), distinct and ascending, and the interest in each (n,), above 0.

    history: of that user alone
    """
    found = lines(history, as_of, decay)
    items, at = np.unique(found.item, return_inverse=True)
    return items, np.asarray(np.bincount(at, weights=found.weight, minlength=len(items)), np.float64)


def tastes(history: History, items: int, as_of: int, decay: Decay) -> sparse.csr_array:
    """Every user's `taste` as a row, shape (users, items) float64, the columns of a row ascending."""
    found = lines(history, as_of, decay)
    pairs = sparse.coo_array((found.weight, (found.user, found.item)), shape=(history.users, items))
    matrix: sparse.csr_array = pairs.tocsr()
    matrix.sort_indices()
    return matrix


def of_items(interest: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """`interest` (users, items) without the items that are not `kept` (items,); the shape stays."""
    entries = kept[interest.indices]
    row_ends = np.concatenate([[0], np.cumsum(entries)])[interest.indptr]
    return sparse.csr_array((interest.data[entries], interest.indices[entries], row_ends), shape=interest.shape)

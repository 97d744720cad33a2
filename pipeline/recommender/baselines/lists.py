"""What a baseline is, and how its lists are filled up."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.evaluation.metrics import PADDING
from pipeline.recommender.recall.interest import UNDECAYED
from pipeline.recommender.recall.popular import popularity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from feature_store.catalog import Catalog
    from feature_store.history import History

    ItemLists = NDArray[np.int32]

POPULAR_DAYS = 30
_CELLS = 8_000_000
"""Scores held in memory at once: 64 MB."""


class Baseline(Protocol):
    """A simple way to make lists, computed in the same run and on the same data as the release it is compared with."""

    @property
    def name(self) -> str:
        """As printed beside the release."""

    def lists(self, history: History, catalog: Catalog, as_of: int, users: NDArray[np.integer], k: int) -> ItemLists:
        """Lists of `users` (n,), rows of `history`, all of whose events lie before `as_of` (seconds since 1970 UTC).

        Shape (n, k), rows of the catalog, best first, distinct, -1 where the shop has too few items.
        """


def popular_items(history: History, catalog: Catalog, as_of: int) -> NDArray[np.int32]:
    """Items wanted in the last 30 days, by number of users, then by row; shape (items,)."""
    recent = history.select(history.time >= as_of - POPULAR_DAYS * 86_400)
    users = popularity(recent, len(catalog), as_of, UNDECAYED)
    ranked = np.lexsort((np.arange(len(catalog)), -users))
    return ranked[: np.count_nonzero(users)].astype(np.int32)


def filled(own: Sequence[NDArray[np.integer]], popular: NDArray[np.int32], k: int) -> ItemLists:
    """Each user's `own` items, best first, cut to `k` or filled up with `popular` ones that are not among them."""
    lists = np.full((len(own), k), PADDING, np.int32)
    for row, items in enumerate(own):
        first = items[:k]
        fill = popular[: 2 * k]  # k own items at most are skipped, so 2k are enough
        fill = fill[~np.isin(fill, first)][: k - len(first)]
        lists[row, : len(first) + len(fill)] = np.concatenate([first, fill])
    return lists


def top(scores: sparse.csr_array, k: int) -> list[NDArray[np.int32]]:
    """The `k` items of highest score above 0 in each row of `scores` (users, items), equal scores by item row."""
    ranked = []
    for start, end in pairwise(scores.indptr):
        items, values = scores.indices[start:end], scores.data[start:end]
        order = np.lexsort((items, -values))
        ranked.append(items[order[values[order] > 0][:k]].astype(np.int32))
    return ranked


def blocks(users: NDArray[np.integer], items: int) -> Iterator[NDArray[np.integer]]:
    """`users` (n,) in parts for which a score of every item fits into memory."""
    size = max(_CELLS // max(items, 1), 1)
    for start in range(0, len(users), size):
        yield users[start : start + size]

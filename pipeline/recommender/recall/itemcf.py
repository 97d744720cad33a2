"""Items that the same people want: neighbours of what the asker has.

Cosine between the columns of the matrix of users and items, after B. Sarwar, G. Karypis, J. Konstan, J. Riedl,
"Item-based collaborative filtering recommendation algorithms", WWW 2001. Neighbours are cut to the best n, and the
asker's items add up their neighbours' similarities, as in M. Deshpande, G. Karypis, "Item-based top-N recommendation
algorithms", ACM TOIS 22(1), 2004, who also damp the norm of popular neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import HABIT, Decay, of_items, taste, tastes
from pipeline.recommender.recall.postings import Postings, joined, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best, best_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class ItemCFConfig:
    """Which pairs of items count as neighbours."""

    decay: Decay = HABIT
    neighbours: int = 50
    """More find no more: 100 and 200 were within 0.002 of recall@200 of new items, 25 lost 0.009."""
    norm_power: float = 0.5
    """1 is the plain cosine, whose neighbours are rare items with few buyers; 0 only counts common users.
    One half found twice as many of the new items of the next week as 1."""
    min_users: int = 3
    """An item wanted by one or two users is a neighbour of everything they want; it says nothing of others."""
    items_per_user: int = 200
    """A user's strongest items; the work grows with the square of their number."""
    asker_items: int = 100
    """Of the asker, the strongest; all of them found as many new items and fewer others, in twice the time."""
    block_products: int = 10_000_000
    """Multiplications whose results are held in memory at once: about 150 MB."""


@dataclass(frozen=True)
class ItemCF(RecallSource):
    """Neighbours of the asker's items, added up by interest. Items that the asker has are offered too.

    neighbours: item -> items, with similarity
    decay: (2, half-lives), as `Decay.array`; asker_items: (1,) int64
    """

    name: ClassVar[str] = "itemcf"
    neighbours: Postings
    decay: NDArray[np.float64]
    asker_items: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: ItemCFConfig = ItemCFConfig(),
    ) -> Self:
        interest = tastes(history, len(catalog), as_of, config.decay)
        asker_items = np.array([config.asker_items], np.int64)
        return cls(similar_items(interest, catalog.available, config), config.decay.array(), asker_items)

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The items nearest to all that the asker has, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        strongest_items = best(items, interest, int(self.asker_items[0]))
        return best_rows(self.neighbours.totals(strongest_items.items, np.log1p(strongest_items.scores)), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {**self.neighbours.arrays("neighbours"), "decay": self.decay, "asker_items": self.asker_items}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            Postings.from_arrays("neighbours", arrays),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["asker_items"], np.int64),
        )


def similar_items(interest: sparse.csr_array, available: NDArray[np.bool_], config: ItemCFConfig) -> Postings:
    """The nearest available items of every item, from users' interest (users, items), block by block of items."""
    by_user = _normalised(_supported(interest, config.min_users), config)
    by_item = by_user.T.tocsr()
    blocks, offered = _blocks(by_item, by_user, config.block_products), of_items(by_user, available)
    return joined([strongest(_others(by_item[rows] @ offered, rows.start), config.neighbours) for rows in blocks])


def _supported(interest: sparse.csr_array, min_users: int) -> sparse.csr_array:
    """`interest` without the items that fewer than `min_users` users want."""
    users = np.bincount(interest.indices, minlength=interest.shape[1])
    return of_items(interest, users >= min_users)


def _normalised(interest: sparse.csr_array, config: ItemCFConfig) -> sparse.csr_array:
    """Each user's strongest items, damped, over the item's norm to the power of `norm_power`; float32.

    The product of two columns is then the cosine where the power is 1.
    """
    lists = strongest(interest, config.items_per_user)
    damped = np.log1p(lists.weights.astype(np.float64))
    norm = np.sqrt(np.bincount(lists.targets, weights=damped**2, minlength=interest.shape[1]))
    values = damped / norm[lists.targets] ** config.norm_power
    return sparse.csr_array((values.astype(np.float32), lists.targets, lists.offsets), shape=interest.shape)


def _others(similar: sparse.csr_array, first_row: int) -> sparse.csr_array:
    """`similar`, whose rows begin with item `first_row`, without each item's likeness to itself."""
    row = np.repeat(np.arange(first_row, first_row + similar.shape[0]), np.diff(similar.indptr))
    similar.data[similar.indices == row] = 0
    similar.eliminate_zeros()
    return similar


def _blocks(by_item: sparse.csr_array, by_user: sparse.csr_array, products: int) -> Iterator[slice]:
    """Runs of items whose similarities together take about `products` multiplications; one item is never split."""
    basket_sizes = np.diff(by_user.indptr)[by_item.indices]
    done = np.concatenate([[0], np.cumsum(basket_sizes, dtype=np.int64)])[by_item.indptr[1:]]
    edges = np.flatnonzero(np.diff(done // products)) + 1
    for start, stop in pairwise([0, *edges.tolist(), by_item.shape[0]]):
        yield slice(start, stop)

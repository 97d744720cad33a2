"""Items that the same people want: neighbours of what the asker has.

Item-to-item collaborative filtering with the cosine between columns of the user × item matrix:
B. Sarwar, G. Karypis, J. Konstan, J. Riedl, "Item-based collaborative filtering recommendation algorithms", WWW 2001;
neighbours cut to the best n and merged by weighted sum as in M. Deshpande, G. Karypis, "Item-based top-N recommendation
algorithms", ACM TOIS 22(1), 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import Decay, taste, tastes
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class ItemCFConfig:
    """How neighbours are found."""

    neighbours: int = 50
    decay: Decay = Decay(half_lives_days=(90.0,), shares=(1.0,))
    min_users: int = 3
    items_per_user: int = 500
    shrinkage: float = 0.0
    products_at_once: int = 10_000_000


@dataclass(frozen=True)
class ItemCF(RecallSource):
    """Neighbours of the asker's items, summed over the items by interest.

    neighbours: item -> items and similarities; decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "itemcf"
    neighbours: Postings
    decay: NDArray[np.float64]

    @classmethod
    def fit(cls, history: History, catalog: Catalog, as_of: int, config: ItemCFConfig = ItemCFConfig()) -> Self:
        interest = tastes(history, len(catalog), as_of, config.decay)
        return cls(neighbours(interest, config), config.decay.array())

    def candidates(self, asker: Asker, k: int) -> Candidates:
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        scores = self.neighbours.totals(items, np.log1p(interest))
        offered = np.flatnonzero(scores)
        return best(offered.astype(np.int32), scores[offered], k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {**self.neighbours.arrays("neighbours"), "decay": self.decay}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(Postings.from_arrays("neighbours", arrays), arrays["decay"])


def neighbours(interest: sparse.csr_array, config: ItemCFConfig) -> Postings:
    """The most similar items of every item, from users' interest (users, items)."""
    users, items = interest.shape
    supported = np.bincount(interest.indices, minlength=items) >= config.min_users
    kept = supported[interest.indices]
    trimmed = sparse.csr_array(
        (
            np.log1p(interest.data[kept]).astype(np.float32),
            interest.indices[kept],
            np.concatenate([[0], np.cumsum(kept)])[interest.indptr],
        ),
        shape=interest.shape,
    )
    cut = strongest(trimmed, config.items_per_user)
    by_user = sparse.csr_array((cut.weights, cut.targets, cut.offsets), shape=interest.shape)
    norms = np.sqrt(np.bincount(by_user.indices, weights=by_user.data.astype(np.float64) ** 2, minlength=items))
    by_user.data = (by_user.data / np.maximum(norms, 1e-12)[by_user.indices]).astype(np.float32)
    by_item = by_user.T.tocsr()
    parts = []
    for rows in _blocks(by_item, by_user, config.products_at_once):
        similar = by_item[rows] @ by_user
        similar.sort_indices()
        mine = np.repeat(np.arange(rows.start, rows.stop), np.diff(similar.indptr)) == similar.indices
        similar.data[mine] = 0
        similar.eliminate_zeros()
        parts.append(strongest(similar, config.neighbours))
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    return Postings(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([p.targets for p in parts]),
        np.concatenate([p.weights for p in parts]),
    )


def _blocks(by_item: sparse.csr_array, by_user: sparse.csr_array, products: int) -> Iterator[slice]:
    """Runs of items whose block of similarities takes about `products` multiplications, and no more memory than that."""
    work = np.add.reduceat(np.append(np.diff(by_user.indptr)[by_item.indices], 0), by_item.indptr[:-1])
    work[np.diff(by_item.indptr) == 0] = 0
    block = np.cumsum(work) // products
    edges = np.flatnonzero(np.diff(block)) + 1
    starts = [0, *edges.tolist(), by_item.shape[0]]
    for start, stop in zip(starts[:-1], starts[1:], strict=True):
        yield slice(start, stop)

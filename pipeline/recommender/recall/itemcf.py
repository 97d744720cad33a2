"""Items that the same people want: neighbours of what the asker has.

By default cosine between the columns of the matrix of users and items: B. Sarwar, G. Karypis, J. Konstan, J. Riedl,
"Item-based collaborative filtering recommendation algorithms", WWW 2001. Neighbours are cut to the best n, and the
asker's items add up their neighbours' similarities, as in M. Deshpande, G. Karypis, "Item-based top-N recommendation
algorithms", ACM TOIS 22(1), 2004, who also damp the norm of popular neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.cooccurrence import best_pairs
from pipeline.recommender.recall.interest import HABIT, Decay, of_items, taste, tastes
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best, best_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History
    from pipeline.recommender.recall.cooccurrence import Weigh

Similarity = Literal["cosine", "jaccard", "conditional", "bm25"]
_Sides: TypeAlias = "tuple[sparse.csr_array, sparse.csr_array, Weigh | None]"
"""The items asked and the items offered, both (users, items), and what makes a weight of their products."""


@dataclass(frozen=True)
class ItemCFConfig:
    """Which pairs of items count as neighbours."""

    decay: Decay = HABIT
    """Of the interest that pairs are made of: what was wanted together long ago counts less."""
    similarity: Similarity = "cosine"
    """conditional: the chance of the one given the other, after Deshpande and Karypis."""
    neighbours: int = 50
    """More find no more: 100 and 200 were within 0.002 of recall@200 of new items, 25 lost 0.009."""
    norm_power: float = 0.5
    """Of cosine and conditional: 1 is the plain cosine, whose neighbours are rare items with few buyers; 0 only counts
    common users. One half found twice as many of the new items of the next week as 1."""
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
    config: ClassVar[type[ItemCFConfig]] = ItemCFConfig
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
    """The nearest available items of every item, from users' interest (users, items)."""
    damped = _damped(_supported(interest, config.min_users), config.items_per_user)
    asked, offered, weigh = _SIMILARITIES[config.similarity](damped, config.norm_power)
    return best_pairs(asked.T.tocsr(), of_items(offered, available), config.neighbours, config.block_products, weigh)


def _supported(interest: sparse.csr_array, min_users: int) -> sparse.csr_array:
    """`interest` without the items that fewer than `min_users` users want."""
    users = np.bincount(interest.indices, minlength=interest.shape[1])
    return of_items(interest, users >= min_users)


def _damped(interest: sparse.csr_array, items_per_user: int) -> sparse.csr_array:
    """Each user's strongest items with the logarithm of the interest in them."""
    lists = strongest(interest, items_per_user)
    damped = np.log1p(lists.weights.astype(np.float64))
    return sparse.csr_array((damped, lists.targets, lists.offsets), shape=interest.shape)


def _sums(matrix: sparse.csr_array, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` of the entries of `matrix`, summed by item."""
    return np.asarray(np.bincount(matrix.indices, weights=values, minlength=matrix.shape[1]), np.float64)


def _with(matrix: sparse.csr_array, values: NDArray[np.floating]) -> sparse.csr_array:
    """`matrix` with other values, in float32."""
    return sparse.csr_array((values.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _cosine(interest: sparse.csr_array, norm_power: float) -> _Sides:
    norm = np.sqrt(_sums(interest, interest.data**2))
    both = _with(interest, interest.data / norm[interest.indices] ** norm_power)
    return both, both, None


def _jaccard(interest: sparse.csr_array, norm_power: float) -> _Sides:  # noqa: ARG001 - the union is its norm
    """What both have over what either has; for weights the coefficient of T. Tanimoto, IBM technical report, 1958."""
    square, both = _sums(interest, interest.data**2), _with(interest, interest.data)

    def over_union(
        row: NDArray[np.int64], column: NDArray[np.int32], common: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return np.asarray(common / (square[row] + square[column] - common), np.float32)

    return both, both, over_union


def _conditional(interest: sparse.csr_array, norm_power: float) -> _Sides:
    """How much those who want the one want the other, over the other's total interest to the power of `norm_power`."""
    users, total = _sums(interest, np.ones(len(interest.data))), _sums(interest, interest.data)
    asked = _with(interest, 1 / users[interest.indices])
    return asked, _with(interest, interest.data / total[interest.indices] ** norm_power), None


def _bm25(interest: sparse.csr_array, norm_power: float) -> _Sides:  # noqa: ARG001 - the length is its norm
    """Items as documents whose words are their users: S. Robertson, S. Walker, SIGIR 1994."""
    k1, b = 1.2, 0.75
    length = _sums(interest, interest.data)
    wanted = length > 0
    relative = 1 - b + b * length / (length[wanted].mean() if wanted.any() else 1)
    items = np.repeat(np.diff(interest.indptr), np.diff(interest.indptr))  # of the entry's user
    rarity = np.log((1 + int(wanted.sum())) / (1 + items))
    both = _with(interest, interest.data * (k1 + 1) / (k1 * relative[interest.indices] + interest.data) * rarity)
    return both, both, None


_SIMILARITIES: Mapping[Similarity, Callable[[sparse.csr_array, float], _Sides]] = {
    "cosine": _cosine,
    "jaccard": _jaccard,
    "conditional": _conditional,
    "bm25": _bm25,
}
"""Users' damped interest (users, items) and `norm_power` -> the matrices whose product, weighed, tells likeness."""

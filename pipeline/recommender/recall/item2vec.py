"""Items that stand in the same baskets as the user's: item vectors from what is wanted together.

Skip-gram with negative sampling over baskets (O. Barkan, N. Koenigstein, "Item2Vec", MLSP 2016) factorises the matrix
of pointwise mutual information shifted by the logarithm of the negatives (O. Levy, Y. Goldberg, "Neural word embedding
as implicit matrix factorization", NIPS 2014). That matrix is factorised here directly, by a randomised SVD (Halko,
Martinsson and Tropp, SIAM Review 2011), so that the same baskets give the same vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.cooccurrence import best_pairs
from pipeline.recommender.recall.interest import HABIT, KIND_WEIGHTS, Decay, taste
from pipeline.recommender.recall.search import NUMPY, SearchConfig, VectorIndex, vector_index
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History

_OVERSAMPLING, _POWER_ITERATIONS = 10, 2
_ROUNDING = 1e-6
"""A shorter vector is what rounding left of none."""


@dataclass(frozen=True)
class Item2VecConfig:
    """What stands together, and how it becomes vectors."""

    gap_minutes: float = 30.0
    """Events of one user that follow each other within it are one visit; a basket is one anyway."""
    min_visits: int = 5
    """An item seen less often has no vector: chance would decide where it points."""
    negatives: float = 1.0
    """By whose logarithm mutual information is lowered before what is below 0 is cut."""
    smoothing: float = 0.75
    """Power of the neighbours' counts, which takes rare ones down: O. Levy, Y. Goldberg, I. Dagan, TACL 3, 2015."""
    neighbours: int = 200
    """Of an item, those of largest information; bounds the memory."""
    dimensions: int = 64
    decay: Decay = HABIT
    """Of the asker's items in their own vector."""
    block_products: int = 10_000_000
    search: SearchConfig = NUMPY


@dataclass(frozen=True)
class Item2Vec(RecallSource):
    """The items nearest to the mean of the asker's.

    index: items with vectors of length 1; decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "item2vec"
    config: ClassVar[type[Item2VecConfig]] = Item2VecConfig
    index: VectorIndex
    decay: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,  # noqa: ARG003 - old baskets tell as much of what goes together
        config: Item2VecConfig = Item2VecConfig(),
    ) -> Self:
        seen = visits(history, len(catalog), config.gap_minutes)
        rows = np.flatnonzero(np.bincount(seen.indices, minlength=len(catalog)) >= config.min_visits)
        vectors = _vectors(seen[:, rows], config)
        told = vectors.any(axis=1)
        index = vector_index(rows[told], vectors[told], catalog.available, config.search)
        return cls(index, config.decay.array())

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The nearest items by cosine, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        return self.index.nearest(self.index.profile(items, np.log1p(interest)), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {**self.index.arrays(), "decay": self.decay}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(VectorIndex.from_arrays(arrays), np.asarray(arrays["decay"], np.float64))


def visits(history: History, items: int, gap_minutes: float) -> sparse.csr_array:
    """Which items every visit held, (visits, items) of ones, float32."""
    wanted = np.flatnonzero(KIND_WEIGHTS[history.kind] > 0)
    user, time, item = history.user[wanted], history.time[wanted], history.item[wanted]
    opens = np.ones(len(wanted), bool)
    opens[1:] = (user[1:] != user[:-1]) | (np.diff(time) > 60 * gap_minutes)
    visit = np.cumsum(opens) - 1
    pair = np.unique(visit * items + item)
    shape = (int(opens.sum()), items)
    return sparse.csr_array((np.ones(len(pair), np.float32), (pair // items, pair % items)), shape=shape)


def _vectors(seen: sparse.csr_array, config: Item2VecConfig) -> NDArray[np.float32]:
    """A vector of length 1 for each column of `seen` (visits, items), 0 where nothing is known of it."""
    counts = np.asarray(seen.sum(axis=0), np.float64)
    share = counts**config.smoothing
    share /= max(share.sum(), 1.0)
    pairs_of = np.asarray((seen.T @ (seen.sum(axis=1) - 1)), np.float64)  # of each item, with any other

    def information(
        row: NDArray[np.int64], column: NDArray[np.int32], together: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        expected = pairs_of[row] * share[column] * config.negatives
        return np.log(np.maximum(together / np.maximum(expected, 1e-12), 1)).astype(np.float32)

    found = best_pairs(seen.T.tocsr(), seen, config.neighbours, config.block_products, information)
    shape = (len(counts), len(counts))
    matrix = sparse.csr_array((found.weights, found.targets, found.offsets), shape=shape)
    vectors = _directions(matrix, config.dimensions)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * (length > _ROUNDING) / np.maximum(length, _ROUNDING), np.float32)


def _directions(matrix: sparse.csr_array, dimensions: int) -> NDArray[np.float32]:
    """The rows of `matrix` (n, n) in its strongest directions, each weighted by the root of its strength."""
    items = matrix.shape[0]
    wanted = min(dimensions + _OVERSAMPLING, items)
    if not wanted or not matrix.nnz:
        return np.zeros((items, dimensions), np.float32)
    span = matrix @ np.random.default_rng(0).standard_normal((items, wanted)).astype(np.float32)
    for _ in range(_POWER_ITERATIONS):
        span = matrix @ (matrix.T @ np.linalg.qr(span)[0])
    basis = np.linalg.qr(span)[0]
    left, strength, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    vectors = (basis @ left)[:, :dimensions] * np.sqrt(strength[:dimensions])
    padded = np.zeros((items, dimensions), np.float32)
    padded[:, : vectors.shape[1]] = vectors
    return padded

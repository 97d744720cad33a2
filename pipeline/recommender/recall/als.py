"""What the user wants by a few hidden reasons: implicit matrix factorisation with the user folded in when asking.

Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008; factors by the
package `implicit`. Only item factors are kept: the asker's own are solved from their history at the moment,
as one step of the algorithm does, so that what they did a minute ago counts and nobody's factors lie in a release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import HABIT, Decay, taste, tastes
from pipeline.recommender.recall.search import NUMPY, SearchConfig, VectorIndex, vector_index
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class AlsConfig:
    """The factorisation, and who searches."""

    factors: int = 64
    iterations: int = 10
    regularization: float = 0.01
    confidence: float = 1.0
    """Of a pair of user and item: so many times the user's interest."""
    min_users: int = 3
    """Items that fewer users want have no factors."""
    decay: Decay = HABIT
    asker_items: int = 200
    """Of the asker, the strongest."""
    threads: int = 2
    search: SearchConfig = NUMPY


@dataclass(frozen=True)
class Als(RecallSource):
    """Items by the product of their factors with the asker's.

    index: items with factors; common: (factors, factors) float64, sum over all items of factors times factors, with the
    regularisation; decay: (2, half-lives), as `Decay.array`; confidence: (1,) float64; asker_items: (1,) int64
    """

    name: ClassVar[str] = "als"
    config: ClassVar[type[AlsConfig]] = AlsConfig
    index: VectorIndex
    common: NDArray[np.float64]
    decay: NDArray[np.float64]
    confidence: NDArray[np.float64]
    asker_items: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: AlsConfig = AlsConfig(),
    ) -> Self:
        interest = tastes(history, len(catalog), as_of, config.decay)
        rows = np.flatnonzero(np.bincount(interest.indices, minlength=len(catalog)) >= config.min_users)
        factors = _item_factors(interest[:, rows], config)
        whole = factors.astype(np.float64)
        common = np.einsum("nd,ne->de", whole, whole) + config.regularization * np.eye(config.factors)
        return cls(
            vector_index(rows, factors, catalog.available, config.search),
            common,
            config.decay.array(),
            np.array([config.confidence]),
            np.array([config.asker_items], np.int64),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The items that the asker wants most by factors, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        own = best(items, interest, int(self.asker_items[0]))
        at, known = self.index.places(own.items)
        if not len(at):
            return Candidates(np.empty(0, np.int32), np.empty(0, np.float32))
        return self.index.nearest(self._factors_of(self.index.vectors[at], own.scores[known]), k)

    def _factors_of(self, vectors: NDArray[np.float32], interest: NDArray[np.float32]) -> NDArray[np.float32]:
        """The factors of somebody with `interest` (n,) in items of these `vectors` (n, factors): equation 4.

        Sums by `einsum`, whose order does not depend on threads as that of BLAS does.
        """
        wanted, confidence = vectors.astype(np.float64), self.confidence[0] * interest.astype(np.float64)
        surplus = np.einsum("nd,ne->de", wanted * (confidence - 1)[:, None], wanted)
        right = np.einsum("n,nd->d", confidence, wanted)
        return np.linalg.solve(self.common + surplus, right).astype(np.float32)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            **self.index.arrays(),
            "common": self.common,
            "decay": self.decay,
            "confidence": self.confidence,
            "asker_items": self.asker_items,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            VectorIndex.from_arrays(arrays),
            np.asarray(arrays["common"], np.float64),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["confidence"], np.float64),
            np.asarray(arrays["asker_items"], np.int64),
        )


def _item_factors(interest: sparse.csr_array, config: AlsConfig) -> NDArray[np.float32]:
    """Factors of each item, (items, factors), from users' interest (users, items); 0 where there is none."""
    if not interest.nnz:
        return np.zeros((interest.shape[1], config.factors), np.float32)
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

    with threadpool_limits(limits=1, user_api="blas"):  # both kinds of threads at once slow each other
        model = AlternatingLeastSquares(
            factors=config.factors,
            iterations=config.iterations,
            regularization=config.regularization,
            alpha=config.confidence,
            random_state=0,
            num_threads=config.threads,
        )
        model.fit(sparse.csr_matrix(interest, dtype=np.float32), show_progress=False)
    return np.asarray(model.item_factors, np.float32)

"""What many people have bought lately: the same list for everybody, and all there is for somebody new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.interest import Decay, lines
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class PopularConfig:
    """How long a sale counts."""

    decay: Decay = Decay(half_lives_days=(14.0, 365.0), shares=(0.99, 0.01))
    """Two weeks follow the season; the hundredth that lasts a year keeps a list when a shop has had no recent sale."""


@dataclass(frozen=True)
class Popular(RecallSource):
    """Items by the number of users who wanted them, each user counted once, at their latest and strongest.

    items: (n,) int32 and scores: (n,) float32, best first
    """

    name: ClassVar[str] = "popular"
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def fit(cls, history: History, catalog: Catalog, as_of: int, config: PopularConfig = PopularConfig()) -> Self:
        score = popularity(history, len(catalog), as_of, config.decay)
        ranked = best(np.arange(len(catalog), dtype=np.int32), score, len(catalog))
        return cls(ranked.items, ranked.scores)

    def candidates(self, asker: Asker, k: int) -> Candidates:  # noqa: ARG002 - the same for everybody
        """The first `k` of the list. Scores are users, each worth less the longer ago they bought."""
        return Candidates(self.items[:k], self.scores[:k])

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"items": self.items, "scores": self.scores}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(np.asarray(arrays["items"]), np.asarray(arrays["scores"]))


def popularity(history: History, items: int, as_of: int, decay: Decay) -> NDArray[np.float64]:
    """Users who wanted each item, shape (items,): each pair of user and item counts with its one largest weight,
    so that one user's many baskets do not make an item popular."""
    found = lines(history, as_of, decay)
    pair = found.user.astype(np.int64) * items + found.item
    order = np.argsort(pair, kind="stable")
    first = np.flatnonzero(np.diff(pair[order], prepend=-1))
    if not len(first):
        return np.zeros(items)
    weight = np.maximum.reduceat(found.weight[order], first)
    return np.bincount(found.item[order[first]], weights=weight, minlength=items)

"""What many people have wanted lately: the same list for everybody, and all there is for somebody new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.interest import LATELY, Decay, Lines, lines
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class PopularConfig:
    """How long a user counts among those who want an item."""

    decay: Decay = LATELY
    """Half-lives of 3, 7 and 30 days found as much of the next week as 14, within 0.003 of recall@200."""


@dataclass(frozen=True)
class Popular(RecallSource):
    """Items by the number of users who wanted them lately.

    items: (n,) int32 and scores: (n,) float32, best first
    """

    name: ClassVar[str] = "popular"
    config: ClassVar[type[PopularConfig]] = PopularConfig
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: PopularConfig = PopularConfig(),
    ) -> Self:
        users = popularity(history, len(catalog), as_of, config.decay) * catalog.available
        ranked = best_rows(users, len(catalog))
        return cls(ranked.items, ranked.scores)

    def candidates(self, asker: Asker, k: int) -> Candidates:  # noqa: ARG002 - the same for everybody
        """The first `k` of the list. Scores are users, each worth less the longer ago they wanted the item."""
        return Candidates(self.items[:k], self.scores[:k])

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"items": self.items, "scores": self.scores}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(np.asarray(arrays["items"], np.int32), np.asarray(arrays["scores"], np.float32))


def popularity(history: History, items: int, as_of: int, decay: Decay) -> NDArray[np.float64]:
    """Users who wanted each item, shape (items,), each by their weight in `wanted_by`."""
    wanted = wanted_by(history, items, as_of, decay)
    return np.asarray(np.bincount(wanted.item, weights=wanted.weight, minlength=items), np.float64)


def wanted_by(history: History, items: int, as_of: int, decay: Decay) -> Lines:
    """The distinct pairs of user and item, in their order.

    A user counts once for an item, with the largest weight of their baskets with it: one user's many baskets
    do not make an item popular.
    """
    found = lines(history, as_of, decay)
    pair = found.user.astype(np.int64) * items + found.item
    order = np.argsort(pair, kind="stable")
    first = np.flatnonzero(np.diff(pair[order], prepend=-1))
    weight = np.maximum.reduceat(found.weight[order], first) if len(first) else np.empty(0)
    return Lines(found.user[order[first]], found.item[order[first]], weight)

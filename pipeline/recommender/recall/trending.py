"""What many people want in these days, and more than they usually do: the same list for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from feature_store.history import SECONDS_PER_DAY
from pipeline.recommender.recall.interest import UNDECAYED
from pipeline.recommender.recall.popular import popularity
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class TrendingConfig:
    """What "these days" and "usually" mean."""

    days: int = 7
    """A whole week, so that every day of the week counts on both sides."""
    usual_weeks: int = 8
    """Windows of `days` before, whose mean is the usual."""
    smoothing: float = 3.0
    """Users added on both sides: two buyers after one are no trend."""
    largest_growth: float = 10.0


@dataclass(frozen=True)
class Trending(RecallSource):
    """Items by the users of the last days times their growth.

    items: (n,) int32 and scores: (n,) float32, best first
    """

    name: ClassVar[str] = "trending"
    config: ClassVar[type[TrendingConfig]] = TrendingConfig
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: TrendingConfig = TrendingConfig(),
    ) -> Self:
        now, *before = users_by_window(history, len(catalog), as_of, config.days, 1 + config.usual_weeks)
        usual = np.mean(before, axis=0)
        growth = (now + config.smoothing) / (usual + config.smoothing)
        ranked = best_rows(now * np.minimum(growth, config.largest_growth) * catalog.available, len(catalog))
        return cls(ranked.items, ranked.scores)

    def candidates(self, asker: Asker, k: int) -> Candidates:  # noqa: ARG002 - the same for everybody
        """The first `k` of the list."""
        return Candidates(self.items[:k], self.scores[:k])

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"items": self.items, "scores": self.scores}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(np.asarray(arrays["items"], np.int32), np.asarray(arrays["scores"], np.float32))


def users_by_window(history: History, items: int, as_of: int, days: int, windows: int) -> list[NDArray[np.float64]]:
    """Users who wanted each item (items,) in each window of so many days, latest first."""
    age = (as_of - history.time) / SECONDS_PER_DAY
    return [
        popularity(history.select((age > window * days) & (age <= (window + 1) * days)), items, as_of, UNDECAYED)
        for window in range(windows)
    ]

"""What the user has wanted before, most and latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.interest import KIND_WEIGHTS, Decay, taste
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History

_PATIENCE = 2.0
"""Intervals of an own habit after which it may be over."""
_HABIT_BASKETS = 3
_WHIM_TO_HABIT = Decay(half_lives_days=(14.0, 60.0, 365.0), shares=(0.2, 0.4, 0.4))


@dataclass(frozen=True)
class PersonalConfig:
    """How fast an old habit fades."""

    decay: Decay = _WHIM_TO_HABIT
    """The mixture orders the whole history: 90 days alone is as good among the first 20 (recall 0.193 and 0.192),
    but loses below (0.390 and 0.393 at 200), where old habits all fade to the same nothing."""
    overdue_power: float = 0.0
    """Above 0, an item that has not come again for more than twice its usual interval in this user's baskets fades by
    that power of how much. Weeks from 2017-10-09 and 2017-11-06: 0.5 finds 0.001 more among the first 20 and 0.001 less
    among the first 100, so it is for small quotas; fading what is not due yet lost 0.002 to 0.010."""


@dataclass(frozen=True)
class Personal(RecallSource):
    """The asker's own items by decayed frequency; the index is the decay, and what is on sale.

    decay: (2, half-lives), as `Decay.array`; available: (items,), empty where the release does not know
    overdue_power: (1,) float64
    """

    name: ClassVar[str] = "personal"
    config: ClassVar[type[PersonalConfig]] = PersonalConfig
    decay: NDArray[np.float64]
    available: NDArray[np.bool_]
    overdue_power: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,  # noqa: ARG003 - what others did says nothing of a habit
        catalog: Catalog,
        as_of: int,  # noqa: ARG003
        config: PersonalConfig = PersonalConfig(),
    ) -> Self:
        return cls(config.decay.array(), catalog.available, np.array([config.overdue_power]))

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The asker's own items, none without history. Scores are baskets, each worth less the older it is."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        if len(self.available):
            interest = interest * self.available[items]
        if self.overdue_power[0]:
            late = np.maximum(intervals_since(asker.history, asker.asked_at) / _PATIENCE, 1)
            interest = interest / late ** self.overdue_power[0]
        return best(items, interest, k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"decay": self.decay, "available": self.available, "overdue_power": self.overdue_power}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        available = arrays.get("available", np.empty(0, bool))
        return cls(
            np.asarray(arrays["decay"], np.float64),
            np.asarray(available, bool),
            np.asarray(arrays["overdue_power"], np.float64),
        )


def intervals_since(history: History, as_of: int) -> NDArray[np.float64]:
    """How many of one user's own usual intervals ago each of the items of `taste` came last, 0 where it came in fewer
    than three baskets: two make an interval, but no habit.
    """
    wanted = KIND_WEIGHTS[history.kind] > 0
    item, time = np.unique(np.stack([history.item[wanted].astype(np.int64), history.time[wanted]]), axis=1)
    _, first, baskets = np.unique(item, return_index=True, return_counts=True)
    last = first + baskets - 1
    interval = (time[last] - time[first]) / np.maximum(baskets - 1, 1)
    habit = baskets >= _HABIT_BASKETS
    return np.where(habit, (as_of - time[last]) / np.where(habit, interval, 1), 0.0)

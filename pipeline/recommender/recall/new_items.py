"""What is new to the shop: items first wanted lately, those of the user's groups first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from feature_store.history import SECONDS_PER_DAY
from feature_store.schema import LEVELS
from pipeline.recommender.recall.interest import HABIT, KIND_WEIGHTS, UNDECAYED, Decay, taste
from pipeline.recommender.recall.popular import popularity
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class NewItemsConfig:
    """How long an item is new, and for whom."""

    days: int = 28
    """Since somebody first wanted it. What nobody has wanted yet is found by its text, as `content` does."""
    half_life_days: float = 14.0
    """After so many days an item counts half as new."""
    decay: Decay = HABIT
    """Of the asker's interest in a group."""
    for_everybody: float = 0.02
    """What an item counts outside the asker's groups, where 1 is a group of all their interest."""


@dataclass(frozen=True)
class NewItems(RecallSource):
    """New items by users, newness and the asker's interest in their groups.

    items: (n,) int32 and scores: (n,) float32, best first
    group_of_item: (levels, items) int32, -1 for none
    decay: (2, half-lives), as `Decay.array`; for_everybody: (1,) float64
    """

    name: ClassVar[str] = "new_items"
    config: ClassVar[type[NewItemsConfig]] = NewItemsConfig
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    group_of_item: NDArray[np.int32]
    decay: NDArray[np.float64]
    for_everybody: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: NewItemsConfig = NewItemsConfig(),
    ) -> Self:
        age = days_since_first(history, len(catalog), as_of)
        new = (age <= config.days) * catalog.available
        users = popularity(history, len(catalog), as_of, UNDECAYED)
        newness = np.exp2(-np.where(new, age, 0) / config.half_life_days)
        score = users * newness * new
        items = np.flatnonzero(score > 0).astype(np.int32)
        ranked = best(items, score[items], len(items))
        groups = [
            np.where(catalog.names[level][catalog.groups[level]] == "", -1, catalog.groups[level]) for level in LEVELS
        ]
        return cls(
            ranked.items,
            ranked.scores,
            np.stack(groups).astype(np.int32),
            config.decay.array(),
            np.array([config.for_everybody]),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """New items, those of the asker's groups first; without history the same for everybody."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        liked = np.zeros(len(self.items))
        for group in self.group_of_item:
            own = group[items]
            by_group = np.bincount(own[own >= 0], weights=interest[own >= 0], minlength=int(group.max(initial=-1)) + 1)
            of_new = group[self.items]
            liked += np.where(of_new >= 0, by_group[of_new] if len(by_group) else 0, 0)
        total = float(interest.sum()) * len(self.group_of_item)
        share = liked / total if total else liked
        return best(self.items, self.scores * (self.for_everybody[0] + share), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "items": self.items,
            "scores": self.scores,
            "group_of_item": self.group_of_item,
            "decay": self.decay,
            "for_everybody": self.for_everybody,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            np.asarray(arrays["items"], np.int32),
            np.asarray(arrays["scores"], np.float32),
            np.asarray(arrays["group_of_item"], np.int32),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["for_everybody"], np.float64),
        )


def days_since_first(history: History, items: int, as_of: int) -> NDArray[np.float64]:
    """Days since somebody first wanted each item, shape (items,), infinite where nobody has."""
    first = np.full(items, np.iinfo(np.int64).max)
    wanted = KIND_WEIGHTS[history.kind] > 0
    np.minimum.at(first, history.item[wanted], history.time[wanted])
    known = first < np.iinfo(np.int64).max
    return np.where(known, (as_of - np.where(known, first, 0)) / SECONDS_PER_DAY, np.inf)

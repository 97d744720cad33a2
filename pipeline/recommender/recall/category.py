"""What is popular in the groups that the user likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import Decay, taste
from pipeline.recommender.recall.popular import popularity
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class CategoryConfig:
    levels: tuple[str, ...] = ("category", "subcategory")
    items_per_group: int = 50
    groups_per_user: int = 100
    decay: Decay = Decay(half_lives_days=(90.0,), shares=(1.0,))
    popularity: Decay = Decay(half_lives_days=(14.0, 365.0), shares=(0.99, 0.01))


@dataclass(frozen=True)
class Category(RecallSource):
    name: ClassVar[str] = "category"
    groups: NDArray[np.int32]
    popular: Postings
    decay: NDArray[np.float64]
    groups_per_user: NDArray[np.int64]

    @classmethod
    def fit(cls, history: History, catalog: Catalog, as_of: int, config: CategoryConfig = CategoryConfig()) -> Self:
        users = popularity(history, len(catalog), as_of, config.popularity)
        groups, first = [], 0
        for level in config.levels:
            named = catalog.names[level][catalog.groups[level]] != ""
            groups.append(np.where(named, catalog.groups[level] + first, -1).astype(np.int32))
            first += len(catalog.names[level])
        stacked = np.stack(groups)
        level, item = np.nonzero((stacked >= 0) & (users > 0))
        group = stacked[level, item]
        total = np.bincount(group, weights=users[item], minlength=first)
        share = users[item] / total[group]
        lists = sparse.coo_array((share, (group, item)), shape=(first, len(catalog))).tocsr()
        lists.sort_indices()
        return cls(
            stacked, strongest(lists, config.items_per_group), config.decay.array(), np.array([config.groups_per_user])
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        of_item = self.groups[:, items]
        level, at = np.nonzero(of_item >= 0)
        liked = np.bincount(of_item[level, at], weights=interest[at])
        groups = best(np.arange(len(liked), dtype=np.int32), liked, int(self.groups_per_user[0]))
        scores = self.popular.totals(groups.items, groups.scores)
        offered = np.flatnonzero(scores)
        return best(offered.astype(np.int32), scores[offered], k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "groups": self.groups,
            **self.popular.arrays("popular"),
            "decay": self.decay,
            "groups_per_user": self.groups_per_user,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            np.asarray(arrays["groups"]),
            Postings.from_arrays("popular", arrays),
            arrays["decay"],
            np.asarray(arrays["groups_per_user"]),
        )

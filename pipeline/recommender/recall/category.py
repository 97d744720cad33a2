"""What is popular now in the groups that the user likes: new items of old favourites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from feature_store.schema import LEVELS
from pipeline.recommender.recall.interest import HABIT, LATELY, Decay, taste
from pipeline.recommender.recall.popular import popularity
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class CategoryConfig:
    """Which groups are favourites, and which of their items are offered."""

    levels: tuple[str, ...] = LEVELS
    """Category or subcategory alone found 0.003 less in the first 50 than both; brands add 0.002 to the first 100."""
    decay: Decay = HABIT
    """Of the asker's interest in a group."""
    popularity: Decay = LATELY
    """Of an item's sales within its group."""
    groups_per_user: int = 100
    """Favourites asked, over all levels; the rest have no weight to speak of."""
    items_per_group: int = 50
    """100 and 200 found as much."""


@dataclass(frozen=True)
class Category(RecallSource):
    """The chance of an item if the user first chose a group by habit, then an item of it as everybody does.

    group_of_item: (levels, items) int32, row of the item's group in `popular`, -1 where it has none
    popular: group -> items, with their share of the group's users
    decay: (2, half-lives), as `Decay.array`; groups_per_user: (1,) int64
    """

    name: ClassVar[str] = "category"
    group_of_item: NDArray[np.int32]
    popular: Postings
    decay: NDArray[np.float64]
    groups_per_user: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: CategoryConfig = CategoryConfig(),
    ) -> Self:
        users = popularity(history, len(catalog), as_of, config.popularity) * catalog.available
        group_of_item, groups = _stacked(catalog, config.levels)
        return cls(
            group_of_item,
            strongest(_shares(users, group_of_item, groups), config.items_per_group),
            config.decay.array(),
            np.array([config.groups_per_user], np.int64),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """Popular items of the asker's favourite groups, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        group = self.group_of_item[:, items]
        grouped = group >= 0
        weights = np.broadcast_to(interest, group.shape)[grouped]
        liked = np.asarray(np.bincount(group[grouped], weights=weights), np.float64)
        favourites = best_rows(liked, int(self.groups_per_user[0]))
        return best_rows(self.popular.totals(favourites.items, favourites.scores), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "group_of_item": self.group_of_item,
            **self.popular.arrays("popular"),
            "decay": self.decay,
            "groups_per_user": self.groups_per_user,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            np.asarray(arrays["group_of_item"], np.int32),
            Postings.from_arrays("popular", arrays),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["groups_per_user"], np.int64),
        )


def _stacked(catalog: Catalog, levels: tuple[str, ...]) -> tuple[NDArray[np.int32], int]:
    """The groups of all levels under one numbering: (levels, items) int32, -1 for a group without a name; their count.

    Items without a category have nothing in common, so "" is no group.
    """
    rows, groups = [], 0
    for level in levels:
        group, names = catalog.groups[level], catalog.names[level]
        rows.append(np.where(names[group] == "", -1, group + groups).astype(np.int32))
        groups += len(names)
    return np.stack(rows), groups


def _shares(users: NDArray[np.float64], group_of_item: NDArray[np.int32], groups: int) -> sparse.csr_array:
    """Each item's share of its group's users, shape (groups, items), the items of a row ascending."""
    level, item = np.nonzero((group_of_item >= 0) & (users > 0))
    group = group_of_item[level, item]
    total = np.bincount(group, weights=users[item], minlength=groups)
    pairs = sparse.coo_array((users[item] / total[group], (group, item)), shape=(groups, group_of_item.shape[1]))
    shares: sparse.csr_array = pairs.tocsr()
    shares.sort_indices()
    return shares

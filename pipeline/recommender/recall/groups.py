"""Popular items of the groups that the asker likes: what categories, brands and price bands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import Decay, taste
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class GroupSource(RecallSource):
    """The chance of an item if the user first chose a group by habit, then an item of it as everybody does.

    group_of_item: (levels, items) int32, row of the item's group in `popular`, -1 where it has none
    popular: group -> items, with their share of the group's users
    decay: (2, half-lives), as `Decay.array`; groups_per_user: (1,) int64
    """

    group_of_item: NDArray[np.int32]
    popular: Postings
    decay: NDArray[np.float64]
    groups_per_user: NDArray[np.int64]

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


def stacked(levels: Sequence[NDArray[np.integer]]) -> NDArray[np.int32]:
    """The groups of all levels, each (items,) with -1 for none, under one numbering: (levels, items) int32."""
    rows, groups = [], 0
    for group in levels:
        rows.append(np.where(group >= 0, group + groups, -1).astype(np.int32))
        groups += int(group.max(initial=-1)) + 1
    return np.stack(rows)


def popular_within(group_of_item: NDArray[np.int32], users: NDArray[np.float64], items_per_group: int) -> Postings:
    """Of each group the items with the largest share of its users, from the users of each item (items,)."""
    level, item = np.nonzero((group_of_item >= 0) & (users > 0))
    group = group_of_item[level, item]
    groups = int(group_of_item.max(initial=-1)) + 1
    total = np.bincount(group, weights=users[item], minlength=groups)
    pairs = sparse.coo_array((users[item] / total[group], (group, item)), shape=(groups, len(users)))
    shares: sparse.csr_array = pairs.tocsr()
    shares.sort_indices()
    return strongest(shares, items_per_group)

"""What the most similar users want lately: nearest neighbours, found through the items in common.

User-based collaborative filtering: P. Resnick et al., "GroupLens", CSCW 1994, on purchases with cosine similarity as in
B. Sarwar et al., "Analysis of recommendation algorithms for e-commerce", EC 2000. Rare items count more: "inverse user
frequency" of J. Breese, D. Heckerman, C. Kadie, "Empirical analysis of predictive algorithms", UAI 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.interest import HABIT, KIND_WEIGHTS, Decay, of_items, taste, tastes
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy import sparse

    from feature_store.catalog import Catalog
    from feature_store.history import History

_MONTH = Decay(half_lives_days=(30.0,), shares=(1.0,))
LATEST_EVENTS = 8
"""By so many newest events a user is known again; one or two may be shared by chance."""


@dataclass(frozen=True)
class UserCFConfig:
    """Who is similar, and which of their items are offered."""

    decay: Decay = HABIT
    """Of the taste by which users are compared; 30 and 365 days found as much."""
    recent: Decay = _MONTH
    """Of the items that neighbours offer; 7 days lost 0.004 of recall@200 of new items, 60 days 0.001."""
    asker_items: int = 100
    """Of the asker, those that say most; all of them found as many new items and fewer others, in more time."""
    neighbours: int = 100
    """400 found 0.003 more for twice the time of a request, 50 lost 0.003."""
    users_per_item: int = 500
    """Of an item that many want, the users for whom it weighs most; 200 to 2000 found as much."""
    items_per_user: int = 200
    """Of a neighbour, the strongest; 100 lost 0.004."""


@dataclass(frozen=True)
class UserCF(RecallSource):
    """Items of the users whose taste is nearest to the asker's history. The asker need not be among them.

    users_of_item: item -> users, with the item's part of their taste (a vector of length 1)
    items_of_user: user -> items, with recent interest
    rarity: (items,) float32, logarithm of all users over the item's users
    latest: (users, 8) int64, the user's newest events as `_event_numbers`
    decay: (2, half-lives), as `Decay.array`
    limits: (2,) int64, how many of the asker's items are looked up, how many neighbours are asked
    """

    name: ClassVar[str] = "usercf"
    config: ClassVar[type[UserCFConfig]] = UserCFConfig
    users_of_item: Postings
    items_of_user: Postings
    rarity: NDArray[np.float32]
    latest: NDArray[np.int64]
    decay: NDArray[np.float64]
    limits: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: UserCFConfig = UserCFConfig(),
    ) -> Self:
        vectors = tastes(history, len(catalog), as_of, config.decay)
        users = np.bincount(vectors.indices, minlength=len(catalog))
        rarity = np.log((1 + history.users) / (1 + users)).astype(np.float32)
        recent = of_items(tastes(history, len(catalog), as_of, config.recent), catalog.available)
        recent.data = np.log1p(recent.data)
        return cls(
            strongest(_directions(vectors, rarity).T.tocsr(), config.users_per_item),
            strongest(recent, config.items_per_user),
            rarity,
            _latest(history, len(catalog)),
            config.decay.array(),
            np.array([config.asker_items, config.neighbours], np.int64),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The nearest users' recent items by similarity and interest, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        own = best(items, np.log1p(interest) * self.rarity[items], int(self.limits[0]))
        nearest = best_rows(self.users_of_item.totals(own.items, own.scores), int(self.limits[1]))
        others = ~self._is_asker(asker.history, nearest.items)
        return best_rows(self.items_of_user.totals(nearest.items[others], nearest.scores[others]), k)

    def _is_asker(self, history: History, users: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of `users` (n,) are the asker: those whose newest events are all in the asker's history.

        The asker's own row would only echo the history. It is known by events, not by an id or by an equal vector,
        because at serving the asker has done more since the fit, and in training nothing: both must see the same.
        """
        own = _event_numbers(history, len(self.rarity))
        return np.asarray(np.isin(self.latest[users], own).all(axis=1))

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            **self.users_of_item.arrays("users_of_item"),
            **self.items_of_user.arrays("items_of_user"),
            "rarity": self.rarity,
            "latest": self.latest,
            "decay": self.decay,
            "limits": self.limits,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            Postings.from_arrays("users_of_item", arrays),
            Postings.from_arrays("items_of_user", arrays),
            np.asarray(arrays["rarity"], np.float32),
            np.asarray(arrays["latest"], np.int64),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["limits"], np.int64),
        )


def _directions(interest: sparse.csr_array, rarity: NDArray[np.float32]) -> sparse.csr_array:
    """Users' damped interest times rarity, each row scaled to length 1."""
    values = np.log1p(interest.data) * rarity[interest.indices]
    user = np.repeat(np.arange(interest.shape[0]), np.diff(interest.indptr))
    length = np.sqrt(np.bincount(user, weights=values**2, minlength=interest.shape[0]))
    directions = interest.copy()
    directions.data = np.divide(values, length[user], out=np.zeros_like(values), where=length[user] > 0)
    return directions


def _event_numbers(history: History, items: int) -> NDArray[np.int64]:
    """One number for the time and the item of each event, shape (events,)."""
    return history.time * items + history.item


def _latest(history: History, items: int) -> NDArray[np.int64]:
    """The numbers of each user's newest events of interest, (users, 8); the oldest repeats where there are fewer.

    Several, because where times are whole days two users often share one event.
    """
    wanted = history.select(KIND_WEIGHTS[history.kind] > 0)
    latest = np.full((history.users, LATEST_EVENTS), -1, np.int64)
    starts, ends = wanted.offsets[:-1, None], wanted.offsets[1:, None]
    active = np.flatnonzero(ends > starts)
    at = np.maximum(ends[active] - 1 - np.arange(LATEST_EVENTS), starts[active])
    latest[active] = _event_numbers(wanted, items)[at]
    return latest

"""What the most similar users want: nearest neighbours among everybody, found through the items in common.

User-based collaborative filtering: P. Resnick, N. Iacovou, M. Suchak, P. Bergstrom, J. Riedl, "GroupLens", CSCW 1994;
on sets of purchases with cosine similarity as in B. Sarwar et al., "Analysis of recommendation algorithms for
e-commerce", EC 2000; rare items count more, as in J. Breese, D. Heckerman, C. Kadie, UAI 1998 ("inverse user frequency").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import Decay, taste, tastes
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class UserCFConfig:
    """Who is similar, and what their word is worth."""

    neighbours: int = 200
    users_per_item: int = 2_000
    items_per_user: int = 300
    decay: Decay = Decay(half_lives_days=(90.0,), shares=(1.0,))
    recent: Decay = Decay(half_lives_days=(30.0,), shares=(1.0,))


@dataclass(frozen=True)
class UserCF(RecallSource):
    """Items of the users whose taste is nearest to the asker's history.

    users_of_item: item -> users and their normalised taste; items_of_user: user -> items and recent interest
    rarity: (items,) float32; latest: (users,) int64, the newest event of each user as one number;
    settings: (neighbours,) int64; decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "usercf"
    users_of_item: Postings
    items_of_user: Postings
    rarity: NDArray[np.float32]
    latest: NDArray[np.int64]
    decay: NDArray[np.float64]
    neighbours: NDArray[np.int64]

    @classmethod
    def fit(cls, history: History, catalog: Catalog, as_of: int, config: UserCFConfig = UserCFConfig()) -> Self:
        vectors = tastes(history, len(catalog), as_of, config.decay)
        users = np.bincount(vectors.indices, minlength=len(catalog))
        rarity = np.log((1 + history.users) / (1 + users)).astype(np.float32)
        vectors.data = np.log1p(vectors.data) * rarity[vectors.indices]
        rows = np.repeat(np.arange(history.users), np.diff(vectors.indptr))
        norms = np.sqrt(np.bincount(rows, weights=vectors.data**2, minlength=history.users))
        vectors.data /= np.maximum(norms, 1e-12)[rows]
        recent = tastes(history, len(catalog), as_of, config.recent)
        recent.data = np.log1p(recent.data)
        return cls(
            strongest(vectors.T.tocsr(), config.users_per_item),
            strongest(recent, config.items_per_user),
            rarity,
            _latest(history, len(catalog)),
            config.decay.array(),
            np.array([config.neighbours]),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        vector = np.log1p(interest) * self.rarity[items]
        similarity = self.users_of_item.totals(items, vector / max(float(np.sqrt(vector @ vector)), 1e-12))
        own = _event_numbers(asker.history, len(self.rarity))
        similarity[np.isin(self.latest[: len(similarity)], own)] = 0
        nearest = best(np.arange(len(similarity), dtype=np.int32), similarity, int(self.neighbours[0]))
        scores = self.items_of_user.totals(nearest.items, nearest.scores)
        offered = np.flatnonzero(scores)
        return best(offered.astype(np.int32), scores[offered], k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            **self.users_of_item.arrays("users_of_item"),
            **self.items_of_user.arrays("items_of_user"),
            "rarity": self.rarity,
            "latest": self.latest,
            "decay": self.decay,
            "neighbours": self.neighbours,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            Postings.from_arrays("users_of_item", arrays),
            Postings.from_arrays("items_of_user", arrays),
            *(np.asarray(arrays[name]) for name in ("rarity", "latest", "decay", "neighbours")),
        )


def _event_numbers(history: History, items: int) -> NDArray[np.int64]:
    return history.time * items + history.item


def _latest(history: History, items: int) -> NDArray[np.int64]:
    latest = np.full(history.users, -1, np.int64)
    active = np.diff(history.offsets) > 0
    latest[active] = _event_numbers(history, items)[history.offsets[1:][active] - 1]
    return latest

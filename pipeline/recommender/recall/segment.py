"""What users of the asker's segment want lately; segments are found in what users buy.

Spherical k-means over users' interest in groups: I. Dhillon, D. Modha, "Concept decompositions for large sparse text
data using clustering", Machine Learning 42, 2001. The asker's segment is that of their history, so that somebody new
belongs to one after the first visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from pipeline.recommender.recall.interest import HABIT, LATELY, Decay, taste, tastes
from pipeline.recommender.recall.popular import wanted_by
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class SegmentConfig:
    """How users are divided, and what is popular among them."""

    segments: int = 16
    level: str = "subcategory"
    """By the interest in these groups users are compared."""
    rounds: int = 10
    """Of k-means; later ones move few users."""
    decay: Decay = HABIT
    """Of the interest in a group."""
    popularity: Decay = LATELY
    items_per_segment: int = 500


@dataclass(frozen=True)
class Segment(RecallSource):
    """Popular items of the segment whose centre is nearest to the asker.

    group_of_item: (items,) int32, row of the item's group
    centres: (segments, groups) float32, of length 1
    popular: segment -> items, with the users of the segment who want them lately
    decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "segment"
    config: ClassVar[type[SegmentConfig]] = SegmentConfig
    group_of_item: NDArray[np.int32]
    centres: NDArray[np.float32]
    popular: Postings
    decay: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: SegmentConfig = SegmentConfig(),
    ) -> Self:
        group, groups = catalog.groups[config.level], len(catalog.names[config.level])
        users = _directions(tastes(history, len(catalog), as_of, config.decay) @ _membership(group, groups))
        centres = _centres(users, config.segments, config.rounds)
        segment = _nearest(users, centres)
        wanted = wanted_by(history, len(catalog), as_of, config.popularity)
        pairs = (wanted.weight * catalog.available[wanted.item], (segment[wanted.user], wanted.item))
        popular: sparse.csr_array = sparse.coo_array(pairs, shape=(len(centres), len(catalog))).tocsr()
        popular.eliminate_zeros()
        popular.sort_indices()
        return cls(group.astype(np.int32), centres, strongest(popular, config.items_per_segment), config.decay.array())

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """Popular items of the asker's segment, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        if not len(items) or not len(self.centres):
            return Candidates(np.empty(0, np.int32), np.empty(0, np.float32))
        # Damped as `_directions` does; a length would change no order.
        liked = np.sqrt(np.bincount(self.group_of_item[items], weights=interest, minlength=self.centres.shape[1]))
        segment = int(np.argmax(np.add.reduce(self.centres * liked, axis=1)))
        own = slice(self.popular.offsets[segment], self.popular.offsets[segment + 1])
        return best(self.popular.targets[own], self.popular.weights[own], k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "group_of_item": self.group_of_item,
            "centres": self.centres,
            **self.popular.arrays("popular"),
            "decay": self.decay,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            np.asarray(arrays["group_of_item"], np.int32),
            np.asarray(arrays["centres"], np.float32),
            Postings.from_arrays("popular", arrays),
            np.asarray(arrays["decay"], np.float64),
        )


def _membership(group: NDArray[np.integer], groups: int) -> sparse.csr_array:
    """Which item is of which group, (items, groups) of ones."""
    items = len(group)
    return sparse.csr_array((np.ones(items), group, np.arange(items + 1)), shape=(items, groups))


def _directions(interest: sparse.csr_array) -> sparse.csr_array:
    """Users' damped interest in groups, each row of length 1."""
    rows = interest.tocsr()
    rows.sum_duplicates()
    rows.data = np.sqrt(rows.data)
    length = np.sqrt(rows.multiply(rows).sum(axis=1))
    scaled: sparse.csr_array = sparse.diags_array(1 / np.where(length > 0, length, 1)) @ rows
    return scaled


def _centres(users: sparse.csr_array, segments: int, rounds: int) -> NDArray[np.float32]:
    """Centres (at most `segments`, groups) of the active users; the first are users evenly spread over all."""
    known = users[np.flatnonzero(np.diff(users.indptr))]
    active, segments = known.shape[0], min(segments, known.shape[0])
    chosen = np.linspace(0, active - 1, segments).astype(np.int64)
    centres: NDArray[np.float32] = known[chosen].toarray().astype(np.float32)
    for _ in range(rounds if segments else 0):
        segment = _nearest(known, centres)
        members = sparse.csr_array((np.ones(active), (segment, np.arange(active))), shape=(segments, active))
        sums = (members @ known).toarray()
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.where(length > 0, length, 1), centres).astype(np.float32)
    return centres


def _nearest(users: sparse.csr_array, centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """The segment of each user, the first among equals."""
    return np.asarray((users @ centres.T).argmax(axis=1)) if len(centres) else np.zeros(users.shape[0], np.intp)

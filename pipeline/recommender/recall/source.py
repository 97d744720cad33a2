"""What a recall source is: fitted once a day on what everybody did, asked for candidates at every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class Asker:
    """The one user who asks: what they did before, in rows of the catalog, and when they ask.

    asked_at: seconds since 1970 UTC
    """

    history: History
    asked_at: int


@dataclass(frozen=True)
class Candidates:
    """What a source offers, best first; equal scores in order of item row, so that the same question has one answer.

    items: (k,) int32, distinct rows of the catalog; scores: (k,) float32, comparable within the source only
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]


class RecallSource(Protocol):
    """One way to find items worth ranking. Indexes are plain arrays, so that serving maps them into memory."""

    name: ClassVar[str]
    config: ClassVar[type[Any]]
    """A frozen dataclass with a default for everything."""

    @classmethod
    def fit(cls, history: History, catalog: Catalog, as_of: int, config: Any = ...) -> Self:  # noqa: ANN401 - `cls.config`
        """Learn from every event before `as_of` (seconds since 1970 UTC); `history` holds no later one.

        What is off sale still tells what its buyers like, and is itself never offered.
        """

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """At most `k` items for the asker; may be fewer, or none for a user without history."""

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The index, one `.npy` file a name."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The source as it was when `arrays` were taken; arrays may be memory-mapped and read-only."""


def best(items: NDArray[np.int32], scores: NDArray[np.floating], k: int) -> Candidates:
    """The `k` items of highest score above 0, in the order that `Candidates` promises."""
    positive = scores > 0
    items, scores = items[positive], scores[positive].astype(np.float32)
    if len(items) > k:  # keep every item that ties with the k-th, then order
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        items, scores = items[scores >= kth], scores[scores >= kth]
    order = np.lexsort((items, -scores))[:k]
    return Candidates(items[order].astype(np.int32), scores[order])


def best_rows(scores: NDArray[np.floating], k: int) -> Candidates:
    """The `k` rows of highest score above 0; `scores` (rows,) has a score for every row from 0 on."""
    rows = np.flatnonzero(scores > 0)
    return best(rows.astype(np.int32), scores[rows], k)

"""What a ranker is to the rest of the recommender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ranker(Protocol):
    """Scores rows of features; higher is better, comparable within one request only."""

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, features) float32 -> (n,) float32."""

"""Scores with LightGBM's trees, bit for bit as LightGBM does, without LightGBM.

Every split says at once, for all rows, which leaves are out of reach for those that go right; of the leaves that no
split took away the leftmost is the row's (QuickScorer: Lucchese et al., SIGIR 2015). There are no branches and no
walks, so that NumPy does it in a few passes over small arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.recommender.ranker.position import scoring_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ROWS, _CELLS = 512, 250_000
"""Rows, and rows times splits, of one pass: what it works on stays in the processor's cache."""


@dataclass(frozen=True)
class TreeRanker:
    """Splits of all trees, each tree filled up to the same number with splits that take nothing away.

    columns: how many the trees were grown with
    feature, filling: (used,) the column that a split looks at, and what stands for NaN there
    used: (splits, trees) place in `feature`; threshold: (splits, trees) what is above goes right
    lost: (splits, trees) bits of the leaves that rows which go right cannot reach; the leftmost leaf is the lowest bit
    value: (trees, leaves) from left to right
    """

    columns: int
    feature: NDArray[np.intp]
    filling: NDArray[np.float32]
    used: NDArray[np.intp]
    threshold: NDArray[np.float32]
    lost: NDArray[np.unsignedinteger[Any]]
    value: NDArray[np.float64]

    def score(self, matrix: NDArray[np.float32], worth: Mapping[str, float] | None = None) -> NDArray[np.float32]:
        """(n, features) -> (n,). `worth` is for rankers of several targets."""
        del worth
        return self.sums(matrix).astype(np.float32)

    def sums(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, features) float32 -> (n,): LightGBM's raw scores."""
        rows = scoring_columns(matrix, self.columns)
        parts = [self._sums(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _sums(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        looked_at = rows.T.take(self.feature, axis=0)
        np.copyto(looked_at, self.filling[:, None], where=np.isnan(looked_at))
        splits, trees = self.used.shape
        step = max(1, _CELLS // (max(splits, 1) * len(rows)))
        values = [self._values(looked_at, slice(start, start + step)) for start in range(0, trees, step)]
        # Not `sum`, which would add in pairs where there is one row: LightGBM adds tree after tree.
        total: NDArray[np.float64] = np.add.accumulate(np.concatenate(values), axis=0)[-1]
        return total

    def _values(self, looked_at: NDArray[np.float32], trees: slice) -> NDArray[np.float64]:
        """(used, n) -> (trees, n): what each tree adds to each row."""
        used, lost = self.used[:, trees], self.lost[:, trees]
        right = looked_at.take(used.ravel(), axis=0) > self.threshold[:, trees].reshape(-1, 1)
        gone = np.multiply(right, lost.reshape(-1, 1), dtype=lost.dtype).reshape(*used.shape, looked_at.shape[1])
        left = np.bitwise_or.reduce(gone, axis=0)
        leaf = np.bitwise_count(left & ~(left + left.dtype.type(1)))  # the ones below the lowest zero
        first = np.arange(used.shape[1])[:, None] * self.value.shape[1]
        found: NDArray[np.float64] = self.value[trees].take(first + leaf)
        return found

"""Weighted lists by row, one behind the other: the form of every recall index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy import sparse


@dataclass(frozen=True)
class Postings:
    """The list of row `r` is `targets[offsets[r]:offsets[r + 1]]`, each target with its weight.

    offsets: (rows + 1,) int64; targets: (n,) int32; weights: (n,) float32
    """

    offsets: NDArray[np.int64]
    targets: NDArray[np.int32]
    weights: NDArray[np.float32]

    def totals(self, rows: NDArray[np.integer], amounts: NDArray[np.floating]) -> NDArray[np.float64]:
        """Amount times weight, summed by target over the lists of `rows` (m,); shape (largest target + 1,).

        >>> lists = Postings(np.array([0, 2, 3]), np.array([0, 2, 2]), np.array([1.0, 2.0, 5.0]))
        >>> lists.totals(np.array([0, 1]), np.array([1.0, 10.0])).tolist()
        [1.0, 0.0, 52.0]
        """
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        ends = np.cumsum(lengths)
        # Position j of the joined lists lies at its list's start + (j - the positions before its list).
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)
        weights = self.weights[at] * np.repeat(amounts, lengths)
        return np.asarray(np.bincount(self.targets[at], weights=weights), np.float64)

    def arrays(self, name: str) -> dict[str, NDArray[np.generic]]:
        """The three arrays, under names that begin with `name`."""
        return {f"{name}_offsets": self.offsets, f"{name}_targets": self.targets, f"{name}_weights": self.weights}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The lists saved under `name`; memory-mapped arrays are read through plain views, which index faster."""
        return cls(
            np.asarray(arrays[f"{name}_offsets"], np.int64),
            np.asarray(arrays[f"{name}_targets"], np.int32),
            np.asarray(arrays[f"{name}_weights"], np.float32),
        )


def strongest(matrix: sparse.csr_array, keep: int) -> Postings:
    """The rows of `matrix` as lists in their stored order, each cut to its `keep` largest values.

    Where values tie at the cut the earlier ones stay, so that the same matrix gives the same lists.
    """
    lengths = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, bool)
    for row in np.flatnonzero(lengths > keep):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[part] = _largest(matrix.data[part], keep)
    targets, weights = matrix.indices[kept].astype(np.int32), matrix.data[kept].astype(np.float32)
    return Postings(_offsets(np.minimum(lengths, keep)), targets, weights)


def joined(parts: Sequence[Postings]) -> Postings:
    """The lists of all `parts` (at least one), rows one after the other."""
    return Postings(
        _offsets(np.concatenate([np.diff(part.offsets) for part in parts])),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def _offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _largest(values: NDArray[np.floating], keep: int) -> NDArray[np.bool_]:
    """Which of `values` (n,), n above `keep`, are the `keep` largest, earlier ones first among equals."""
    cut = np.partition(values, len(values) - keep)[len(values) - keep]
    chosen = np.asarray(values > cut)
    ties = np.flatnonzero(values == cut)
    chosen[ties[: keep - int(chosen.sum())]] = True
    return chosen

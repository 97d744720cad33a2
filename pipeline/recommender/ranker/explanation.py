"""What a model learned, in numbers that a report can draw: importance, and a summary of SHAP values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.recommender.ranker.model import Explanation

ROWS = 2_000
"""Rows that are explained: the mean size of a contribution then varies by a few per cent."""
BANDS = 5
QUARTILES = (0, 0.25, 0.5, 0.75, 1)
_DIGITS = 6


def shares(features: Sequence[str], size: NDArray[np.floating]) -> dict[str, float]:
    """Each feature's part of all, highest first; together 1."""
    order = np.argsort(-size, kind="stable")
    return {features[at]: float(size[at] / max(size.sum(), 1e-12)) for at in order}


def some_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most `ROWS` rows, spread evenly over all."""
    chosen = np.unique(np.linspace(0, len(matrix) - 1, min(ROWS, len(matrix))).astype(int))
    return np.asarray(matrix[chosen])


def without_each(
    rows: NDArray[np.float32], scored: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """(n, columns): what the score of standard rows loses when one column is as usual (0), one after the other."""
    whole, added = scored(rows), np.empty(rows.shape, np.float32)
    for at in range(rows.shape[1]):
        without = rows.copy()
        without[:, at] = 0
        added[:, at] = whole - scored(without)
    return added


def summary(explanation: Explanation, features: Sequence[str], matrix: NDArray[np.float32]) -> dict[str, Any]:
    """For each feature, the most telling first: `size`, how much it moves a score up or down in the mean; `quartiles`
    of its value, from the least to the greatest; and in `bands` of its value, low to high, with equally many rows: the
    value in the middle and the mean contribution.
    """
    size = np.abs(explanation.contributions).mean(axis=0)
    order = np.argsort(-size, kind="stable")
    told = {
        features[at]: {
            "size": _rounded(size[at]),
            "quartiles": [_rounded(value) for value in np.quantile(matrix[:, at], QUARTILES)],
            "bands": _bands(matrix[:, at], explanation.contributions[:, at]),
        }
        for at in order
    }
    return {"rows": len(matrix), "features": told}


def _bands(values: NDArray[np.float32], added: NDArray[np.float32]) -> list[Mapping[str, float]]:
    bands = np.array_split(np.argsort(values, kind="stable"), min(BANDS, len(values)))
    return [{"value": _rounded(np.median(values[b])), "contribution": _rounded(added[b].mean())} for b in bands]


def _rounded(number: float | np.floating) -> float:
    return float(f"{number:.{_DIGITS}g}")

"""How far a mean could have come out otherwise: the bootstrap over users, requests or whatever is drawn together.

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993; percentile intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

REPLICATES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A value, and the bounds between which it lies in `LEVEL` of the samples drawn again."""

    value: float
    low: float
    high: float

    def as_json(self) -> list[float]:
        return [round(each, 6) for each in (self.value, self.low, self.high)]


def mean_intervals(values: Values, *, seed: int = 0, level: float = LEVEL) -> list[Interval]:
    """The mean of each column of `values` (users, columns), users drawn with replacement.

    For a difference of two models give the difference of their values user by user: the same users are drawn for both.
    """
    drawn = resampled(values, seed) / len(values)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(values.mean(axis=0), low, high, strict=True)]


def weighted_intervals(values: Values, weights: Values, *, seed: int = 0, level: float = LEVEL) -> list[Interval]:
    """The same where a user counts as much as `weights` (users, columns) say; each column must have one above 0."""
    sums = np.concatenate([values * weights, weights], axis=1)

    def means(total: Values) -> Values:
        above, below = np.split(total, 2, axis=-1)
        return np.asarray(above / np.where(below == 0, np.nan, below))

    low, high = np.nanquantile(means(resampled(sums, seed)), [(1 - level) / 2, (1 + level) / 2], axis=0)
    whole = means(sums.sum(axis=0))
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(whole, low, high, strict=True)]


def mean_over_weeks(weeks: Sequence[tuple[NDArray[np.str_], Values]], *, seed: int = 0) -> Interval:
    """The mean over weeks of the mean over a week's users; each week is (users,) ids and (users,) values.

    Users are drawn, with all their weeks: who comes every week says less than as many different people would.
    """
    everybody = np.unique(np.concatenate([users for users, _ in weeks]))
    sums = np.zeros((len(everybody), 2 * len(weeks)))
    for number, (users, values) in enumerate(weeks):
        rows = np.searchsorted(everybody, users)
        sums[rows, 2 * number] = values
        sums[rows, 2 * number + 1] = 1

    def means(total: Values) -> Values:
        """(…, 2 x weeks) sums and counts -> (…,); a week of which nobody was drawn is left out."""
        counts = total[..., 1::2]
        return np.asarray(np.nanmean(total[..., ::2] / np.where(counts == 0, np.nan, counts), axis=-1))

    low, high = np.nanquantile(means(resampled(sums, seed)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(means(sums.sum(axis=0))), float(low), float(high))


def resampled(values: Values, seed: int) -> Values:
    """The column sums of as many rows of `values` (rows, columns), drawn with replacement; (REPLICATES, columns)."""
    generator, rows = np.random.default_rng(seed), len(values)
    drawn = (np.bincount(generator.integers(0, rows, rows), minlength=rows) for _ in range(REPLICATES))
    return np.stack([np.asarray(times @ values, np.float64) for times in drawn])

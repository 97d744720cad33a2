"""What a policy would have earned, from the log of another one that knew how likely it was to show what it showed.

Three estimates of the mean reward (a click: 1, none: 0) of one shown item:

* IPS weighs each logged reward by target / logged probability: no bias, large variance (D. Horvitz, D. Thompson,
  JASA 1952).
* SNIPS divides by the sum of the weights instead of their number: a little bias, much less variance, and never outside
  the range of the rewards (A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning",
  NIPS 2015).
* DR weighs only what a model of the reward gets wrong, and adds the model's own answer (M. Dudík, J. Langford, L. Li,
  "Doubly robust policy evaluation and learning", ICML 2011). The model must not have seen the rows it answers for:
  `crossfitted_rates`.

Intervals come from the bootstrap over whole groups: exposures of one request rise and fall together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.intervals import resampled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]


@dataclass(frozen=True)
class Log:
    """Exposures, one row each.

    reward: (n,) what followed; propensity: (n,) probability with which the logging policy showed it there, above 0;
    group: (n,) number of the request or user whose exposures belong together
    """

    reward: Values
    propensity: Values
    group: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.reward):
            raise PipelineError("exposure log", expected="exposures", found="none", remedy="Choose days with some.")
        bad = ~((self.propensity > 0) & (self.propensity <= 1))
        if bad.any():
            raise PipelineError(
                "exposure log",
                expected="a propensity above 0 and at most 1 in every row",
                found=f"{int(bad.sum())} rows without, the first holds {self.propensity[bad][0]}",
                remedy="Log the probability of what was shown, or leave out rows shown by a rule.",
            )


@dataclass(frozen=True)
class Estimate:
    """Mean reward of an exposure under the target policy, its interval, and how many rows the weights are worth."""

    value: float
    low: float
    high: float
    effective_rows: float
    """(Σw)² / Σw² (L. Kish, 1965): so many unweighted rows would tell as much. Far below the log: do not trust it."""


def ips(log: Log, target: Values, *, level: float = 0.95, seed: int = 0) -> Estimate:
    """Inverse propensity scores. `target`: (n,) probability with which the target policy shows each row's item."""
    weight = target / log.propensity
    return _estimate([weight * log.reward, np.ones_like(weight)], weight, log.group, _ratio, level, seed)


def snips(log: Log, target: Values, *, level: float = 0.95, seed: int = 0) -> Estimate:
    """Self-normalised inverse propensity scores; `target` as in `ips`.

    Raises:
        PipelineError: the target policy shows nothing of what the log holds.
    """
    weight = target / log.propensity
    if not weight.any():
        raise PipelineError(
            "off-policy estimate",
            expected="some logged item that the target policy shows too",
            found="none",
            remedy="Log with a policy that shows what the target would, however seldom.",
        )
    return _estimate([weight * log.reward, weight], weight, log.group, _ratio, level, seed)


def difference(log: Log, target: Values, *, level: float = 0.95, seed: int = 0) -> Estimate:
    """`snips` of the target policy less the log's own mean reward, both of the same draws; `target` as in `ips`."""
    weight = target / log.propensity
    terms = [weight * log.reward, weight, log.reward, np.ones_like(weight)]

    def less(sums: Values) -> Values:
        return _ratio(sums[..., :2]) - _ratio(sums[..., 2:])

    return _estimate(terms, weight, log.group, less, level, seed)


def doubly_robust(
    log: Log, target: Values, model: Values, model_of_target: Values, *, level: float = 0.95, seed: int = 0
) -> Estimate:
    """The model's answer for the target policy, mended by what it got wrong on the logged rows.

    model: (n,) expected reward of the logged item; model_of_target: (n,) expected reward of what the target policy
    shows in the row's place, Σ over items of probability times expected reward.
    """
    weight = target / log.propensity
    gained = model_of_target + weight * (log.reward - model)
    return _estimate([gained, np.ones_like(weight)], weight, log.group, _ratio, level, seed)


def crossfitted_rates(
    item: NDArray[np.int64],
    place: NDArray[np.int64],
    reward: Values,
    group: NDArray[np.int64],
    *,
    items: int,
    places: int,
    folds: int = 5,
    strength: float = 50.0,
) -> tuple[Values, NDArray[np.int64]]:
    """A model of the reward for `doubly_robust`: each item's mean reward in each place, drawn towards the place's own.

    Returns (folds, items, places) expected rewards, the f-th without the rows of fold f, and each row's fold (n,).
    strength: how many rows the place's own rate counts for.
    """
    fold = group % folds
    cell = item * places + place
    rates = np.empty((folds, items, places))
    for left_out in range(folds):
        kept = fold != left_out
        shown = np.bincount(cell[kept], minlength=items * places).reshape(items, places)
        earned = np.bincount(cell[kept], weights=reward[kept], minlength=items * places).reshape(items, places)
        of_place = earned.sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
        rates[left_out] = (earned + strength * of_place) / (shown + strength)
    return rates, fold


def _ratio(sums: Values) -> Values:
    """(…, 2) numerator and denominator -> (…,)"""
    return np.asarray(sums[..., 0] / np.where(sums[..., 1] == 0, np.nan, sums[..., 1]))


def _estimate(
    terms: list[Values],
    weight: Values,
    group: NDArray[np.int64],
    combine: Callable[[Values], Values],
    level: float,
    seed: int,
) -> Estimate:
    """`combine` of the terms' sums, and the spread of that over groups drawn with replacement."""
    _, number = np.unique(group, return_inverse=True)
    sums = np.stack([np.bincount(number, weights=term).astype(np.float64) for term in terms], axis=1)
    drawn = resampled(sums, seed)
    low, high = np.nanquantile(combine(drawn), [(1 - level) / 2, (1 + level) / 2])
    effective = float(weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300))
    return Estimate(float(combine(sums.sum(axis=0))), float(low), float(high), effective)

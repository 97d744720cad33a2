"""What slots earned: click rate, cart rate, conversion and money of what was shown, whole and by whatever tells apart.

Rates are of sums, not means of rates; intervals draw users with everything that was shown to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.exposures import shown_items
from pipeline.evaluation.intervals import LEVEL, resampled

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd
    from numpy.typing import NDArray

    from pipeline.settings import Settings

    Sums = NDArray[np.float64]

RATES = {
    "ctr": ("clicked", "impressions", 1),
    "cart_rate": ("wanted", "impressions", 1),
    "cvr": ("bought", "clicked", 1),
    "gmv_per_thousand": ("money", "impressions", 1000),
}
"""Rate -> numerator, denominator, per how many."""
SUMS = ("impressions", "clicked", "wanted", "bought", "money")
BY = ("slot", "position", "scene", "variant", "source", "release", "day")
"""Columns by whose values everything is told apart, where there are such columns."""
MOST_VALUES = 60


def business(
    first: dt.date, last: dt.date, settings: Settings, *, release_day: dt.date | None = None
) -> dict[str, Any]:
    """What was shown on the days `first` to `last` and what became of it; nothing shown: only the days.

    release_day: the day of a release, which serves from the day after on: the days up to it are held against those
    after it.
    """
    shown = shown_items(first, last, settings)
    report: dict[str, Any] = {
        "from": str(first),
        "to": str(last),
        "attribution_hours": settings.evaluation.attribution_hours,
    }
    if not len(shown):
        return report
    shown = shown.assign(impressions=1.0, day=shown["time"].dt.strftime("%Y-%m-%d"))
    report["all"] = told(shown, settings.seed)
    if "sources" in shown.columns:
        shown = shown.assign(source=shown["sources"].str.split(","))
    report["by"] = {column: _by(shown, column, settings.seed) for column in BY if column in shown.columns}
    if release_day is not None:
        later = shown["day"] > str(release_day)
        report["release"] = {"day": str(release_day), **_before_and_after(shown, later, settings.seed)}
    return report


def told(shown: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Counts, money, and every rate with its interval; a rate of nothing is left out."""
    sums = _sums(shown)
    total, drawn = sums.sum(axis=0), resampled(sums, seed)
    counts = dict(zip(SUMS, (float(value) for value in total), strict=True))
    return {
        "impressions": int(counts["impressions"]),
        "users": len(sums),
        "clicks": int(counts["clicked"]),
        "purchases": int(counts["bought"]),
        "gmv": round(counts["money"], 2),
        **{name: _interval(_rate(total, name), _rate(drawn, name)) for name in RATES if counts[RATES[name][1]]},
    }


def _by(shown: pd.DataFrame, column: str, seed: int) -> dict[str, Any]:
    if column == "source":  # an item that several sources offered counts for each of them
        shown = shown.explode(column)
    values = shown[column].dropna()
    chosen = sorted(values.value_counts().index[:MOST_VALUES])
    return {_name(value): told(shown[shown[column] == value], seed) for value in chosen}


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _before_and_after(shown: pd.DataFrame, later: pd.Series[bool], seed: int) -> dict[str, Any]:
    """Both sides, and the differences with intervals: users are drawn with what they saw before and after."""
    sides = {"before": shown[~later], "after": shown[later]}
    found: dict[str, Any] = {name: told(side, seed) for name, side in sides.items() if len(side)}
    if len(found) < len(sides):
        return found
    users = np.unique(shown["user_id"].to_numpy(str))
    both = np.concatenate([_sums(side, users) for side in sides.values()], axis=1)
    total, drawn = both.sum(axis=0), resampled(both, seed)

    def difference(sums: Sums, name: str) -> Sums:
        return _rate(sums[..., len(SUMS) :], name) - _rate(sums[..., : len(SUMS)], name)

    return found | {"difference": {name: _interval(difference(total, name), difference(drawn, name)) for name in RATES}}


def _sums(shown: pd.DataFrame, users: NDArray[np.str_] | None = None) -> Sums:
    """The sums of each user, (users, SUMS)."""
    known, user = np.unique(shown["user_id"].to_numpy(str), return_inverse=True)
    if users is not None:
        user = np.searchsorted(users, known)[user]
    size = len(known) if users is None else len(users)
    return np.stack([np.bincount(user, shown[name].to_numpy(float), size) for name in SUMS], axis=1)


def _rate(sums: Sums, name: str) -> Sums:
    """(…, SUMS) -> (…,); NaN where there is nothing to divide by."""
    above, below, per = RATES[name]
    whole = sums[..., SUMS.index(below)]
    return np.asarray(per * sums[..., SUMS.index(above)] / np.where(whole == 0, np.nan, whole))


def _interval(value: Sums, drawn: Sums) -> list[float | None]:
    """Value, low and high; none where nothing was there to divide by."""
    if np.isnan(value) or np.isnan(drawn).all():
        return [None, None, None]
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [round(float(each), 6) for each in (value, low, high)]

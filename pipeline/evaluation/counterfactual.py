"""What a release would have earned, from the log of the one that served: clicks of explored places, weighed by how
likely the release in use was to show there what the other one would have shown.

A click on an item in a place is taken not to depend on what stands in the other places (S. Li et al., "Offline
evaluation of ranking policies with click models", KDD 2018: the item-position model). Weights of whole lists would need
no such assumption, and more requests than a shop has: two lists are hardly ever the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.exposures import shown_items
from pipeline.evaluation.off_policy import Log, crossfitted_rates, difference, doubly_robust, ips, snips
from pipeline.evaluation.replay import replay
from pipeline.knowledge import rng
from pipeline.recommender.release import load_release

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd
    from numpy.typing import NDArray

    from pipeline.evaluation.off_policy import Estimate
    from pipeline.evaluation.replay import Replay
    from pipeline.settings import Settings

REQUESTS = 20_000
FEWEST = 100
"""Effective rows below which nothing is said: an interval from fewer has seen hardly a click."""
_PERSONAL = 1
"""Degrade levels up to this one are lists that were ranked."""


def counterfactual(
    name: str, first: dt.date, last: dt.date, settings: Settings, *, most: int = REQUESTS
) -> dict[str, Any]:
    """The click rate that release `name` would have had in the explored places of lists shown on the days `first` to
    `last`, both included, of at most so many requests, drawn evenly.

    Raises:
        ReleaseError: there is no such release, or it does not verify.
        PipelineError: nothing was shown, nothing explored, no request can be asked again, or too little is in common.
    """
    release = load_release(settings.releases / name)
    shown = _explored(first, last, settings)
    requests = np.unique(shown["request"].to_numpy(str))
    if len(requests) > most:
        requests = np.sort(rng(settings, "off-policy").choice(requests, most, replace=False))
        shown = shown[shown["request"].isin(requests)]
    sizes = {str(request): int(size) for request, size in shown.groupby("request")["place"].max().items()}
    again = replay(sizes, release, first, last, settings)
    shown = shown[shown["request"].isin(again.lists)]
    if not len(shown):
        raise PipelineError(
            f"off-policy estimate of {name}",
            expected="logged requests that the release can be asked again",
            found="; ".join(f"{count} requests: {why}" for why, count in again.aside.items()) or "none",
            remedy="Name days after the release's own, whose snapshots are still there.",
        )
    return {
        "release": name,
        "from": str(first),
        "to": str(last),
        "requests": len(again.lists),
        "aside": again.aside,
        **_estimates(shown, again, settings.seed),
    }


def _explored(first: dt.date, last: dt.date, settings: Settings) -> pd.DataFrame:
    """What was shown in places whose items were drawn."""
    shown = shown_items(first, last, settings)
    if "propensity" in shown.columns:
        shown = shown[shown["propensity"].notna() & (shown["degrade_level"] <= _PERSONAL)]
    else:
        shown = shown[:0]
    where = f"exposures of {first} to {last}"
    if not len(shown):
        raise PipelineError(
            where,
            expected="impressions that serving's own log knows too",
            found=f"none among the clean events and below {settings.exposures_folder}",
            remedy="Name days on which serving answered, and send impressions with the request id of the answer.",
        )
    drawn = shown[shown["propensity"] < 1]
    if not len(drawn):
        raise PipelineError(
            where,
            expected="places whose items were drawn",
            found=f"propensity 1 in all {len(shown)} rows: nobody was ever shown anything else",
            remedy="Let the scene `explore` (config/scenes.yaml), publish, and wait for some days of lists.",
        )
    return drawn


def _estimates(shown: pd.DataFrame, again: Replay, seed: int) -> dict[str, Any]:
    reward, propensity = shown["clicked"].to_numpy(float), shown["propensity"].to_numpy(float)
    _, user = np.unique(shown["user_id"].to_numpy(str), return_inverse=True)
    place = shown["place"].to_numpy(int) - 1
    logged = shown["item_id"].to_numpy(str)
    instead = np.array(
        [_at(again.lists[request], at) for request, at in zip(shown["request"], place, strict=True)], np.str_
    )
    log, same = Log(reward, propensity, user), (instead == logged).astype(float)
    _require_enough(same / propensity)
    model, model_of_instead = _model(logged, instead, place, reward, user)
    policy = ips(log, propensity, seed=seed)
    covered = ips(Log(np.ones_like(reward), propensity, user), same, seed=seed)
    return {
        "rows": len(shown),
        "users": int(user.max()) + 1,
        "clicks": int(reward.sum()),
        "same": int(same.sum()),
        "clicks_of_same": int((same * reward).sum()),
        "logged": _told(policy),
        "ips": _told(ips(log, same, seed=seed)),
        "snips": _told(snips(log, same, seed=seed)),
        "dr": _told(doubly_robust(log, same, model, model_of_instead, seed=seed)),
        "difference": _told(difference(log, same, seed=seed)),
        "covered": _told(covered),
        "effective_rows": round(covered.effective_rows, 1),
    }


def _at(items: tuple[str, ...], place: int) -> str:
    """The item in a place; empty where the list is shorter."""
    return items[place] if place < len(items) else ""


def _require_enough(weight: NDArray[np.float64]) -> None:
    effective = weight.sum() ** 2 / max((weight**2).sum(), 1e-300)
    if effective < FEWEST:
        raise PipelineError(
            "off-policy estimate",
            expected=f"at least {FEWEST} effective rows",
            found=f"{effective:.0f}: of {len(weight)} explored places {int((weight > 0).sum())} showed what the release"
            " would show there",
            remedy="Take more days or requests, or explore a larger share of them among fewer candidates.",
        )


def _model(
    logged: NDArray[np.str_],
    instead: NDArray[np.str_],
    place: NDArray[np.int64],
    reward: NDArray[np.float64],
    user: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected rewards of what was shown and of what would have been, from other users' rows."""
    names, item = np.unique(np.concatenate([logged, instead]), return_inverse=True)
    item, other = item[: len(logged)], item[len(logged) :]
    rates, fold = crossfitted_rates(item, place, reward, user, items=len(names), places=int(place.max()) + 1)
    return rates[fold, item, place], rates[fold, other, place]


def _told(estimate: Estimate) -> list[float]:
    """Value, low and high."""
    return [round(each, 6) for each in (estimate.value, estimate.low, estimate.high)]

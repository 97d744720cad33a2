"""Lists of the release and its rivals against what users then bought, as one report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.intervals import mean_intervals
from pipeline.evaluation.lists import coverage, diversity, novelty, popularity_lift
from pipeline.evaluation.metrics import PADDING, judge, ndcg, per_user, recall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History

    ItemLists = NDArray[np.int32]

RELEASE, CHAMPION = "release", "champion"
HEADLINE = "ndcg@20"
SIZE = 20
CURVE = (1, 2, 3, 5, 10, 15, 20)
MOST_SEGMENTS = 20
NEW_ITEM_DAYS = 28
BASKETS = ((1, 9), (10, 39), (40, None))
"""Groups of users by how many baskets they had before; in the demo shop about a sixth, a half and a third."""


@dataclass(frozen=True)
class Truth:
    """What each judged user bought afterwards.

    items: per user, distinct rows of the catalog; an item that it does not hold has a number of its own below -1
    money: per user, what was paid for each of `items`
    baskets: (users,) baskets before
    attributes: column of the table of users -> (users,) what it says of each
    """

    items: Sequence[NDArray[np.int32]]
    money: Sequence[NDArray[np.float64]]
    baskets: NDArray[np.int64]
    attributes: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)


def judgement(
    lists: Mapping[str, ItemLists], truth: Truth, catalog: Catalog, purchases: History, *, as_of: int, seed: int
) -> dict[str, Any]:
    """Means of every model, intervals of the release, differences to its rivals, and the release by group of users.

    lists: model -> (users, k); must hold `release`. purchases: what every user bought before, in rows of `catalog`.
    """
    values = {model: per_user(judge(chosen, truth.items)) for model, chosen in lists.items()}
    models = {model: {name: float(column.mean()) for name, column in of.items()} for model, of in values.items()}
    buyers = np.bincount(_pairs(purchases, len(catalog)), minlength=len(catalog))
    for model, chosen in lists.items():
        models[model] |= _money(chosen[:, :SIZE], truth)
        models[model] |= {
            f"coverage@{SIZE}": coverage(chosen[:, :SIZE], len(catalog)),
            f"novelty@{SIZE}": novelty(chosen[:, :SIZE], buyers, purchases.users),
            f"diversity@{SIZE}": diversity(chosen[:, :SIZE], catalog.groups["category"]),
            f"popularity_lift@{SIZE}": popularity_lift(chosen[:, :SIZE], buyers, purchases.item),
        }
    rivals = [model for model in lists if model not in (RELEASE, CHAMPION)]
    best = max(rivals, key=lambda model: models[model][HEADLINE], default=None)
    against = {CHAMPION: CHAMPION if CHAMPION in lists else None, "best_baseline": best}
    shown = [model for model in (RELEASE, CHAMPION, best) if model in lists]
    return {
        "models": models,
        "best_baseline": best,
        "model_intervals": {
            model: _intervals({name: of[name] for name in (HEADLINE, f"recall@{SIZE}")}, seed)
            for model, of in values.items()
        },
        "curves": {model: curves(lists[model], truth.items) for model in shown if model is not None},
        "intervals": _intervals(values[RELEASE], seed),
        "differences": {
            name: _intervals({key: values[RELEASE][key] - values[model][key] for key in values[RELEASE]}, seed)
            for name, model in against.items()
            if model is not None
        },
        "groups": _groups(values[RELEASE], lists[RELEASE], truth, purchases, as_of),
        "segments": {column: _segments(values[RELEASE], of_user) for column, of_user in truth.attributes.items()},
    }


def curves(lists: ItemLists, truth: Sequence[NDArray[np.int32]]) -> dict[str, list[list[float]]]:
    """Mean ndcg and recall of the first k places, as (k, value) for k from 1 to the size of the lists."""
    judged, sizes = judge(lists, truth), [k for k in CURVE if k <= lists.shape[1]]
    return {
        name: [[k, round(float(metric(judged, k).mean()), 6)] for k in sizes]
        for name, metric in (("ndcg", ndcg), ("recall", recall))
    }


def headline(lists: ItemLists, truth: Sequence[NDArray[np.int32]]) -> dict[str, float]:
    """The two metrics of a group of users, and how many they are."""
    judged = judge(lists, truth)
    return {
        "users": len(lists),
        HEADLINE: float(ndcg(judged, SIZE).mean()),
        f"recall@{SIZE}": float(recall(judged, SIZE).mean()),
    }


def sources_of(
    lists: ItemLists, proposed: Mapping[str, NDArray[np.bool_]], truth: Truth
) -> dict[str, dict[str, float]]:
    """Recall source -> share of the listed items that it offered, that it alone offered, and share of the hits.

    proposed: source -> (users, k), whether it offered what stands at the place
    """
    shown, found = lists != PADDING, judge(lists, truth.items).matches
    offers = np.sum(list(proposed.values()), axis=0) if proposed else np.zeros(lists.shape)
    return {
        source: {
            "listed": float(places[shown].mean()) if shown.any() else 0.0,
            "alone": float((places & (offers == 1))[shown].mean()) if shown.any() else 0.0,
            "found": float(places[found].mean()) if found.any() else 0.0,
        }
        for source, places in proposed.items()
    }


def _pairs(purchases: History, items: int) -> NDArray[np.int64]:
    """The item of each distinct pair of user and item."""
    return np.asarray(np.unique(purchases.user.astype(np.int64) * items + purchases.item) % items, np.int64)


def _money(lists: ItemLists, truth: Truth) -> dict[str, float]:
    """Metrics in which every user, or every item, counts as much as was paid."""
    spent = np.array([paid.sum() for paid in truth.money])
    found = sum(
        float(paid[np.isin(items, chosen[chosen != PADDING])].sum())
        for chosen, items, paid in zip(lists, truth.items, truth.money, strict=True)
    )
    weighted = (ndcg(judge(lists, truth.items), SIZE) * spent).sum()
    total = max(float(spent.sum()), 1e-12)
    return {f"gmv_recall@{SIZE}": found / total, f"gmv_ndcg@{SIZE}": float(weighted) / total}


def _intervals(values: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, list[float]]:
    """Metric -> mean, lower and upper bound."""
    found = mean_intervals(np.stack(list(values.values()), axis=1), seed=seed)
    return {name: interval.as_json() for name, interval in zip(values, found, strict=True)}


def _groups(
    values: Mapping[str, NDArray[np.float64]], lists: ItemLists, truth: Truth, purchases: History, as_of: int
) -> dict[str, dict[str, float]]:
    """The release for users with few, some and many baskets before, and for items that are new to the shop."""
    groups = {}
    for least, most in BASKETS:
        chosen = (truth.baskets >= least) & (truth.baskets <= (most or np.inf))
        name = f"{least} to {most} baskets before" if most else f"{least} baskets before and more"
        if chosen.any():
            found = {metric: float(values[metric][chosen].mean()) for metric in (HEADLINE, f"recall@{SIZE}")}
            groups[name] = {"users": int(chosen.sum()), **found}
    return groups | _new_items(lists, truth, purchases, as_of)


def _segments(values: Mapping[str, NDArray[np.float64]], of_user: NDArray[np.str_]) -> dict[str, dict[str, float]]:
    """The release for the users of each value of an attribute, the commonest values first."""
    names, users = np.unique(of_user, return_counts=True)
    segments = {}
    for at in np.lexsort((names, -users))[:MOST_SEGMENTS]:
        chosen = of_user == names[at]
        found = {metric: float(values[metric][chosen].mean()) for metric in (HEADLINE, f"recall@{SIZE}")}
        segments[str(names[at])] = {"users": int(users[at]), **found}
    return segments


def _new_items(lists: ItemLists, truth: Truth, purchases: History, as_of: int) -> dict[str, dict[str, float]]:
    """Recall of wanted items that were first sold in the last days before, or after: nobody could know them well."""
    known = purchases.item[purchases.time < as_of - NEW_ITEM_DAYS * 86_400]
    new = [items[~np.isin(items, known)] for items in truth.items]
    wanting = np.flatnonzero([len(items) > 0 for items in new])
    if not len(wanting):
        return {}
    judged = judge(lists[wanting], [new[user] for user in wanting])
    share = sum(map(len, new)) / sum(map(len, truth.items))
    found = {"share_of_wanted": share, f"recall@{SIZE}": float(recall(judged, SIZE).mean())}
    return {f"items first sold within {NEW_ITEM_DAYS} days": {"users": len(wanting), **found}}

"""Lists of the release and its rivals against what users then bought, as one report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.intervals import mean_intervals, weighted_intervals
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
AUC, OWN_AUC = "auc", "gauc"
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
    lists: Mapping[str, ItemLists],
    truth: Truth,
    catalog: Catalog,
    purchases: History,
    aucs: Mapping[str, NDArray[np.float64]],
    *,
    as_of: int,
    seed: int,
) -> dict[str, Any]:
    """Means of every model, intervals of the release, differences to its rivals, and the release by group of users.

    lists: model -> (users, k); must hold `release`. purchases: what every user bought before, in rows of `catalog`.
    aucs: model -> (users,) as `own_aucs`, of models that score what they offer
    """
    values = {model: per_user(judge(chosen, truth.items)) for model, chosen in lists.items()}
    weighed = {model: _weighed(chosen, truth, aucs.get(model)) for model, chosen in lists.items()}
    models = {model: {name: float(column.mean()) for name, column in of.items()} for model, of in values.items()}
    buyers = np.bincount(_pairs(purchases, len(catalog)), minlength=len(catalog))
    for model, chosen in lists.items():
        models[model] |= {name: each.mean for name, each in weighed[model].items()}
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
        "intervals": _intervals(values[RELEASE], seed) | _weighed_intervals(weighed[RELEASE], seed),
        "differences": {
            name: _intervals({key: values[RELEASE][key] - values[model][key] for key in values[RELEASE]}, seed)
            | _weighed_intervals(_less(weighed[RELEASE], weighed[model]), seed)
            for name, model in against.items()
            if model is not None
        },
        "groups": _baskets(values[RELEASE], aucs.get(RELEASE), truth)
        | _new_items(lists[RELEASE], truth, purchases, as_of),
        "segments": {
            column: _segments(values[RELEASE], aucs.get(RELEASE), of_user)
            for column, of_user in truth.attributes.items()
        },
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


@dataclass(frozen=True)
class _Weighed:
    """A metric of which users do not count the same. values, weights: (users,)"""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def mean(self) -> float:
        return float((self.values * self.weights).sum() / max(self.weights.sum(), 1e-12))


def _weighed(lists: ItemLists, truth: Truth, aucs: NDArray[np.float64] | None) -> dict[str, _Weighed]:
    """Metrics in which a user counts as much as was paid, and `gauc`, which not everybody has."""
    first, spent = lists[:, :SIZE], np.array([paid.sum() for paid in truth.money], np.float64)
    found = np.array(
        [
            paid[np.isin(items, chosen[chosen != PADDING])].sum()
            for chosen, items, paid in zip(first, truth.items, truth.money, strict=True)
        ]
    )
    share = np.divide(found, spent, out=np.zeros(len(spent)), where=spent > 0)
    money = {f"gmv_recall@{SIZE}": share, f"gmv_ndcg@{SIZE}": ndcg(judge(first, truth.items), SIZE)}
    weighed = {name: _Weighed(values, spent) for name, values in money.items()}
    if aucs is not None and not np.isnan(aucs).all():
        weighed[OWN_AUC] = _Weighed(np.nan_to_num(aucs), 1.0 - np.isnan(aucs))
    return weighed


def _less(one: Mapping[str, _Weighed], other: Mapping[str, _Weighed]) -> dict[str, _Weighed]:
    """The differences, of users that count in both."""
    return {
        name: _Weighed(one[name].values - other[name].values, np.minimum(one[name].weights, other[name].weights))
        for name in one.keys() & other.keys()
    }


def _intervals(values: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, list[float]]:
    """Metric -> mean, lower and upper bound."""
    found = mean_intervals(np.stack(list(values.values()), axis=1), seed=seed)
    return {name: interval.as_json() for name, interval in zip(values, found, strict=True)}


def _weighed_intervals(values: Mapping[str, _Weighed], seed: int) -> dict[str, list[float]]:
    """The same of metrics of which somebody counts."""
    told = {name: each for name, each in sorted(values.items()) if each.weights.sum() > 0}
    if not told:
        return {}
    columns = (np.stack([getattr(each, part) for each in told.values()], axis=1) for part in ("values", "weights"))
    found = weighted_intervals(*columns, seed=seed)
    return {name: interval.as_json() for name, interval in zip(told, found, strict=True)}


def _part(
    values: Mapping[str, NDArray[np.float64]], aucs: NDArray[np.float64] | None, chosen: NDArray[np.bool_]
) -> dict[str, float]:
    """The release for the chosen users (users,) alone."""
    found = {metric: float(values[metric][chosen].mean()) for metric in (HEADLINE, f"recall@{SIZE}")}
    if aucs is not None and not np.isnan(aucs[chosen]).all():
        found[OWN_AUC] = float(np.nanmean(aucs[chosen]))
    return {"users": int(chosen.sum()), **found}


def _baskets(
    values: Mapping[str, NDArray[np.float64]], aucs: NDArray[np.float64] | None, truth: Truth
) -> dict[str, dict[str, float]]:
    """The release for users with few, some and many baskets before."""
    groups = {}
    for least, most in BASKETS:
        chosen = (truth.baskets >= least) & (truth.baskets <= (most or np.inf))
        name = f"{least} to {most} baskets before" if most else f"{least} baskets before and more"
        if chosen.any():
            groups[name] = _part(values, aucs, chosen)
    return groups


def _segments(
    values: Mapping[str, NDArray[np.float64]], aucs: NDArray[np.float64] | None, of_user: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """The release for the users of each value of an attribute, the commonest values first."""
    names, users = np.unique(of_user, return_counts=True)
    commonest = names[np.lexsort((names, -users))[:MOST_SEGMENTS]]
    return {str(name): _part(values, aucs, of_user == name) for name in commonest}


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

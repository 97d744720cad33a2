"""The shop's rules about a list: what may not be in it, and how it is arranged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.schema import EVENT_KINDS, PURCHASE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History
    from pipeline.settings import Scene


def allowed(
    items: NDArray[np.int32], catalog: Catalog, history: History, scene: Scene, exclude: Sequence[str]
) -> NDArray[np.bool_]:
    """Which of `items` (n,) may be shown: on sale, not excluded by the request, nor bought before where the scene
    says so.
    """
    keep = np.array(catalog.available[items])
    if exclude:
        keep &= ~np.isin(items, catalog.rows_of_ids(exclude))
    if scene.exclude_bought:
        keep &= ~np.isin(items, history.item[history.kind == EVENT_KINDS.index(PURCHASE)])
    return keep


def arrange(
    items: NDArray[np.int32], scores: NDArray[np.float32], catalog: Catalog, scene: Scene, size: int
) -> NDArray[np.intp]:
    """Positions in `items` of the list to show: best score first, equal scores by item row,
    at most `max_per_category` of one category until nothing else is left.
    """
    order = np.lexsort((items, -scores))
    if scene.max_per_category is None or not len(order):
        return order[:size]
    category = catalog.groups["category"][items[order]]
    within = np.empty(len(order), np.int64)  # how many of the same category stand before
    by_category = np.argsort(category, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(category[by_category]) != 0])
    within[by_category] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    late = within >= scene.max_per_category
    return np.concatenate([order[~late], order[late]])[:size]

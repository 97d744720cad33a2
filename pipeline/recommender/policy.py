"""The shop's rules about a list: what may not be in it, and how it is arranged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.schema import EVENT_KINDS, PURCHASE
from pipeline.recommender.exploration import explored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History
    from pipeline.settings import Scene


@dataclass(frozen=True)
class Arranged:
    """A list to show. order: (k,) positions in what was ranked; propensity: (k,) how likely each was to stand there,
    None where the scene does not explore.
    """

    order: NDArray[np.intp]
    propensity: NDArray[np.float64] | None = None


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
    items: NDArray[np.int32], scores: NDArray[np.float32], catalog: Catalog, scene: Scene, size: int, draw: str = ""
) -> Arranged:
    """The list to show: best score first, equal scores by item row, at most `max_per_category` of one category until
    nothing else is left; where the scene explores, the first of them in random order for some of the `draw`s.

    draw: names what is drawn; empty: nothing is
    """
    order = np.lexsort((items, -scores))
    late = _late(catalog.groups["category"][items[order]], scene.max_per_category)
    first, rest = order[~late], order[late]
    if scene.explore is None or not draw:
        return Arranged(np.concatenate([first, rest])[:size])
    shown, propensity = explored(first, scene.explore, draw, size)
    left = rest[: max(size - len(first), 0)]
    return Arranged(np.concatenate([shown, left]), np.concatenate([propensity, np.ones(len(left))]))


def _late(category: NDArray[np.int32], most: int | None) -> NDArray[np.bool_]:
    """(n,) whether so many of the same category stand before each."""
    if most is None or not len(category):
        return np.zeros(len(category), bool)
    within = np.empty(len(category), np.int64)
    by_category = np.argsort(category, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(category[by_category]) != 0])
    within[by_category] = np.arange(len(category)) - np.repeat(starts, np.diff(np.r_[starts, len(category)]))
    return within >= most

"""What lists are like whatever users then did: how much of the shop they show, how usual, how much of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.evaluation.metrics import PADDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    ItemLists = NDArray[np.integer]


def coverage(lists: ItemLists, items: int) -> float:
    """Share of the catalog's `items` that stand in at least one list; range [0, 1]."""
    return float(len(np.unique(lists[lists != PADDING])) / max(items, 1))


def novelty(lists: ItemLists, buyers: NDArray[np.integer], users: int) -> float:
    """Bits of surprise of a listed item: mean of -log2 of the share of `users` who have bought it.

    buyers: (items,) users who bought each item. An item that nobody bought counts as if one more user had.
    S. Vargas, P. Castells, "Rank and relevance in novelty and diversity metrics", RecSys 2011.
    """
    shown = lists[lists != PADDING]
    if not len(shown):
        return 0.0
    share = np.maximum(buyers[shown], 1) / max(users, 1)
    return float(-np.log2(np.minimum(share, 1)).mean())


def diversity(lists: ItemLists, groups: NDArray[np.integer]) -> float:
    """Share of the pairs within a list that are of different groups, mean over lists of two and more; range [0, 1].

    groups: (items,) category of each item
    """
    shares = []
    for chosen in lists:
        items = chosen[chosen != PADDING]
        if len(items) < 2:  # noqa: PLR2004 - a pair
            continue
        sizes = np.unique(groups[items], return_counts=True)[1]
        pairs = len(items) * (len(items) - 1)
        shares.append(1 - (sizes * (sizes - 1)).sum() / pairs)
    return float(np.mean(shares)) if shares else 0.0


def popularity_lift(lists: ItemLists, buyers: NDArray[np.integer], bought: NDArray[np.integer]) -> float:
    """How much more popular listed items are than those that users bought by themselves; 0: just as popular.

    bought: (events,) items of the users' own purchases.
    H. Abdollahpouri et al., "The unfairness of popularity bias in recommendation", RMSE 2019, there for each user.
    """
    own = float(buyers[bought].mean()) if len(bought) else 0.0
    shown = lists[lists != PADDING]
    return float(buyers[shown].mean() / own - 1) if own and len(shown) else 0.0

"""What everybody did in a category."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.definitions.item import PRIOR_LINES
from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.repeats import Gaps, Pairs
    from feature_store.tables import Purchases, Value


@stored(entity="category", unit="users", default=0.0)
def category_buyer_count_28d(purchases: Purchases) -> Value:
    """Users who bought in the category in the last 28 days. Source: purchases."""
    return purchases.buyers(28)


@stored(entity="category", unit="lines", default=0.0)
def category_line_count_7d(purchases: Purchases) -> Value:
    """Order lines of the category in the last 7 days. Source: purchases."""
    return purchases.lines(7)


@stored(entity="category", unit="lines", default=0.0)
def category_line_count_28d(purchases: Purchases) -> Value:
    """Order lines of the category in the last 28 days. Source: purchases."""
    return purchases.lines(28)


@stored(entity="category", unit="items", default=0.0)
def category_item_count_28d(purchases: Purchases) -> Value:
    """Different items of the category sold in the last 28 days: how wide the choice is. Source: purchases."""
    return purchases.items(28)


@stored(entity="category", unit="money", default=0.0)
def category_spent_per_line_91d(purchases: Purchases) -> Value:
    """Money paid for a line of the category, on average over the last 91 days. Source: purchases."""
    return purchases.spent(91) / purchases.lines(91).nullif(0)


@stored(entity="category", unit="ratio", default=0.0, range=(0.0, 1.0))
def category_discount_share_28d(purchases: Purchases) -> Value:
    """Part of the regular price that was taken off in the category in the last 28 days, smoothed as if two more lines
    had been sold with the whole shop's part; 0 where none was. Source: purchases.
    """
    return purchases.discount_share(28, PRIOR_LINES)


@stored(entity="category", unit="ratio", default=0.0, range=(0.0, 1.0))
def category_basket_share_91d(purchases: Purchases) -> Value:
    """Share of the whole shop's baskets of the last 91 days that held the category. Not an estimate: every basket of
    the shop is counted, and the shares of single users are smoothed towards this. Source: purchases.
    """
    return purchases.basket_share(91)


@stored(entity="category", unit="ratio", default=0.2, range=(0.0, 1.0))
def category_repeat_share(pairs: Pairs) -> Value:
    """Share of buyers of an item of the category who bought that item again, smoothed as if ten more had been seen who
    do as the whole shop's buyers of an item do; a fifth where nobody bought one. Source: purchases.
    """
    return pairs.repeat_share(prior_buyers=10)


@stored(entity="category", unit="days", default=400.0)
def category_mean_gap_days(gaps: Gaps) -> Value:
    """Days between two purchases of the same item of the category by the same user; 400 for never.

    Source: purchases.
    """
    return gaps.mean_days()

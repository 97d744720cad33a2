"""What a user did, whatever the item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.definitions.item import PRIOR_LINES
from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.repeats import Pairs
    from feature_store.tables import Purchases, Value

VARIETY_LINES = 10
"""Of fewer lines nearly all are different, whatever the user's way: the shop's variety weighs as much as ten."""


@stored(entity="user", unit="baskets", default=0.0)
def user_basket_count_7d(purchases: Purchases) -> Value:
    """Baskets of the last 7 days. Source: purchases."""
    return purchases.baskets(7)


@stored(entity="user", unit="baskets", default=0.0)
def user_basket_count_28d(purchases: Purchases) -> Value:
    """Baskets of the last 28 days. Source: purchases."""
    return purchases.baskets(28)


@stored(entity="user", unit="baskets", default=0.0)
def user_basket_count_91d(purchases: Purchases) -> Value:
    """Baskets of the last 91 days. Source: purchases."""
    return purchases.baskets(91)


@stored(entity="user", unit="lines", default=0.0)
def user_lines_per_basket_91d(purchases: Purchases) -> Value:
    """Lines in a basket, on average over the last 91 days. Source: purchases."""
    return purchases.lines(91) / purchases.baskets(91).nullif(0)


@stored(entity="user", unit="money", default=0.0)
def user_spent_28d(purchases: Purchases) -> Value:
    """Money spent in the last 28 days. Source: purchases."""
    return purchases.spent(28)


@stored(entity="user", unit="money", default=0.0)
def user_spent_per_basket_91d(purchases: Purchases) -> Value:
    """Money spent in a basket, on average over the last 91 days. Source: purchases."""
    return purchases.spent(91) / purchases.baskets(91).nullif(0)


@stored(entity="user", unit="money", default=0.0)
def user_spent_per_line_91d(purchases: Purchases) -> Value:
    """Money paid for a line, on average over the last 91 days: the user's price level. Source: purchases."""
    return purchases.spent(91) / purchases.lines(91).nullif(0)


@stored(entity="user", unit="ratio", default=0.0, range=(0.0, 1.0))
def user_discount_share_91d(purchases: Purchases) -> Value:
    """Part of the regular price that was taken off for the user in the last 91 days, smoothed as if two more lines had
    been bought with the whole shop's part; 0 where none was. Source: purchases.
    """
    return purchases.discount_share(91, PRIOR_LINES)


@stored(entity="user", unit="items", default=0.0)
def user_item_count_91d(purchases: Purchases) -> Value:
    """Different items bought in the last 91 days. Source: purchases."""
    return purchases.items(91)


@stored(entity="user", unit="ratio", default=1.0, range=(0.0, 1.0))
def user_variety_91d(purchases: Purchases) -> Value:
    """Different items per line in the last 91 days: 1 never buys the same twice. Smoothed as if ten more lines had been
    bought, as different as those of a user of the whole shop are; 1 where none was. Source: purchases.
    """
    return purchases.variety(91, VARIETY_LINES)


@stored(entity="user", unit="days", default=400.0)
def user_days_since_last_basket(pairs: Pairs) -> Value:
    """Days since the latest basket; 400 for never. Source: purchases."""
    return pairs.days_since_last()


@stored(entity="user", unit="days", default=0.0)
def user_days_since_first_basket(pairs: Pairs) -> Value:
    """Days since the first basket: how long the shop knows the user. Source: purchases."""
    return pairs.days_since_first()

"""What everybody did with the items of a brand; items without one are a brand without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.definitions.item import PRIOR_LINES
from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.repeats import Pairs
    from feature_store.tables import Purchases, Value


@stored(entity="brand", unit="users", default=0.0)
def brand_buyer_count_28d(purchases: Purchases) -> Value:
    """Users who bought the brand in the last 28 days. Source: purchases."""
    return purchases.buyers(28)


@stored(entity="brand", unit="lines", default=0.0)
def brand_line_count_28d(purchases: Purchases) -> Value:
    """Order lines of the brand in the last 28 days. Source: purchases."""
    return purchases.lines(28)


@stored(entity="brand", unit="items", default=0.0)
def brand_item_count_91d(purchases: Purchases) -> Value:
    """Different items of the brand sold in the last 91 days: how wide its range is. Source: purchases."""
    return purchases.items(91)


@stored(entity="brand", unit="money", default=0.0)
def brand_spent_per_line_91d(purchases: Purchases) -> Value:
    """Money paid for a line of the brand, on average over the last 91 days: its price level. Source: purchases."""
    return purchases.spent(91) / purchases.lines(91).nullif(0)


@stored(entity="brand", unit="ratio", default=0.0, range=(0.0, 1.0))
def brand_discount_share_28d(purchases: Purchases) -> Value:
    """Part of the regular price that was taken off for the brand in the last 28 days, smoothed as if two more lines had
    been sold with the whole shop's part; 0 where none was. Source: purchases.
    """
    return purchases.discount_share(28, PRIOR_LINES)


@stored(entity="brand", unit="ratio", default=0.0, range=(0.0, 1.0))
def brand_basket_share_91d(purchases: Purchases) -> Value:
    """Share of the whole shop's baskets of the last 91 days that held the brand. Not an estimate: every basket of the
    shop is counted, and the shares of single users are smoothed towards this. Source: purchases.
    """
    return purchases.basket_share(91)


@stored(entity="brand", unit="ratio", default=0.2, range=(0.0, 1.0))
def brand_repeat_share(pairs: Pairs) -> Value:
    """Share of buyers of an item of the brand who bought that item again, smoothed as if ten more had been seen who do
    as the whole shop's buyers of an item do; a fifth where nobody bought one. Source: purchases.
    """
    return pairs.repeat_share(prior_buyers=10)

"""What everybody did with an item.

Windows are whole weeks, 28 days for a month and 91 for a quarter: each holds every day of the week equally often, so
that no value moves because one Saturday more lies in the window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.repeats import Gaps, Pairs
    from feature_store.tables import Prices, Promotions, Purchases, Value

PRIOR_LINES = 2
"""A discount is smoothed as if two more lines had been sold: few, for the shop sets it, and one line tells much."""


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count_7d(pairs: Pairs) -> Value:
    """Users who bought the item in the last 7 days. Source: purchases."""
    return pairs.buyers(7)


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count_28d(pairs: Pairs) -> Value:
    """Users who bought the item in the last 28 days. Source: purchases."""
    return pairs.buyers(28)


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count(pairs: Pairs) -> Value:
    """Users who ever bought the item. Source: purchases."""
    return pairs.buyers()


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_1d(purchases: Purchases) -> Value:
    """Order lines with the item on the day itself. Source: purchases."""
    return purchases.lines(1)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_7d(purchases: Purchases) -> Value:
    """Order lines with the item in the last 7 days. Source: purchases."""
    return purchases.lines(7)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_28d(purchases: Purchases) -> Value:
    """Order lines with the item in the last 28 days. Source: purchases."""
    return purchases.lines(28)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_91d(purchases: Purchases) -> Value:
    """Order lines with the item in the last 91 days. Source: purchases."""
    return purchases.lines(91)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count(pairs: Pairs) -> Value:
    """Order lines with the item since the archive begins. Source: purchases."""
    return pairs.lines()


@stored(entity="item", unit="pieces", default=1.0)
def item_pieces_per_line(pairs: Pairs) -> Value:
    """Pieces bought at a time, on average. Source: purchases."""
    return pairs.quantity() / pairs.lines()


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_discount_share_7d(purchases: Purchases) -> Value:
    """Part of the regular price that was taken off in the last 7 days, smoothed as if two more lines had been sold with
    the whole shop's part; 0 where none was. Source: purchases.
    """
    return purchases.discount_share(7, PRIOR_LINES)


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_discount_share_91d(purchases: Purchases) -> Value:
    """Part of the regular price that was taken off in the last 91 days, smoothed as if two more lines had been sold
    with the whole shop's part; 0 where none was. Source: purchases.
    """
    return purchases.discount_share(91, PRIOR_LINES)


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_basket_share_91d(purchases: Purchases) -> Value:
    """Share of the whole shop's baskets of the last 91 days that held the item. Not an estimate: every basket of the
    shop is counted, and the shares of single users are smoothed towards this. Source: purchases.
    """
    return purchases.basket_share(91)


@stored(entity="item", unit="days", default=400.0)
def item_days_since_last_sale(pairs: Pairs) -> Value:
    """Days since anybody bought the item; 400 for never. Source: purchases."""
    return pairs.days_since_last()


@stored(entity="item", unit="days", default=0.0)
def item_days_since_first_sale(pairs: Pairs) -> Value:
    """Days since the item was first bought: its age in the shop. Source: purchases."""
    return pairs.days_since_first()


@stored(entity="item", unit="ratio", default=0.2, range=(0.0, 1.0))
def item_repeat_share(pairs: Pairs) -> Value:
    """Share of the item's buyers who bought it again, smoothed as if ten more had been seen who do as the whole shop's
    buyers of an item do; a fifth where nobody bought it. Source: purchases.
    """
    return pairs.repeat_share(prior_buyers=10)


@stored(entity="item", unit="days", default=400.0)
def item_mean_gap_days(gaps: Gaps) -> Value:
    """Days between two purchases of the item by the same user; 400 where nobody bought it again. Source: purchases."""
    return gaps.mean_days()


@stored(entity="item", unit="money", default=0.0)
def item_price(prices: Prices) -> Value:
    """The price in force at the end of the day, before discounts; 0 where none is known. Source: price list."""
    return prices.latest()


@stored(entity="item", unit="ratio", default=1.0)
def item_price_over_mean_91d(prices: Prices) -> Value:
    """The price in force against the mean of those of the last 91 days; below 1 it is cheap now. Source: price list."""
    return prices.latest() / prices.mean(91).nullif(0)


@stored(entity="item", unit="changes", default=0.0)
def item_price_change_count_28d(prices: Prices) -> Value:
    """How often the price changed in the last 28 days. Source: price list."""
    return prices.changes(28)


@stored(entity="item", unit="ratio", default=0.0)
def item_advertised_next_7d(promotions: Promotions) -> Value:
    """How much the shop will advertise the item in the coming week: 1 is everywhere and every day. Not an estimate: the
    shop's own plan says so. Source: promotions.
    """
    return promotions.coming("advertised", 7)


@stored(entity="item", unit="ratio", default=0.0)
def item_displayed_next_7d(promotions: Promotions) -> Value:
    """How much of the shop will give the item a better place in the coming week: 1 is everywhere and every day. Not an
    estimate: the shop's own plan says so. Source: promotions.
    """
    return promotions.coming("displayed", 7)


@stored(entity="item", unit="ratio", default=0.0)
def item_advertised_182d(promotions: Promotions) -> Value:
    """How much the shop advertised the item in the last half year: what is usual. Not an estimate: the shop's own plan
    says so. Source: promotions.
    """
    return promotions.past("advertised", 182)

"""What everybody did with an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.tables import Events, Prices, Value


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count_7d(events: Events) -> Value:
    """Users who bought the item in the last 7 days. Source: purchases."""
    return events.buyers(7)


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count_28d(events: Events) -> Value:
    """Users who bought the item in the last 28 days. Source: purchases."""
    return events.buyers(28)


@stored(entity="item", unit="users", default=0.0)
def item_buyer_count(events: Events) -> Value:
    """Users who ever bought the item. Source: purchases."""
    return events.buyers()


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_1d(events: Events) -> Value:
    """Order lines with the item on the day itself. Source: purchases."""
    return events.lines(1)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_7d(events: Events) -> Value:
    """Order lines with the item in the last 7 days. Source: purchases."""
    return events.lines(7)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_28d(events: Events) -> Value:
    """Order lines with the item in the last 28 days. Source: purchases."""
    return events.lines(28)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count_91d(events: Events) -> Value:
    """Order lines with the item in the last 91 days. Source: purchases."""
    return events.lines(91)


@stored(entity="item", unit="lines", default=0.0)
def item_line_count(events: Events) -> Value:
    """Order lines with the item since the archive begins. Source: purchases."""
    return events.lines()


@stored(entity="item", unit="pieces", default=1.0)
def item_pieces_per_line(events: Events) -> Value:
    """Pieces bought at a time, on average. Source: purchases."""
    return events.quantity() / events.lines()


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_discount_share_7d(events: Events) -> Value:
    """Part of the regular price that was taken off in the last 7 days. Source: purchases."""
    return events.discount_share(7)


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_discount_share_91d(events: Events) -> Value:
    """Part of the regular price that was taken off in the last 91 days. Source: purchases."""
    return events.discount_share(91)


@stored(entity="item", unit="days", default=400.0)
def item_days_since_last_sale(events: Events) -> Value:
    """Days since anybody bought the item; 400 for never. Source: purchases."""
    return events.days_since_last()


@stored(entity="item", unit="days", default=0.0)
def item_days_since_first_sale(events: Events) -> Value:
    """Days since the item was first bought: its age in the shop. Source: purchases."""
    return events.days_since_first()


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

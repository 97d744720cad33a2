"""What everybody did in a category."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.tables import Events, Value


@stored(entity="category", unit="users", default=0.0)
def category_buyer_count_28d(events: Events) -> Value:
    """Users who bought in the category in the last 28 days. Source: purchases."""
    return events.buyers(28)


@stored(entity="category", unit="lines", default=0.0)
def category_line_count_7d(events: Events) -> Value:
    """Order lines of the category in the last 7 days. Source: purchases."""
    return events.lines(7)


@stored(entity="category", unit="lines", default=0.0)
def category_line_count_28d(events: Events) -> Value:
    """Order lines of the category in the last 28 days. Source: purchases."""
    return events.lines(28)


@stored(entity="category", unit="items", default=0.0)
def category_item_count_28d(events: Events) -> Value:
    """Different items of the category sold in the last 28 days: how wide the choice is. Source: purchases."""
    return events.items(28)


@stored(entity="category", unit="money", default=0.0)
def category_spent_per_line_91d(events: Events) -> Value:
    """Money paid for a line of the category, on average over the last 91 days. Source: purchases."""
    return events.spent(91) / events.lines(91).nullif(0)


@stored(entity="category", unit="ratio", default=0.0, range=(0.0, 1.0))
def category_discount_share_28d(events: Events) -> Value:
    """Part of the regular price that was taken off in the category in the last 28 days. Source: purchases."""
    return events.discount_share(28)

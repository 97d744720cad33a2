"""From looking to buying. Every rate is smoothed as if 20 more users had done as the whole shop does.

A shop without click stream has no lookers and keeps the defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.behaviour import Looks
    from feature_store.tables import Value

PRIOR_USERS = 20
"""As many users as it takes until an item's own rate weighs as much as the shop's."""


@stored(entity="item", unit="users", default=0.0)
def item_looker_count_28d(looks: Looks) -> Value:
    """Users who viewed the item or clicked on it in the last 28 days. Source: events."""
    return looks.lookers()


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_view_to_cart_rate_28d(looks: Looks) -> Value:
    """Share of the users who looked at the item in the last 28 days who put it into the cart then, smoothed as
    if 20 more had done as the whole shop's do; 0 where nobody looked. Source: events.
    """
    return looks.share("carted", "looked", PRIOR_USERS)


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_cart_to_purchase_rate_28d(looks: Looks) -> Value:
    """Share of the users who put the item into the cart in the last 28 days who bought it then, smoothed as if 20
    more had done as the whole shop's do; 0 where nobody did. Source: events.
    """
    return looks.share("bought", "carted", PRIOR_USERS)


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_view_to_purchase_rate_28d(looks: Looks) -> Value:
    """Share of the users who looked at the item in the last 28 days who bought it then, smoothed as if 20 more had
    done as the whole shop's do; 0 where nobody looked. Source: events.
    """
    return looks.share("bought", "looked", PRIOR_USERS)


@stored(entity="category", unit="ratio", default=0.0, range=(0.0, 1.0))
def category_view_to_purchase_rate_28d(looks: Looks) -> Value:
    """Share of the users who looked at an item of the category in the last 28 days who bought that item then, over all
    its items, smoothed as if 20 more had done as the whole shop's do; 0 where nobody looked. Source: events.
    """
    return looks.share("bought", "looked", PRIOR_USERS)

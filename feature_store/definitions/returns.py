"""How much of what was bought came back. Every rate is smoothed as if 20 more lines had been as in the whole shop.

A shop that tells of no refunds has rates of 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.behaviour import Returns
    from feature_store.tables import Value

PRIOR_LINES = 20
"""As many lines as it takes until an item's or a user's own rate weighs as much as the shop's."""


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_refund_rate_90d(returns: Returns) -> Value:
    """Share of the item's lines of the last 90 days, bought or given back, that were given back, smoothed as if 20 more
    had been as in the whole shop; 0 where there was no line. Source: purchases and refunds.
    """
    return returns.rate(PRIOR_LINES)


@stored(entity="user", unit="ratio", default=0.0, range=(0.0, 1.0))
def user_refund_rate_90d(returns: Returns) -> Value:
    """Share of the user's lines of the last 90 days, bought or given back, that were given back, smoothed as if 20 more
    had been as in the whole shop; 0 where there was no line. Source: purchases and refunds.
    """
    return returns.rate(PRIOR_LINES)

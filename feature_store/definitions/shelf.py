"""Where an item stands in the shop: how long it is listed, how its price stands beside others, when it comes again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.behaviour import Listed, Shelf
    from feature_store.repeats import Gaps
    from feature_store.siblings import Siblings
    from feature_store.tables import Value


@stored(entity="item", unit="days", default=0.0)
def item_days_listed(listed: Listed) -> Value:
    """The item's age: days since the shop listed it. Source: catalogue."""
    return listed.days_listed()


@stored(entity="item", unit="pieces", default=-1.0, range=(-1.0, math.inf))
def item_stock(listed: Listed) -> Value:
    """Pieces in stock, as the source said last; -1 where it says nothing. Source: catalogue."""
    return listed.stock()


@stored(entity="item", unit="ratio", default=0.5, range=(0.0, 1.0))
def item_price_rank_in_category(shelf: Shelf) -> Value:
    """Share of the other prices of the item's category that are lower: 0 is the cheapest, 1 the dearest; a half where
    no price is known. Not an estimate: the whole price list is looked at. Source: price list.
    """
    return shelf.price_rank()


@stored(entity="item", unit="ratio", default=0.0, range=(0.0, 1.0))
def item_subcategory_basket_share_91d(siblings: Siblings) -> Value:
    """Share of the whole shop's baskets of the last 91 days that held the item's subcategory. Not an estimate: every
    basket of the shop is counted, and the shares of single users are smoothed towards this. Source: purchases.
    """
    return siblings.subcategory_share()


@stored(entity="item", unit="ratio", default=0.0)
def item_rivals_advertised_share_91d(siblings: Siblings) -> Value:
    """Of the whole shop's lines of the last 91 days in the subcategory, the part of other items, each times how much
    the shop advertises it in the coming week. Not an estimate: every line of the shop is counted, and the shares of
    single users are smoothed towards this. Source: purchases, promotions.
    """
    return siblings.rivals_share("advertised")


@stored(entity="item", unit="ratio", default=0.0)
def item_rivals_displayed_share_91d(siblings: Siblings) -> Value:
    """Of the whole shop's lines of the last 91 days in the subcategory, the part of other items, each times how much of
    the shop gives it a better place in the coming week. Not an estimate: every line of the shop is counted, and the
    shares of single users are smoothed towards this. Source: purchases, promotions.
    """
    return siblings.rivals_share("displayed")


@stored(entity="item", unit="days", default=400.0)
def item_median_gap_days(gaps: Gaps) -> Value:
    """Days between two purchases of the item by the same user, the median of all; 400 where nobody bought it again.

    Source: purchases.
    """
    return gaps.median_days()


@stored(entity="category", unit="days", default=400.0)
def category_median_gap_days(gaps: Gaps) -> Value:
    """Days between two purchases of the same item of the category by the same user, the median of all; 400 for never.

    Source: purchases.
    """
    return gaps.median_days()

"""The item as it looks to this user, and as recall saw it."""

from __future__ import annotations

import numpy as np

from feature_store.arithmetic import at_least, smoothed, where_known
from feature_store.spec import Column, request

_ONE = np.float32(1)
_PRIOR_LINES = np.float32(10)
"""As many lines as it takes until a category's own month weighs as much as the shop's quarter."""
_LEAST_SHARE = 1e-12
"""Below that of any category that was sold."""


@request(unit="ratio", default=1.0)
def item_trend_7d_over_28d(item_line_count_7d: Column, item_line_count_28d: Column) -> Column:
    """Sales of the last week against an average week of the last four, smoothed by one line; 1 means no change.

    Source: purchases.
    """
    return (item_line_count_7d + _ONE) / (item_line_count_28d / np.float32(4) + _ONE)


@request(unit="ratio", default=1.0)
def item_trend_28d_over_91d(item_line_count_28d: Column, item_line_count_91d: Column) -> Column:
    """Sales of the last four weeks against an average four of the last 13, smoothed by one line; 1 means no change.

    Source: purchases.
    """
    return (item_line_count_28d + _ONE) / (item_line_count_91d * np.float32(4 / 13) + _ONE)


@request(unit="lines", default=1.0)
def item_lines_per_buyer(item_line_count: Column, item_buyer_count: Column) -> Column:
    """How often a buyer of the item has bought it: above 1 it is bought again; 1 where nobody did.

    Source: purchases.
    """
    return item_line_count / where_known(item_buyer_count)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def item_share_of_category_28d(
    item_line_count_28d: Column,
    category_line_count_28d: Column,
    item_basket_share_91d: Column,
    category_basket_share_91d: Column,
) -> Column:
    """The item's part of its category's lines in the last 28 days, smoothed as if ten more had been the item's as often
    as the whole shop's baskets of the last 91 days with the category held it. Source: purchases.
    """
    of_shop = item_basket_share_91d / at_least(category_basket_share_91d, _LEAST_SHARE)
    return smoothed(item_line_count_28d, category_line_count_28d, of_shop, _PRIOR_LINES)


@request(unit="ratio", default=1.0)
def user_item_price_ratio(item_price: Column, user_spent_per_line_91d: Column) -> Column:
    """Price of the item against what the user usually pays for a line; 1 means the same, or that one is unknown.

    Source: price list, purchases.
    """
    return where_known(item_price) / where_known(user_spent_per_line_91d)


@request(unit="ratio", default=1.0)
def category_price_ratio(item_price: Column, category_spent_per_line_91d: Column) -> Column:
    """Price of the item against what is usually paid in its category; 1 means the same, or that one is unknown.

    Source: price list, purchases.
    """
    return where_known(item_price) / where_known(category_spent_per_line_91d)


@request(unit="ratio", default=0.0, range=(-1.0, 1.0))
def item_discount_now(item_discount_share_7d: Column, item_discount_share_91d: Column) -> Column:
    """Discount of the last week beyond the usual one, both smoothed; above 0 it is on offer. Source: purchases."""
    return item_discount_share_7d - item_discount_share_91d


@request(unit="baskets", default=0.0)
def user_item_expected_baskets_7d(user_item_basket_share_91d: Column, user_basket_count_28d: Column) -> Column:
    """Baskets with the item to expect in a week at the user's usual rhythm. Source: recent history, purchases."""
    return user_item_basket_share_91d * user_basket_count_28d / np.float32(4)


@request(unit="score", default=0.0)
def itemcf_score(recall_itemcf: Column) -> Column:
    """How similar the item is to what the user buys (Sarwar et al., WWW 2001); 0 when not offered.

    Source: recall source `itemcf`.
    """
    return recall_itemcf


@request(unit="score", default=0.0)
def usercf_score(recall_usercf: Column) -> Column:
    """How much users like this one buy the item; 0 when not offered. Source: recall source `usercf`."""
    return recall_usercf


@request(unit="score", default=0.0)
def category_score(recall_category: Column) -> Column:
    """How popular the item is in the user's favourite groups; 0 when not offered. Source: recall source `category`."""
    return recall_category


@request(unit="score", default=0.0)
def personal_score(recall_personal: Column) -> Column:
    """How often and how lately the user bought the item; 0 when not offered. Source: recall source `personal`."""
    return recall_personal

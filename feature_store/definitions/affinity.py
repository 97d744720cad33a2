"""The user's own past with the item, its category, subcategory and brand, up to the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import at_least, smoothed, where_known
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from feature_store.occurrences import Occurrences

NEVER_DAYS = 400.0
"""Stands for "never" where days are counted: longer than a year, so that it is no real interval."""
_LEAST_SHARE = 1e-12
"""Below that of any group that was sold."""
PRIOR_BASKETS = np.float32(2)
"""A share is smoothed as if two more baskets had been seen that are as the whole shop's of the last 91 days."""


@request(unit="baskets", default=0.0)
def user_item_basket_count(same_item: Occurrences) -> Column:
    """Baskets in which the user bought the item. Source: recent history."""
    return same_item.count()


@request(unit="baskets", default=0.0)
def user_item_basket_count_28d(same_item: Occurrences) -> Column:
    """Baskets of the last 28 days in which the user bought the item. Source: recent history."""
    return same_item.count(28)


@request(unit="baskets", default=0.0)
def user_item_basket_count_91d(same_item: Occurrences) -> Column:
    """Baskets of the last 91 days in which the user bought the item. Source: recent history."""
    return same_item.count(91)


@request(unit="baskets", default=0.0)
def user_item_habit_15d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 15 days. Source: recent history."""
    return same_item.decayed(15)


@request(unit="baskets", default=0.0)
def user_item_habit_45d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 45 days. Source: recent history."""
    return same_item.decayed(45)


@request(unit="baskets", default=0.0)
def user_item_habit_120d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 120 days. Source: recent history."""
    return same_item.decayed(120)


@request(unit="days", default=NEVER_DAYS)
def user_item_days_since_last(same_item: Occurrences) -> Column:
    """Days since the user last bought the item; 400 for never. Source: recent history."""
    return same_item.days_since_last


@request(unit="days", default=0.0)
def user_item_days_since_first(same_item: Occurrences) -> Column:
    """Days since the user first bought the item; 0 for never. Source: recent history."""
    return same_item.days_since_first


@request(unit="days", default=NEVER_DAYS)
def user_item_mean_gap_days(same_item: Occurrences) -> Column:
    """Mean days between the user's baskets with the item; 400 below two of them. Source: recent history."""
    return same_item.mean_gap_days


@request(unit="ratio", default=0.0)
def user_item_due(same_item: Occurrences) -> Column:
    """Time since the last purchase over the user's own mean interval: 1 is due now; 0 when no interval is known.

    Source: recent history.
    """
    return same_item.days_since_last / at_least(same_item.mean_gap_days, 1)


@request(unit="pieces", default=0.0)
def user_item_quantity(same_item: Occurrences) -> Column:
    """Pieces of the item the user ever bought. Source: recent history."""
    return same_item.quantity()


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_basket_share(same_item: Occurrences, any_item: Occurrences, item_basket_share_91d: Column) -> Column:
    """Share of the user's baskets that held the item, smoothed as if two more had held it as often as the whole shop's
    do. Source: recent history, purchases.
    """
    return smoothed(same_item.count(), any_item.count(), item_basket_share_91d, PRIOR_BASKETS)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_basket_share_91d(same_item: Occurrences, any_item: Occurrences, item_basket_share_91d: Column) -> Column:
    """Share of the user's baskets of the last 91 days that held the item, smoothed as if two more had held it as often
    as the whole shop's do. Source: recent history, purchases.
    """
    return smoothed(same_item.count(91), any_item.count(91), item_basket_share_91d, PRIOR_BASKETS)


@request(unit="baskets", default=0.0)
def user_subcategory_habit_45d(same_subcategory: Occurrences) -> Column:
    """Baskets with the item's subcategory, each worth half after 45 days. Source: recent history."""
    return same_subcategory.decayed(45)


@request(unit="baskets", default=0.0)
def user_subcategory_basket_count(same_subcategory: Occurrences) -> Column:
    """Baskets in which the user bought from the item's subcategory. Source: recent history."""
    return same_subcategory.count()


@request(unit="days", default=NEVER_DAYS)
def user_subcategory_days_since_last(same_subcategory: Occurrences) -> Column:
    """Days since the user last bought from the item's subcategory; 400 for never. Source: recent history."""
    return same_subcategory.days_since_last


@request(unit="ratio", default=0.0)
def user_subcategory_due(same_subcategory: Occurrences) -> Column:
    """Time since the last purchase in the subcategory over the user's own mean interval; 0 when none is known.

    Source: recent history.
    """
    return same_subcategory.days_since_last / at_least(same_subcategory.mean_gap_days, 1)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_share_of_subcategory(
    same_item: Occurrences,
    same_subcategory: Occurrences,
    item_basket_share_91d: Column,
    item_subcategory_basket_share_91d: Column,
) -> Column:
    """How faithful the user is to this item within its subcategory: share of their baskets with the subcategory, each
    worth half after 120 days, that held it, smoothed as if two more were as those of the whole shop.

    Source: recent history, purchases.
    """
    of_shop = item_basket_share_91d / at_least(item_subcategory_basket_share_91d, _LEAST_SHARE)
    return smoothed(same_item.decayed(120), same_subcategory.decayed(120), of_shop, PRIOR_BASKETS)


@request(unit="baskets", default=0.0)
def user_category_habit_45d(same_category: Occurrences) -> Column:
    """Baskets with the item's category, each worth half after 45 days. Source: recent history."""
    return same_category.decayed(45)


@request(unit="days", default=NEVER_DAYS)
def user_category_days_since_last(same_category: Occurrences) -> Column:
    """Days since the user last bought from the item's category; 400 for never. Source: recent history."""
    return same_category.days_since_last


@request(unit="ratio", default=0.0)
def user_category_due(same_category: Occurrences) -> Column:
    """Time since the last purchase in the category over the user's own mean interval; 0 when none is known.

    Source: recent history.
    """
    return same_category.days_since_last / at_least(same_category.mean_gap_days, 1)


@request(unit="money", default=0.0)
def user_category_spent_91d(same_category: Occurrences) -> Column:
    """Money the user spent in the item's category in the last 91 days. Source: recent history."""
    return same_category.spent(91)


@request(unit="baskets", default=0.0)
def user_brand_habit_45d(same_brand: Occurrences) -> Column:
    """Baskets with the item's brand, each worth half after 45 days. Source: recent history."""
    return same_brand.decayed(45)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_brand_basket_share(same_brand: Occurrences, any_item: Occurrences, brand_basket_share_91d: Column) -> Column:
    """Share of the user's baskets that held the item's brand, smoothed as if two more had held it as often as the whole
    shop's do. Source: recent history, purchases.
    """
    return smoothed(same_brand.count(), any_item.count(), brand_basket_share_91d, PRIOR_BASKETS)


@request(unit="days", default=NEVER_DAYS)
def user_days_since_last_purchase(any_item: Occurrences) -> Column:
    """Days since the user bought anything; 400 for never. Source: recent history."""
    return any_item.days_since_last


@request(unit="days", default=NEVER_DAYS)
def user_mean_basket_gap_days(any_item: Occurrences) -> Column:
    """Mean days between the user's baskets; 400 below two of them. Source: recent history."""
    return any_item.mean_gap_days


@request(unit="baskets", default=0.0)
def user_item_habit_365d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after a year. Source: recent history."""
    return same_item.decayed(365)


@request(unit="baskets", default=0.0)
def user_item_count_in_last_3_baskets(same_item: Occurrences) -> Column:
    """How many of the user's last three baskets held the item. Source: recent history."""
    return same_item.count_in_last(3)


@request(unit="baskets", default=0.0)
def user_item_count_in_last_10_baskets(same_item: Occurrences) -> Column:
    """How many of the user's last ten baskets held the item. Source: recent history."""
    return same_item.count_in_last(10)


@request(unit="baskets", default=NEVER_DAYS)
def user_item_baskets_since_last(same_item: Occurrences) -> Column:
    """Baskets of anything since the user last bought the item; 400 for never. Source: recent history."""
    return same_item.baskets_since_last


@request(unit="ratio", default=0.0)
def user_item_due_as_usual(same_item: Occurrences, item_mean_gap_days: Column) -> Column:
    """Time since the user's last purchase over the interval at which others buy the item again; 0 for never.

    Source: recent history, purchases.
    """
    return same_item.days_since_last / at_least(item_mean_gap_days, 1)


@request(unit="ratio", default=1.0)
def user_item_last_quantity_ratio(same_item: Occurrences) -> Column:
    """Pieces bought last time against the user's usual number: above 1 the stock lasts longer.

    Source: recent history.
    """
    return same_item.last_quantity * same_item.count() / at_least(same_item.quantity(), 1e-3)


@request(unit="ratio", default=1.0)
def user_item_price_over_paid(same_item: Occurrences, item_price: Column) -> Column:
    """The price in force against what the user paid for the item so far; below 1 it is cheap now.

    Source: recent history, price list.
    """
    return where_known(item_price) * same_item.quantity() / where_known(same_item.spent())


@request(unit="days", default=0.0)
def user_item_days_behind_subcategory(same_item: Occurrences, same_subcategory: Occurrences) -> Column:
    """How much longer ago the user bought the item than anything of its subcategory: above 0 it was replaced.

    Source: recent history.
    """
    return same_item.days_since_last - same_subcategory.days_since_last


@request(unit="baskets", default=0.0)
def user_subcategory_count_in_last_3_baskets(same_subcategory: Occurrences) -> Column:
    """How many of the user's last three baskets held the item's subcategory. Source: recent history."""
    return same_subcategory.count_in_last(3)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_subcategory_basket_share_91d(
    same_subcategory: Occurrences, any_item: Occurrences, item_subcategory_basket_share_91d: Column
) -> Column:
    """Share of the user's baskets of the last 91 days that held the item's subcategory, smoothed as if two more had
    held it as often as the whole shop's do. Source: recent history, purchases.
    """
    return smoothed(same_subcategory.count(91), any_item.count(91), item_subcategory_basket_share_91d, PRIOR_BASKETS)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_category_basket_share_91d(
    same_category: Occurrences, any_item: Occurrences, category_basket_share_91d: Column
) -> Column:
    """Share of the user's baskets of the last 91 days that held the item's category, smoothed as if two more had held
    it as often as the whole shop's do. Source: recent history, purchases.
    """
    return smoothed(same_category.count(91), any_item.count(91), category_basket_share_91d, PRIOR_BASKETS)

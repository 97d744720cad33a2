"""The user's own past with the item, its category, subcategory and brand, up to the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import at_least
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from feature_store.occurrences import Occurrences

NEVER_DAYS = 400.0
"""Stands for "never" where days are counted: longer than a year, so that it is no real interval."""
PRIOR_BASKETS = np.float32(2)
"""A share is smoothed as if two more baskets without the item had been seen."""


@request(unit="baskets", default=0.0)
def user_item_basket_count(same_item: Occurrences) -> Column:
    """Baskets in which the user bought the item."""
    return same_item.count()


@request(unit="baskets", default=0.0)
def user_item_basket_count_28d(same_item: Occurrences) -> Column:
    """Baskets of the last 28 days in which the user bought the item."""
    return same_item.count(28)


@request(unit="baskets", default=0.0)
def user_item_basket_count_91d(same_item: Occurrences) -> Column:
    """Baskets of the last 91 days in which the user bought the item."""
    return same_item.count(91)


@request(unit="baskets", default=0.0)
def user_item_habit_15d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 15 days."""
    return same_item.decayed(15)


@request(unit="baskets", default=0.0)
def user_item_habit_45d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 45 days."""
    return same_item.decayed(45)


@request(unit="baskets", default=0.0)
def user_item_habit_120d(same_item: Occurrences) -> Column:
    """Baskets with the item, each worth half after 120 days."""
    return same_item.decayed(120)


@request(unit="days", default=NEVER_DAYS)
def user_item_days_since_last(same_item: Occurrences) -> Column:
    """Days since the user last bought the item; 400 for never."""
    return same_item.days_since_last


@request(unit="days", default=0.0)
def user_item_days_since_first(same_item: Occurrences) -> Column:
    """Days since the user first bought the item; 0 for never."""
    return same_item.days_since_first


@request(unit="days", default=NEVER_DAYS)
def user_item_mean_gap_days(same_item: Occurrences) -> Column:
    """Mean days between the user's baskets with the item; 400 below two of them."""
    return same_item.mean_gap_days


@request(unit="ratio", default=0.0)
def user_item_due(same_item: Occurrences) -> Column:
    """Time since the last purchase over the user's own mean interval: 1 is due now; 0 when no interval is known."""
    return same_item.days_since_last / at_least(same_item.mean_gap_days, 1)


@request(unit="pieces", default=0.0)
def user_item_quantity(same_item: Occurrences) -> Column:
    """Pieces of the item the user ever bought."""
    return same_item.quantity()


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_basket_share(same_item: Occurrences, all_events: Occurrences) -> Column:
    """Share of the user's baskets that held the item, smoothed towards 0."""
    return same_item.count() / (all_events.count() + PRIOR_BASKETS)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_basket_share_91d(same_item: Occurrences, all_events: Occurrences) -> Column:
    """Share of the user's baskets of the last 91 days that held the item, smoothed towards 0."""
    return same_item.count(91) / (all_events.count(91) + PRIOR_BASKETS)


@request(unit="baskets", default=0.0)
def user_subcategory_habit_45d(same_subcategory: Occurrences) -> Column:
    """Baskets with the item's subcategory, each worth half after 45 days."""
    return same_subcategory.decayed(45)


@request(unit="baskets", default=0.0)
def user_subcategory_basket_count(same_subcategory: Occurrences) -> Column:
    """Baskets in which the user bought from the item's subcategory."""
    return same_subcategory.count()


@request(unit="days", default=NEVER_DAYS)
def user_subcategory_days_since_last(same_subcategory: Occurrences) -> Column:
    """Days since the user last bought from the item's subcategory; 400 for never."""
    return same_subcategory.days_since_last


@request(unit="ratio", default=0.0)
def user_subcategory_due(same_subcategory: Occurrences) -> Column:
    """Time since the last purchase in the subcategory over the user's own mean interval; 0 when none is known."""
    return same_subcategory.days_since_last / at_least(same_subcategory.mean_gap_days, 1)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_item_share_of_subcategory(same_item: Occurrences, same_subcategory: Occurrences) -> Column:
    """How faithful the user is to this item within its subcategory, by baskets decayed with 120 days."""
    return same_item.decayed(120) / at_least(same_subcategory.decayed(120), 1e-3)


@request(unit="baskets", default=0.0)
def user_category_habit_45d(same_category: Occurrences) -> Column:
    """Baskets with the item's category, each worth half after 45 days."""
    return same_category.decayed(45)


@request(unit="days", default=NEVER_DAYS)
def user_category_days_since_last(same_category: Occurrences) -> Column:
    """Days since the user last bought from the item's category; 400 for never."""
    return same_category.days_since_last


@request(unit="ratio", default=0.0)
def user_category_due(same_category: Occurrences) -> Column:
    """Time since the last purchase in the category over the user's own mean interval; 0 when none is known."""
    return same_category.days_since_last / at_least(same_category.mean_gap_days, 1)


@request(unit="money", default=0.0)
def user_category_spent_91d(same_category: Occurrences) -> Column:
    """Money the user spent in the item's category in the last 91 days."""
    return same_category.spent(91)


@request(unit="baskets", default=0.0)
def user_brand_habit_45d(same_brand: Occurrences) -> Column:
    """Baskets with the item's brand, each worth half after 45 days."""
    return same_brand.decayed(45)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def user_brand_basket_share(same_brand: Occurrences, all_events: Occurrences) -> Column:
    """Share of the user's baskets that held the item's brand, smoothed towards 0."""
    return same_brand.count() / (all_events.count() + PRIOR_BASKETS)


@request(unit="days", default=NEVER_DAYS)
def user_days_since_last_event(all_events: Occurrences) -> Column:
    """Days since the user did anything; 400 for never."""
    return all_events.days_since_last


@request(unit="days", default=NEVER_DAYS)
def user_mean_basket_gap_days(all_events: Occurrences) -> Column:
    """Mean days between the user's baskets; 400 below two of them."""
    return all_events.mean_gap_days

"""What else of its subcategory, among what the user buys, is promoted in the coming week: a substitute on offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import smoothed
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from feature_store.occurrences import Occurrences

HALF_LIFE_DAYS = 120
PRIOR_LINES = np.float32(2)
"""A share is smoothed as if two more lines had been bought that are as the whole shop's of the last 91 days."""


def _of_others(same_subcategory: Occurrences, same_item: Occurrences, promoted: Column) -> Column:
    everything = same_subcategory.decayed_lines(HALF_LIFE_DAYS, promoted)
    others: Column = np.maximum(everything - same_item.decayed_lines(HALF_LIFE_DAYS, promoted), np.float32(0))
    return others


@request(unit="lines", default=0.0)
def user_rivals_advertised(
    same_subcategory: Occurrences, same_item: Occurrences, every_item_advertised_next_7d: Column
) -> Column:
    """The user's lines of other items of the subcategory, each worth half after 120 days, times how much the shop
    advertises that item in the coming week. Source: purchases, promotions.
    """
    return _of_others(same_subcategory, same_item, every_item_advertised_next_7d)


@request(unit="ratio", default=0.0)
def user_rivals_advertised_share(
    user_rivals_advertised: Column, same_subcategory: Occurrences, item_rivals_advertised_share_91d: Column
) -> Column:
    """How much of what the user buys in the subcategory is another item that is advertised in the coming week, smoothed
    as if two more lines were as those of the whole shop. Source: recent history, purchases, promotions.
    """
    lines = same_subcategory.decayed_lines(HALF_LIFE_DAYS)
    return smoothed(user_rivals_advertised, lines, item_rivals_advertised_share_91d, PRIOR_LINES)


@request(unit="ratio", default=0.0)
def user_subcategory_advertised(same_subcategory: Occurrences, every_item_advertised_next_7d: Column) -> Column:
    """The most that any item which the user bought in the subcategory is advertised in the coming week.

    Source: recent history, promotions.
    """
    return same_subcategory.largest(every_item_advertised_next_7d)


@request(unit="lines", default=0.0)
def user_rivals_displayed(
    same_subcategory: Occurrences, same_item: Occurrences, every_item_displayed_next_7d: Column
) -> Column:
    """The user's lines of other items of the subcategory, each worth half after 120 days, times how much of the shop
    gives that item a better place in the coming week. Source: purchases, promotions.
    """
    return _of_others(same_subcategory, same_item, every_item_displayed_next_7d)


@request(unit="ratio", default=0.0)
def user_rivals_displayed_share(
    user_rivals_displayed: Column, same_subcategory: Occurrences, item_rivals_displayed_share_91d: Column
) -> Column:
    """How much of what the user buys in the subcategory is another item with a better place in the coming week,
    smoothed as if two more lines were as those of the whole shop. Source: recent history, purchases, promotions.
    """
    lines = same_subcategory.decayed_lines(HALF_LIFE_DAYS)
    return smoothed(user_rivals_displayed, lines, item_rivals_displayed_share_91d, PRIOR_LINES)


@request(unit="ratio", default=0.0)
def user_subcategory_displayed(same_subcategory: Occurrences, every_item_displayed_next_7d: Column) -> Column:
    """The most of the shop that gives any item which the user bought in the subcategory a better place then.

    Source: recent history, promotions.
    """
    return same_subcategory.largest(every_item_displayed_next_7d)

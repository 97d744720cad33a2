"""How alike the item is to what the user had to do with, by its text and by its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import row_dot, smoothed
from feature_store.definitions.affinity import PRIOR_BASKETS
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.occurrences import Occurrences


@request(unit="cosine", default=0.0, range=(-1.0, 1.0))
def content_text_similarity(item_text: NDArray[np.float32], user_text: NDArray[np.float32]) -> Column:
    """How alike title and tags of the item are to those of the user's latest 200 events, each worth half after a month;
    0 where one says nothing. Source: catalogue, recent history.
    """
    return np.clip(row_dot(item_text, user_text), -1, 1)


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def content_tag_similarity(
    user_category_habit_45d: Column,
    user_subcategory_habit_45d: Column,
    user_brand_habit_45d: Column,
    any_item: Occurrences,
    category_basket_share_91d: Column,
    item_subcategory_basket_share_91d: Column,
    brand_basket_share_91d: Column,
) -> Column:
    """Share of the user's baskets that held the item's category, its subcategory, its brand: the mean of the three,
    each basket worth half after 45 days, smoothed as if two more were as those of the whole shop.

    Source: recent history, purchases.
    """
    held = user_category_habit_45d + user_subcategory_habit_45d + user_brand_habit_45d
    of_shop = category_basket_share_91d + item_subcategory_basket_share_91d + brand_basket_share_91d
    third = np.float32(1 / 3)
    return np.minimum(smoothed(third * held, any_item.decayed(45), third * of_shop, PRIOR_BASKETS), np.float32(1))

"""How alike the item is to what the user had to do with, by its text and by its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import row_dot, where_known
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
) -> Column:
    """Share of the user's baskets that held the item's category, its subcategory, its brand: the mean of the three,
    each basket worth half after 45 days. Source: recent history.
    """
    held = user_category_habit_45d + user_subcategory_habit_45d + user_brand_habit_45d
    return held / (np.float32(3) * where_known(any_item.decayed(45)))

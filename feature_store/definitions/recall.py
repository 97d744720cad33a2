"""How much further recall sources offer the item: a ranker sees the scores of those that some scene asks."""

from __future__ import annotations

from feature_store.spec import Column, request


@request(unit="score", default=0.0)
def tag_score(recall_tag: Column) -> Column:
    """How popular the item is among those with tags that the user likes; 0 when not offered.

    Source: recall source `tag`.
    """
    return recall_tag


@request(unit="score", default=0.0)
def brand_score(recall_brand: Column) -> Column:
    """How popular the item is in the user's favourite brands; 0 when not offered. Source: recall source `brand`."""
    return recall_brand


@request(unit="score", default=0.0)
def price_band_score(recall_price_band: Column) -> Column:
    """How popular the item is at the prices that the user pays in its category; 0 when not offered.

    Source: recall source `price_band`.
    """
    return recall_price_band


@request(unit="score", default=0.0)
def segment_score(recall_segment: Column) -> Column:
    """How many of the users with similar interests want the item lately; 0 when not offered.

    Source: recall source `segment`.
    """
    return recall_segment


@request(unit="score", default=0.0)
def trending_score(recall_trending: Column) -> Column:
    """How many users want the item in these days, times how much more that is than usual; 0 when not offered.

    Source: recall source `trending`.
    """
    return recall_trending


@request(unit="score", default=0.0)
def new_item_score(recall_new_items: Column) -> Column:
    """How well an item that is new to the shop sells, and how near it is to the user's groups; 0 when not offered.

    Source: recall source `new_items`.
    """
    return recall_new_items


@request(unit="score", default=0.0)
def item2vec_score(recall_item2vec: Column) -> Column:
    """How alike the baskets around the item are to those around the user's items; 0 when not offered.

    Source: recall source `item2vec`.
    """
    return recall_item2vec


@request(unit="score", default=0.0)
def als_score(recall_als: Column) -> Column:
    """How much the user wants the item by factors of users and items (Hu et al., ICDM 2008); 0 when not offered.

    Source: recall source `als`.
    """
    return recall_als


@request(unit="score", default=0.0)
def content_score(recall_content: Column) -> Column:
    """How alike title and tags of the item are to those of the user's items; 0 when not offered.

    Source: recall source `content`.
    """
    return recall_content

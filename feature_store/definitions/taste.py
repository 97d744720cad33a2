"""How wide a user's taste is, and how loyal they are to what they know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.behaviour import Mix
    from feature_store.repeats import Pairs
    from feature_store.tables import Value

PRIOR_LINES = 5
"""A user who bought once has a favourite by chance: the shop's spread weighs as much as five lines."""


@stored(entity="user", unit="nats", default=0.0)
def user_category_entropy_91d(category_mix: Mix) -> Value:
    """How evenly the user's lines of the last 91 days spread over categories: 0 for one only. Source: purchases."""
    return category_mix.entropy()


@stored(entity="user", unit="nats", default=0.0)
def user_brand_entropy_91d(brand_mix: Mix) -> Value:
    """How evenly the user's lines of the last 91 days spread over brands: 0 for one only. Source: purchases."""
    return brand_mix.entropy()


@stored(entity="user", unit="ratio", default=0.0, range=(0.0, 1.0))
def user_top_category_share_91d(category_mix: Mix) -> Value:
    """Part of the user's lines of the last 91 days that the favourite category has. Smoothed as if five more lines
    had spread over categories as the whole shop's do; 0 where none was bought. Source: purchases.
    """
    return category_mix.largest_share(PRIOR_LINES)


@stored(entity="user", unit="ratio", default=0.0, range=(0.0, 1.0))
def user_top_brand_share_91d(brand_mix: Mix) -> Value:
    """Part of the user's lines of the last 91 days that the favourite brand has: loyalty to it. Smoothed as if five
    more lines had spread over brands as the whole shop's do; 0 where none was bought. Source: purchases.
    """
    return brand_mix.largest_share(PRIOR_LINES)


@stored(entity="user", unit="ratio", default=0.2, range=(0.0, 1.0))
def user_repeat_share(pairs: Pairs) -> Value:
    """Share of the items the user ever bought that they bought again, smoothed as if ten more items had been bought of
    which as many came again as in the whole shop. Source: purchases.
    """
    return pairs.repeat_share(prior_buyers=10)

"""How wide a user's taste is, and how loyal they are to what they know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.spec import stored

if TYPE_CHECKING:
    from feature_store.behaviour import Mix
    from feature_store.repeats import Pairs
    from feature_store.tables import Value


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
    """Part of the user's lines of the last 91 days that the favourite category has. Source: purchases."""
    return category_mix.largest_share()


@stored(entity="user", unit="ratio", default=0.0, range=(0.0, 1.0))
def user_top_brand_share_91d(brand_mix: Mix) -> Value:
    """Part of the user's lines of the last 91 days that the favourite brand has: loyalty to it. Source: purchases."""
    return brand_mix.largest_share()


@stored(entity="user", unit="ratio", default=0.2, range=(0.0, 1.0))
def user_repeat_share(pairs: Pairs) -> Value:
    """Share of the items the user ever bought that they bought again, smoothed as if ten more items had been bought of
    which as many came again as in the whole shop. Source: purchases.
    """
    return pairs.repeat_share(prior_buyers=10)

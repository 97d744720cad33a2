"""What is popular now of the brands that the user likes, in the whole shop and where they buy the brand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.groups import GroupSource, popular_within, stacked
from pipeline.recommender.recall.interest import HABIT, LATELY, Decay
from pipeline.recommender.recall.popular import popularity

if TYPE_CHECKING:
    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class BrandConfig:
    """Which brands are favourites, and which of their items are offered."""

    within: tuple[str, ...] = ("category", "any")
    """A brand counts within each of these levels; "any": in the whole shop."""
    decay: Decay = HABIT
    """Of the asker's interest in a brand."""
    popularity: Decay = LATELY
    """Of an item's sales within its brand."""
    brands_per_user: int = 100
    """Favourites asked, over all levels."""
    items_per_brand: int = 50


@dataclass(frozen=True)
class Brand(GroupSource):
    """Popular items of the asker's brands; an item without a brand has none."""

    name: ClassVar[str] = "brand"
    config: ClassVar[type[BrandConfig]] = BrandConfig

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: BrandConfig = BrandConfig(),
    ) -> Self:
        users = popularity(history, len(catalog), as_of, config.popularity) * catalog.available
        brand, names = catalog.groups["brand"], catalog.names["brand"]
        of_level = (catalog.all_groups[level].astype(np.int64) * len(names) + brand for level in config.within)
        numbered = (np.unique(pair, return_inverse=True)[1] for pair in of_level)
        groups = stacked([np.where(names[brand] == "", -1, group) for group in numbered])
        return cls(
            groups,
            popular_within(groups, users, config.items_per_brand),
            config.decay.array(),
            np.array([config.brands_per_user], np.int64),
        )

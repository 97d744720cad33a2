"""What is popular now at the prices that the user pays: cheap milk for one, dear milk for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.groups import GroupSource, popular_within, stacked
from pipeline.recommender.recall.interest import HABIT, LATELY, Decay
from pipeline.recommender.recall.popular import popularity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class PriceBandConfig:
    """How prices are cut into bands, and which items of a band are offered."""

    levels: tuple[str, ...] = ("category", "subcategory")
    """Prices are compared within these groups only: a dear yoghurt is cheaper than any roast."""
    bands: int = 4
    """Of each group, with as many items in each."""
    decay: Decay = HABIT
    """Of the asker's interest in a band."""
    popularity: Decay = LATELY
    """Of an item's sales within its band."""
    bands_per_user: int = 100
    items_per_band: int = 50


@dataclass(frozen=True)
class PriceBand(GroupSource):
    """Popular items of the asker's price bands; items of unknown price are a band of their own in each group."""

    name: ClassVar[str] = "price_band"
    config: ClassVar[type[PriceBandConfig]] = PriceBandConfig

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: PriceBandConfig = PriceBandConfig(),
    ) -> Self:
        users = popularity(history, len(catalog), as_of, config.popularity) * catalog.available
        price = paid_per_piece(history, len(catalog))
        of_level = []
        for level in config.levels:
            group, names = catalog.groups[level], catalog.names[level]
            band = group.astype(np.int64) * (config.bands + 1) + price_bands(price, group, config.bands)
            of_level.append(np.where(names[group] == "", -1, band))
        groups = stacked(of_level)
        return cls(
            groups,
            popular_within(groups, users, config.items_per_band),
            config.decay.array(),
            np.array([config.bands_per_user], np.int64),
        )


def paid_per_piece(history: History, items: int) -> NDArray[np.float64]:
    """Mean money paid for a piece of each item, shape (items,), 0 where nobody paid."""
    paid = np.flatnonzero((history.value > 0) & (history.quantity > 0))
    money = np.bincount(history.item[paid], weights=history.value[paid], minlength=items)
    pieces = np.bincount(history.item[paid], weights=history.quantity[paid], minlength=items)
    return np.divide(money, pieces, out=np.zeros(items), where=pieces > 0)


def price_bands(price: NDArray[np.float64], group: NDArray[np.integer], bands: int) -> NDArray[np.int64]:
    """The band of each item among the priced ones of its group, 1 (cheapest) to `bands`; 0 where the price is 0.

    Equal prices of a group share a band.

    >>> price_bands(np.array([1.0, 9.0, 2.0, 8.0, 0.0]), np.zeros(5, int), 2).tolist()
    [1, 2, 1, 2, 0]
    """
    found = np.zeros(len(price), np.int64)
    priced = np.flatnonzero(price > 0)
    order = priced[np.lexsort((price[priced], group[priced]))]
    if not len(order):
        return found
    opens = np.r_[True, group[order][1:] != group[order][:-1]]
    starts = np.flatnonzero(opens)
    sizes = np.diff(np.r_[starts, len(order)])
    new_price = opens | np.r_[True, price[order][1:] != price[order][:-1]]
    # Where a price first stands in its group decides for all items of that price.
    first = np.maximum.accumulate(np.where(new_price, np.arange(len(order)), 0)) - np.repeat(starts, sizes)
    found[order] = 1 + first * bands // np.repeat(sizes, sizes)
    return found

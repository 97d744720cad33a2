"""The same list for everybody: what most users wanted in the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.recommender.baselines.lists import filled, popular_items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class PopularLists:
    name: str = "popular 30d"

    def lists(
        self, history: History, catalog: Catalog, as_of: int, users: NDArray[np.integer], k: int
    ) -> NDArray[np.int32]:
        popular = popular_items(history, catalog, as_of)
        return filled([popular] * len(users), popular, k)

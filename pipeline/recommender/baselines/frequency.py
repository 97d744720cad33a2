"""What the user buys most: hard to beat where people buy the same things again.

"P-TopFreq" in M. Li, S. Jullien, M. Ariannezhad, M. de Rijke, "A next basket recommendation reality check",
ACM TOIS 41(4), 2023, which finds it ahead of many neural models on groceries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.recommender.baselines.lists import filled, popular_items, top
from pipeline.recommender.recall.interest import UNDECAYED, Decay, tastes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class FrequencyLists:
    """The user's own items by baskets, each worth half after every `half_life_days` (None: always 1)."""

    half_life_days: float | None = None

    @property
    def name(self) -> str:
        return "frequency" if self.half_life_days is None else f"frequency {self.half_life_days:g}d"

    def lists(
        self, history: History, catalog: Catalog, as_of: int, users: NDArray[np.integer], k: int
    ) -> NDArray[np.int32]:
        decay = UNDECAYED if self.half_life_days is None else Decay((self.half_life_days,), (1.0,))
        baskets = tastes(history, len(catalog), as_of, decay)
        return filled(top(baskets[users], k), popular_items(history, catalog, as_of), k)

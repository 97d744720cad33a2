"""The user's own item frequencies under two decays, blended with those of the nearest users ("TIFU-KNN").

H. Hu, X. He, J. Gao, Z.-L. Zhang, "Modeling personalized item frequency information for next-basket recommendation",
SIGIR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from pipeline.recommender.baselines.baskets import basket_lines
from pipeline.recommender.baselines.lists import blocks, filled, popular_items
from pipeline.recommender.recall.source import best_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class TifuKnnLists:
    """Names beside the fields are the paper's.

    Chosen one after the other by mean ndcg@20 of the weeks from 2017-09-25, 10-09 and 10-23 on The Complete Journey:
    0.2529, against 0.2521 where the search began (7, 0.9, 0.7, 300, 0.7). Groups of 3 and 15 baskets have 0.240 and
    0.246, a group decay of 0.9 has 0.246; neighbours and own share hardly matter (0.2515 to 0.2529).
    """

    group_size: int = 7
    """m, baskets in a group."""
    basket_decay: float = 0.95
    """r_b, what a basket is worth against the next one of its group."""
    group_decay: float = 0.7
    """r_g, what a group is worth against the next one."""
    neighbours: int = 300
    """k, other users whose mean is blended in."""
    own_share: float = 0.7
    """alpha, the part of the user's own frequencies."""
    name: str = "TIFU-KNN"

    def lists(
        self, history: History, catalog: Catalog, as_of: int, users: NDArray[np.integer], k: int
    ) -> NDArray[np.int32]:
        vectors = self.vectors(history, len(catalog))
        own = []
        for asked in blocks(users, len(catalog)):
            scores = (self._weights(vectors, asked) @ vectors).toarray()
            own += [best_rows(row, k).items for row in scores]
        return filled(own, popular_items(history, catalog, as_of), k)

    def vectors(self, history: History, items: int) -> sparse.csr_array:
        """Every user's personalised item frequencies, (users, items) float64.

        A basket is worth r_b to the power of the baskets after it in its group; a group is the mean of its baskets,
        worth r_g to the power of the groups after it; the vector is the mean of the groups. Groups are counted from
        the latest basket on, so that the earliest group may be short.
        """
        lines = basket_lines(history)
        group, place = np.divmod(lines.later, self.group_size)
        baskets = lines.baskets[lines.user]
        groups = -(-baskets // self.group_size)
        in_group = np.minimum(self.group_size, baskets - group * self.group_size)
        weight = self.basket_decay**place / in_group * self.group_decay**group / groups
        pairs = sparse.coo_array((weight, (lines.user, lines.item)), shape=(history.users, items))
        vectors: sparse.csr_array = pairs.tocsr()
        vectors.sort_indices()
        return vectors

    def _weights(self, vectors: sparse.csr_array, asked: NDArray[np.integer]) -> sparse.csr_array:
        """How much each user's vector counts for each of the `asked` (n,): alpha for their own, (1 - alpha) / k for
        the k nearest by Euclidean distance; shape (n, users).
        """
        squares = vectors.multiply(vectors).sum(axis=1)
        distance = squares - 2 * (vectors[asked] @ vectors.T).toarray()  # but for the asker's own square
        distance[np.arange(len(asked)), asked] = np.inf
        nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(self.neighbours, vectors.shape[0] - 1)]
        row = np.repeat(np.arange(len(asked)), nearest.shape[1])
        shared = np.full(nearest.size, (1 - self.own_share) / max(nearest.shape[1], 1))
        return sparse.csr_array(
            (
                np.concatenate([np.full(len(asked), self.own_share), shared]),
                (np.concatenate([np.arange(len(asked)), row]), np.concatenate([asked, nearest.ravel()])),
            ),
            shape=(len(asked), vectors.shape[0]),
        )

"""How good the order of a ranker is on askers whose candidates are all at hand: quicker than asking `recommend()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples


def ndcg_of_order(
    scores: NDArray[np.floating], examples: Examples, wanted: NDArray[np.int64], k: int = 20
) -> NDArray[np.float64]:
    """(askers,) ndcg@k of each asker's candidates by score, of equal ones the earlier row first, as lists are made.

    wanted: (askers,) items that each bought, offered or not: what was not offered is lost
    """
    asker = examples.asker
    order = np.lexsort((np.arange(len(scores)), -scores, asker))
    starts = np.cumsum(examples.group) - examples.group
    rank = np.arange(len(scores)) - np.repeat(starts, examples.group)
    hit = (examples.label[order] > 0) & (rank < k)
    gain = np.bincount(asker[hit], weights=1 / np.log2(rank[hit] + 2), minlength=len(wanted))
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])[np.minimum(wanted, k)]
    return np.asarray(np.divide(gain, best, out=np.zeros(len(wanted)), where=best > 0))

"""Which candidates are worth ranking where a scene ranks fewer than its recall sources offer.

Scores of sources cannot be compared, places can: G. Cormack, C. Clarke, S. Büttcher, "Reciprocal rank fusion
outperforms Condorcet and individual rank learning methods", SIGIR 2009; there every source weighs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.recommender.recall.source import Candidates

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAMPING = 60
"""Of the paper: the first place is worth little more than the second, so that one source alone decides nothing."""


def fused(found: Mapping[str, Candidates], weights: Mapping[str, float], most: int) -> dict[str, Candidates]:
    """What each source offers of the `most` items with the largest sum of weight / (60 + place) over the sources;
    of equal ones those of lower rows.
    """
    points = [weights[name] / (_DAMPING + 1 + np.arange(len(offered.items))) for name, offered in found.items()]
    items, at = np.unique(np.concatenate([offered.items for offered in found.values()]), return_inverse=True)
    total = np.bincount(at, weights=np.concatenate(points), minlength=len(items))
    kept = items[np.lexsort((items, -total))[:most]]
    inside = {name: np.isin(offered.items, kept) for name, offered in found.items()}
    return {
        name: Candidates(offered.items[inside[name]], offered.scores[inside[name]]) for name, offered in found.items()
    }

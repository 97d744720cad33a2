"""How well scores tell what was bought from what else was offered: the area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Scores = Sequence[NDArray[np.float32]]
    Labels = Sequence[NDArray[np.bool_]]


def auc(scores: NDArray[np.floating], bought: NDArray[np.bool_]) -> float:
    """The chance that a bought item has a higher score than another, a tie counting half; NaN without either kind.

    scores, bought: (n,). J. Hanley, B. McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.

    >>> auc(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]))
    0.5
    """
    yes = int(bought.sum())
    no = len(bought) - yes
    if not yes or not no:
        return float("nan")
    return float((rankdata(scores)[bought].sum() - yes * (yes + 1) / 2) / (yes * no))


def own_aucs(scores: Scores, bought: Labels) -> NDArray[np.float64]:
    """(users,) the `auc` of each user's own rows, one array a user; NaN where the user has one kind alone.

    The mean is `gauc`: a ranker is taught the order within a user, so that is what it is good at; `auc` over all rows
    at once also asks whether scores mean the same from user to user. H. Zhu et al., "Optimized cost per click in Taobao
    display advertising", KDD 2017, weigh users by impressions; here everybody counts the same, as in all metrics.
    """
    return np.array([auc(*each) for each in zip(scores, bought, strict=True)], np.float64)

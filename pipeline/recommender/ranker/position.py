"""The position at which a row was shown: a column for training only.

What stands first is looked at more, whatever it is. A ranker that is told the position need not explain those looks
by the features of what usually stands first. Whoever asks has no positions yet: every row is scored as if it stood
first (Zhao et al., RecSys 2019, "Recommending what video to watch next"; Google's "Rules of ML", rule 36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples

POSITION = "shown_position"
"""Name of the column, always the last."""
SCORED_AT = np.float32(1)


def training_columns(examples: Examples, features: Sequence[str]) -> tuple[NDArray[np.float32], list[str]]:
    """The matrix to learn from (n, columns) and its names: the features, and the position where the examples tell it;
    NaN where they do not.
    """
    if examples.position is None:
        return examples.matrix, list(features)
    return np.column_stack([examples.matrix, examples.position]).astype(np.float32), [*features, POSITION]


def scoring_columns(matrix: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """The matrix (n, features) as a model of so many columns wants it."""
    if columns == matrix.shape[1]:
        return matrix
    return np.column_stack([matrix, np.full(len(matrix), SCORED_AT)]).astype(np.float32)

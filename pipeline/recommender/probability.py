"""Scores of a release read as probabilities: the table that calibration left, without the libraries that made it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoreTable:
    """scores: (points,) ascending; probabilities: (points,) never falling, in [0, 1]"""

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def probability(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n,) -> (n,), between points by a straight line; beyond the table's ends the value at its end.

        >>> ScoreTable(np.array([0.0, 2.0]), np.array([0.0, 0.5])).probability(np.array([1.0, 3.0])).tolist()
        [0.25, 0.5]
        """
        return np.asarray(np.interp(scores, self.scores, self.probabilities))


def read_score_table(schema: Path) -> ScoreTable | None:
    """The table in a ranker's `schema.json`; none where training made none, or the release is older than schemas."""
    told = json.loads(schema.read_text(encoding="utf-8")).get("calibration") if schema.is_file() else None
    return ScoreTable(np.array(told["scores"]), np.array(told["probabilities"])) if told else None

"""Scores of a release read as probabilities, by the table that `ranker/calibration.py` makes of more libraries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

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

    def as_json(self) -> dict[str, list[float]]:
        return {"scores": self.scores.tolist(), "probabilities": self.probabilities.tolist()}

    @classmethod
    def from_json(cls, content: dict[str, list[float]]) -> Self:
        return cls(np.array(content["scores"]), np.array(content["probabilities"]))


def read_score_table(schema: Path) -> ScoreTable | None:
    """The table in a ranker's `schema.json`; none where training made none, or the release is older than schemas."""
    told = json.loads(schema.read_text(encoding="utf-8")).get("calibration") if schema.is_file() else None
    return ScoreTable.from_json(told) if told else None

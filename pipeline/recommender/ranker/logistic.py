"""Logistic regression: the baseline. What it knows is a mean, a scale and a weight of each column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.explanation import shares
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.position import POSITION, scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import TrainingChoices

_COLUMNS_AT_ONCE = 16
"""A cache line of float32."""
_CONSTANT = 1e-6
"""A column whose squeezed values spread less is constant but for rounding."""
_ENDLESS = np.float32(1e30)
"""A scale beside which every distance is nothing, and which JSON can hold."""


@dataclass(frozen=True)
class Logistic:
    """The log of the odds: `intercept + sum(weight * (squeezed - mean) / scale)`; a missing value is the mean.

    columns: names, the position last where it was learned; mean, scale, weight: (columns,) float32
    """

    name: ClassVar[str] = "logistic"
    native: ClassVar[str] = "logistic.json"
    columns: tuple[str, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    intercept: float

    @classmethod
    def fit(
        cls,
        examples: Examples,
        features: Sequence[str],
        training: TrainingChoices,
        *,
        seed: int,
        threads: int,  # noqa: ARG003 - one thread is enough for it
    ) -> Self:
        from sklearn.linear_model import LogisticRegression

        matrix, columns = training_columns(examples, features)
        mean, scale = mean_and_scale(matrix)
        choices = training.logistic
        model = LogisticRegression(C=choices.inverse_penalty, max_iter=choices.iterations, tol=1e-3, random_state=seed)
        model.fit(standard(matrix, mean, scale), examples.label)
        return cls(tuple(columns), mean, scale, model.coef_[0].astype(np.float32), float(model.intercept_[0]))

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = standard(scoring_columns(matrix, len(self.columns)), self.mean, self.scale)
        return np.asarray((rows * self.weight).sum(axis=1, dtype=np.float64) + self.intercept)

    def save(self, folder: Path) -> None:
        from onnx import TensorProto, helper

        from pipeline.recommender.ranker.graph import INPUT, OUTPUT, at_first_position, model_of, squeezing, write

        numbers = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weight")}
        content = {"columns": list(self.columns), **numbers, "intercept": self.intercept}
        (folder / self.native).write_text(json.dumps(content) + "\n", encoding="utf-8")
        nodes = [
            *squeezing(INPUT, "standard"),
            helper.make_node("Mul", ["standard", "weight"], ["parts"]),
            # In double precision, so that a row's float32 does not depend on how many rows are summed at once.
            helper.make_node("Cast", ["parts"], ["exact_parts"], to=TensorProto.DOUBLE),
            helper.make_node("ReduceSum", ["exact_parts", "columns"], ["exact_sum"], keepdims=1),
            helper.make_node("Cast", ["exact_sum"], ["sum"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["sum", "intercept"], [OUTPUT]),
        ]
        constants = {
            "mean": self.mean,
            "scale": self.scale,
            "weight": self.weight,
            "columns": np.array([1]),
            "intercept": np.array([self.intercept], np.float32),
            "unit": np.array([1], np.float32),
        }
        model = model_of(nodes, constants, columns=len(self.columns))
        write(at_first_position(model, len(self.columns)) if POSITION in self.columns else model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = json.loads((folder / cls.native).read_text(encoding="utf-8"))
        mean, scale, weight = (np.array(content[name], np.float32) for name in ("mean", "scale", "weight"))
        return cls(tuple(content["columns"]), mean, scale, weight, content["intercept"])

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Size of the weights, and what each standard value adds; both are exact for a sum."""
        rows = standard(scoring_columns(matrix, len(self.columns)), self.mean, self.scale)
        size = np.abs(self.weight)[: matrix.shape[1]]
        return Explanation(shares(self.columns[: matrix.shape[1]], size), (rows * self.weight)[:, : matrix.shape[1]])


def mean_and_scale(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(columns,) each, of the squeezed values. The scale of a column that never varies is endless: nothing was
    learned about it, so that it must not move a score, whatever it is when lists are asked for.
    """
    means, scales = np.empty(matrix.shape[1], np.float32), np.empty(matrix.shape[1], np.float32)
    for some in _blocks(matrix):
        squeezed = _squeeze(matrix[:, some])
        known = ~np.isnan(squeezed)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, squeezed, 0).sum(axis=0, dtype=np.float64) / count
        spread = np.sqrt((np.where(known, squeezed - mean, 0) ** 2).sum(axis=0, dtype=np.float64) / count)
        means[some], scales[some] = mean, np.where(spread > _CONSTANT, spread, _ENDLESS)
    return means, scales


def standard(matrix: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of the squeezed values from the mean in scales; 0 where nothing is known."""
    rows = np.empty_like(matrix)
    for some in _blocks(matrix):
        squeezed = _squeeze(matrix[:, some])
        rows[:, some] = (np.where(np.isnan(squeezed), mean[some], squeezed) - mean[some]) / scale[some]
    return rows


def _squeeze(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Counts and money by their logarithm, with their sign: ten more mean less the more there are."""
    return np.sign(matrix) * np.log(np.abs(matrix) + np.float32(1))


def _blocks(matrix: NDArray[np.float32]) -> list[slice]:
    """A few columns at a time: each step holds several copies of what it works on."""
    return [slice(start, start + _COLUMNS_AT_ONCE) for start in range(0, matrix.shape[1], _COLUMNS_AT_ONCE)]

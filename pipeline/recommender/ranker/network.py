"""Small networks over standardised features, their log odds averaged. scikit-learn fits them; NumPy and ONNX score.

Several networks from different starts err differently: their mean ranks better than any of them (docs/results.md).
They are kept as one network whose parts stand side by side, with zeros between them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.explanation import shares, without_each
from pipeline.recommender.ranker.logistic import mean_and_scale, squeeze, standard
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.position import POSITION, scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import NetworkChoices, TrainingChoices

    Arrays = Mapping[str, NDArray[np.float32]]
    Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]

FAR = np.float32(6)
"""Standard values beyond this many scales are cut: one odd value must not shake the products."""


@dataclass(frozen=True)
class Network:
    """columns: names, the position last where it was learned; arrays: `mean`, `scale` (columns,), `layer0`
    (columns, units), further `layer…` (units, units), and a `shift…` (units,) each.
    """

    name: ClassVar[str] = "network"
    native: ClassVar[str] = "network.npz"
    columns: tuple[str, ...]
    arrays: Arrays

    @classmethod
    def fit(
        cls,
        examples: Examples,
        features: Sequence[str],
        training: TrainingChoices,
        *,
        seed: int,
        threads: int,  # noqa: ARG003 - its products are too small to be shared out
    ) -> Self:
        matrix, columns = training_columns(examples, features)
        squeezed = squeeze(matrix)
        mean, scale = mean_and_scale(squeezed)
        rows = np.clip(standard(squeezed, mean, scale), -FAR, FAR)
        choices = training.network
        members = [_learned(rows, examples.label, choices, seed + member) for member in range(choices.members)]
        return cls(tuple(columns), {"mean": mean, "scale": scale, **side_by_side(members)})

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        return forward(self._rows(matrix), self.arrays).astype(np.float64)

    def save(self, folder: Path) -> None:
        from onnx import helper

        from pipeline.recommender.ranker.graph import (
            INPUT,
            OUTPUT,
            at_first_position,
            layers,
            model_of,
            squeezing,
            write,
        )

        with (folder / self.native).open("wb") as file:
            np.savez(file, allow_pickle=False, columns=np.array(self.columns), **dict(self.arrays))
        nodes = [
            *squeezing(INPUT, "standard"),
            helper.make_node("Clip", ["standard", "minus_far", "far"], ["rows"]),
            *layers("rows", OUTPUT, depth(self.arrays)),
        ]
        constants = {**self.arrays, "far": np.array(FAR), "minus_far": np.array(-FAR), "unit": np.array(np.float32(1))}
        model = model_of(nodes, constants, columns=len(self.columns))
        write(at_first_position(model, len(self.columns)) if POSITION in self.columns else model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / cls.native, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return cls(tuple(arrays.pop("columns").tolist()), arrays)

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """What a row loses when one feature is as usual (its mean), one feature after the other."""
        added = without_each(self._rows(matrix), lambda rows: forward(rows, self.arrays))[:, : matrix.shape[1]]
        return Explanation(shares(self.columns[: matrix.shape[1]], np.abs(added).mean(axis=0)), added)

    def _rows(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        columns = squeeze(scoring_columns(matrix, len(self.columns)))
        return np.clip(standard(columns, self.arrays["mean"], self.arrays["scale"]), -FAR, FAR)


def forward(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    """(n, columns) standard rows -> (n,): through `layer0`, `shift0` and on, with nothing below zero between them."""
    hidden, last = rows, depth(arrays) - 1
    for layer in range(last + 1):
        hidden = hidden @ arrays[f"layer{layer}"] + arrays[f"shift{layer}"]
        hidden = hidden if layer == last else np.maximum(hidden, 0)
    return np.asarray(hidden[:, 0], np.float32)


def depth(arrays: Arrays) -> int:
    return sum(name.startswith("layer") for name in arrays)


def side_by_side(members: Sequence[Layers]) -> dict[str, NDArray[np.float32]]:
    """One network that answers the mean of its members, which are alike in shape."""
    arrays: dict[str, NDArray[np.float32]] = {}
    for at, parts in enumerate(zip(*members, strict=True)):
        weights, shifts = [weight for weight, _ in parts], [shift for _, shift in parts]
        if at == 0:
            joined, shift = np.concatenate(weights, axis=1), np.concatenate(shifts)
        elif at < len(members[0]) - 1:
            rows, columns = weights[0].shape
            joined, shift = np.zeros((rows * len(weights), columns * len(weights)), np.float32), np.concatenate(shifts)
            for place, weight in enumerate(weights):
                joined[place * rows : (place + 1) * rows, place * columns : (place + 1) * columns] = weight
        else:
            joined, shift = np.concatenate(weights) / len(weights), np.mean(shifts, axis=0)
        arrays |= {f"layer{at}": joined.astype(np.float32), f"shift{at}": shift.astype(np.float32)}
    return arrays


def _learned(
    rows: NDArray[np.float32], label: NDArray[np.int8], choices: NetworkChoices, seed: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weights and shifts of each layer, after some passes over the shuffled rows, each slower than the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        choices.hidden,
        alpha=choices.penalty,
        batch_size=min(choices.batch_rows, len(rows)),
        max_iter=1,
        warm_start=True,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a pass is not meant to be the last
        for number in range(choices.passes):
            model.set_params(learning_rate_init=choices.learning_rate * choices.slowing**number)
            model.fit(rows, label)
    return list(zip(model.coefs_, model.intercepts_, strict=True))

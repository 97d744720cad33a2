"""Small networks over standardised features, their log odds averaged. scikit-learn fits them; NumPy and ONNX score.

Several networks from different starts err differently: their mean ranks better than any of them (docs/results.md).
They are kept as one network whose parts stand side by side, with zeros between them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.layered import Layered, standard_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import NetworkChoices, TrainingChoices

    Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Network(Layered):
    """Nothing but layers: those of its members side by side."""

    name: ClassVar[str] = "network"
    native: ClassVar[str] = "network.npz"

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
        rows, columns, scales = standard_examples(examples, features)
        choices = training.network
        members = [_learned(rows, examples.label, choices, seed + member) for member in range(choices.members)]
        return cls(columns, {**scales, **side_by_side(members)})


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

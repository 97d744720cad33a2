"""Small networks over standardised features, their log odds averaged; each begins by crossing its features.

The first layer is the cross layer of DCN V2 (Wang et al., WWW 2021): to every feature is added its product with a
weighted sum of all, so that what one of them means depends on the others. Usual layers follow. Several networks from
different starts err differently: their mean ranks better than any of them (docs/results.md). Nothing but NumPy fits
them; NumPy and ONNX score.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.layered import ROWS, Layered, depth, standard_examples, through_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import NetworkChoices, TrainingChoices
    from pipeline.recommender.ranker.layered import Arrays

    Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Network(Layered):
    """Every array but `mean` and `scale` has its members in front: `cross` (members, columns, columns), `bend`
    (members, 1, columns), `layer0` (members, columns, units), `shift0` (members, 1, units) and so on.
    """

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
        label, choices = examples.label.astype(np.float32), training.network
        members = [_learned(rows, label, choices, seed + member) for member in range(choices.members)]
        return cls(columns, {**scales, **{name: np.stack([each[name] for each in members]) for name in members[0]}})

    def forward(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        odds: NDArray[np.float32] = through_layers(_crossed(rows, self.arrays), self.arrays).mean(axis=0)
        return odds

    def nodes(self) -> list[NodeProto]:
        from onnx import helper

        from pipeline.recommender.ranker.graph import OUTPUT, layers

        return [
            helper.make_node("MatMul", [ROWS, "cross"], ["sums"]),
            helper.make_node("Add", ["sums", "bend"], ["factors"]),
            helper.make_node("Mul", ["factors", ROWS], ["crossed"]),
            *layers("crossed", "of_members", depth(self.arrays)),
            helper.make_node("ReduceMean", ["of_members"], [OUTPUT], axes=[0], keepdims=0),
        ]


def _crossed(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    crossed: NDArray[np.float32] = (rows @ arrays["cross"] + arrays["bend"]) * rows
    return crossed


def _learned(rows: NDArray[np.float32], label: NDArray[np.float32], choices: NetworkChoices, seed: int) -> Weights:
    """The arrays of one member, after some passes over the shuffled rows, each slower than the one before."""
    random = np.random.default_rng(seed)
    weights = _start(rows.shape[1], choices.hidden, random)
    optimiser = _Adam(weights)
    for number in range(choices.passes):
        rate = choices.learning_rate * choices.slowing**number
        order = random.permutation(len(rows))
        for start in range(0, len(rows), choices.batch_rows):
            batch = order[start : start + choices.batch_rows]
            optimiser.step(_slopes(rows[batch], label[batch], weights), rate)
    return weights


def _start(columns: int, hidden: Sequence[int], random: np.random.Generator) -> Weights:
    """Layers as Glorot and Bengio (AISTATS 2010) begin, and features as they are, next to uncrossed."""
    weights = {"cross": 0.01 * random.standard_normal((columns, columns)), "bend": np.ones((1, columns))}
    for at, (given, made) in enumerate(pairwise((columns, *hidden, 1))):
        most = np.sqrt(6 / (given + made))
        weights |= {f"layer{at}": random.uniform(-most, most, (given, made)), f"shift{at}": np.zeros((1, made))}
    return {name: values.astype(np.float32) for name, values in weights.items()}


def _slopes(rows: NDArray[np.float32], label: NDArray[np.float32], weights: Weights) -> Weights:
    """How the mean log loss of some rows grows with each weight (backpropagation)."""
    inputs, last = [_crossed(rows, weights)], depth(weights) - 1
    for at in range(last):
        inputs.append(np.maximum(inputs[-1] @ weights[f"layer{at}"] + weights[f"shift{at}"], 0))
    odds = inputs[-1] @ weights[f"layer{last}"] + weights[f"shift{last}"]
    back = (1 / (1 + np.exp(-odds)) - label[:, None]) / np.float32(len(rows))
    slopes: Weights = {}
    for at in range(last, -1, -1):
        slopes |= {f"layer{at}": inputs[at].T @ back, f"shift{at}": back.sum(axis=0, keepdims=True)}
        back = back @ weights[f"layer{at}"].T
        if at:
            back *= inputs[at] > 0
    back *= rows
    return {**slopes, "cross": rows.T @ back, "bend": back.sum(axis=0, keepdims=True)}


class _Adam:
    """Steps by the usual slope over its usual size (Kingma and Ba, ICLR 2015), which are remembered."""

    def __init__(self, weights: Weights) -> None:
        self.weights, self.steps = weights, 0
        self.slopes = {name: np.zeros_like(values) for name, values in weights.items()}
        self.squares = {name: np.zeros_like(values) for name, values in weights.items()}

    def step(self, slopes: Weights, rate: float) -> None:
        self.steps += 1
        near, far = 1 - 0.9**self.steps, np.sqrt(1 - 0.999**self.steps)
        for name, slope in slopes.items():
            self.slopes[name] += np.float32(0.1) * (slope - self.slopes[name])
            self.squares[name] += np.float32(0.001) * (slope * slope - self.squares[name])
            size = np.sqrt(self.squares[name]) / np.float32(far) + np.float32(1e-8)
            self.weights[name] -= np.float32(rate / near) * self.slopes[name] / size

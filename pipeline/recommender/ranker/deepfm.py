"""DeepFM: a line, pairs of features through factors, and a small network over the same factors
(Guo et al., IJCAI 2017, "DeepFM: a factorization-machine based neural network"). Extra `deep`.

PyTorch fits it; what it learned are arrays, which NumPy and ONNX score. The network's first layer is linear in
`value x factor`, so that it is kept folded: one weight a column and unit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from pipeline.errors import PipelineError
from pipeline.recommender.ranker.layered import ROWS, Layered, depth, standard_examples, through_layers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray
    from onnx import NodeProto

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import DeepFMChoices, TrainingChoices


@dataclass(frozen=True)
class DeepFM(Layered):
    """Besides layers it has `line` (columns,), `bias` (1,) and `factors` (columns, k)."""

    name: ClassVar[str] = "deepfm"
    native: ClassVar[str] = "deepfm.npz"

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        torch = _library()
        rows, columns, scales = standard_examples(examples, features)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            learned = _learned(torch, rows, examples.label.astype(np.float32), training.deepfm, seed)
        finally:
            torch.set_num_threads(before)
        return cls(columns, {**scales, **learned})

    def forward(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        arrays = self.arrays
        factors = arrays["factors"]
        pairs = 0.5 * ((rows @ factors) ** 2 - (rows**2) @ (factors**2)).sum(axis=1)
        return np.asarray(rows @ arrays["line"] + pairs + through_layers(rows, arrays) + arrays["bias"], np.float32)

    def constants(self) -> dict[str, NDArray[Any]]:
        factors, line = self.arrays["factors"], self.arrays["line"]
        return {
            **self.arrays,
            "line": line[:, None],
            "squares": factors**2,
            "half": np.array(np.float32(0.5)),
            "last_axis": np.array([1]),
        }

    def nodes(self) -> list[NodeProto]:
        from onnx import helper

        from pipeline.recommender.ranker.graph import OUTPUT, layers

        def node(kind: str, made: str, *given: str) -> NodeProto:
            return helper.make_node(kind, list(given), [made])

        return [
            node("MatMul", "on_line", ROWS, "line"),
            node("MatMul", "sums", ROWS, "factors"),
            node("Mul", "squared_sums", "sums", "sums"),
            node("Mul", "squared_rows", ROWS, ROWS),
            node("MatMul", "summed_squares", "squared_rows", "squares"),
            node("Sub", "twice_pairs", "squared_sums", "summed_squares"),
            helper.make_node("ReduceSum", ["twice_pairs", "last_axis"], ["twice_sum"], keepdims=1),
            node("Mul", "pairs", "twice_sum", "half"),
            *layers(ROWS, "hidden", depth(self.arrays)),
            node("Add", "shallow", "on_line", "pairs"),
            node("Add", "deep", "shallow", "hidden"),
            node("Add", OUTPUT, "deep", "bias"),
        ]


def _learned(
    torch: ModuleType, rows: NDArray[np.float32], label: NDArray[np.float32], choices: DeepFMChoices, seed: int
) -> dict[str, NDArray[np.float32]]:
    """The arrays but mean and scale, after Adam's passes over the shuffled rows."""
    torch.manual_seed(seed)
    columns, k = rows.shape[1], choices.factors
    sizes = (columns * k, *choices.hidden, 1)
    layers = [torch.nn.Linear(*pair) for pair in itertools.pairwise(sizes)]
    line, bias = torch.zeros(columns, requires_grad=True), torch.zeros(1, requires_grad=True)
    factors = (0.01 * torch.randn(columns, k)).requires_grad_()
    parameters = [line, bias, factors, *(p for layer in layers for p in layer.parameters())]
    optimiser = torch.optim.Adam(parameters, lr=choices.learning_rate, weight_decay=choices.penalty)
    x, y, loss = torch.from_numpy(rows), torch.from_numpy(label), torch.nn.BCEWithLogitsLoss()
    for _ in range(choices.passes):
        for batch in torch.randperm(len(x)).split(choices.batch_rows):
            some = x[batch]
            first = _folded(torch, layers[0], factors)
            hidden = some @ first + layers[0].bias
            for layer in layers[1:]:
                hidden = layer(torch.relu(hidden))
            pairs = 0.5 * ((some @ factors) ** 2 - (some**2) @ (factors**2)).sum(dim=1)
            optimiser.zero_grad()
            loss(some @ line + pairs + hidden[:, 0] + bias, y[batch]).backward()
            optimiser.step()
    weights = [_folded(torch, layers[0], factors), *(layer.weight.T for layer in layers[1:])]
    kept = {"line": line, "bias": bias, "factors": factors}
    kept |= {f"layer{at}": weight for at, weight in enumerate(weights)}
    kept |= {f"shift{at}": layer.bias for at, layer in enumerate(layers)}
    return {name: np.ascontiguousarray(value.detach().numpy()) for name, value in kept.items()}


def _folded(torch: ModuleType, layer, factors):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - torch is not there to be typed
    """The first layer's weights (units, columns x k) and the factors (columns, k) as one (columns, units)."""
    units = layer.weight.shape[0]
    return torch.einsum("uck,ck->cu", layer.weight.reshape(units, *factors.shape), factors)


def _library() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise PipelineError(
            "ranker `deepfm`",
            expected="the package torch",
            found="none",
            remedy="Install the extra: `pip install vitrine[deep]`, or choose another `training.ranker`.",
        ) from error
    module: ModuleType = torch
    return module

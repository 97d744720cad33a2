"""What rankers have in common that are arrays: standardised features through layers. NumPy and ONNX score them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.explanation import shares, without_each
from pipeline.recommender.ranker.logistic import mean_and_scale, standard
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.position import POSITION, scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import NodeProto

    from pipeline.recommender.examples import Examples

    Arrays = Mapping[str, NDArray[np.float32]]

FAR = np.float32(6)
"""Standard values beyond this many scales are cut: one odd value must not shake the products."""
_AT_ONCE = 16_384
"""Rows whose layers are in memory together: the examples of weeks are hundreds of thousands."""
ROWS = "rows"
"""The node of the standard rows, from which the nodes of a ranker go on."""


@dataclass(frozen=True)
class Layered:
    """columns: names, the position last where it was learned; arrays: `mean`, `scale` (columns,), `layer0`
    (columns, units), further `layer…` (units, units), a `shift…` (units,) each, and what the ranker has besides.
    """

    name: ClassVar[str]
    native: ClassVar[str]
    columns: tuple[str, ...]
    arrays: Arrays

    def forward(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The log of the odds of standard rows (n, columns), shape (n,)."""
        return through_layers(rows, self.arrays)

    def nodes(self) -> list[NodeProto]:
        """The nodes of `forward`, from `ROWS` to `OUTPUT`."""
        from pipeline.recommender.ranker.graph import OUTPUT, layers

        return layers(ROWS, OUTPUT, depth(self.arrays))

    def constants(self) -> dict[str, NDArray[Any]]:
        """What the nodes name."""
        return dict(self.arrays)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        parts = [matrix[at : at + _AT_ONCE] for at in range(0, max(len(matrix), 1), _AT_ONCE)]
        return np.concatenate([self.forward(self._rows(part)) for part in parts]).astype(np.float64)

    def save(self, folder: Path) -> None:
        from onnx import helper

        from pipeline.recommender.ranker.graph import INPUT, at_first_position, model_of, squeezing, write

        with (folder / self.native).open("wb") as file:
            np.savez(file, allow_pickle=False, columns=np.array(self.columns), **dict(self.arrays))
        nodes = [
            *squeezing(INPUT, "standard"),
            helper.make_node("Clip", ["standard", "minus_far", "far"], [ROWS]),
            *self.nodes(),
        ]
        bounds = {"far": np.array(FAR), "minus_far": np.array(-FAR), "unit": np.array(np.float32(1))}
        model = model_of(nodes, {**self.constants(), **bounds}, columns=len(self.columns))
        write(at_first_position(model, len(self.columns)) if POSITION in self.columns else model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / cls.native, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return cls(tuple(arrays.pop("columns").tolist()), arrays)

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """What a row loses when one feature is as usual (its mean), one feature after the other."""
        added = without_each(self._rows(matrix), self.forward)[:, : matrix.shape[1]]
        return Explanation(shares(self.columns[: matrix.shape[1]], np.abs(added).mean(axis=0)), added)

    def _rows(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        return _cut(scoring_columns(matrix, len(self.columns)), self.arrays["mean"], self.arrays["scale"])


def through_layers(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    """(…, n, columns) rows -> (…, n): through `layer0`, `shift0` and on, with nothing below zero between them."""
    hidden, last = rows, depth(arrays) - 1
    for layer in range(last + 1):
        hidden = hidden @ arrays[f"layer{layer}"] + arrays[f"shift{layer}"]
        hidden = hidden if layer == last else np.maximum(hidden, 0)
    return np.asarray(hidden[..., 0], np.float32)


def depth(arrays: Arrays) -> int:
    return sum(name.startswith("layer") for name in arrays)


def standard_examples(
    examples: Examples, features: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...], dict[str, NDArray[np.float32]]]:
    """The examples' standard rows, the names of their columns, and their `mean` and `scale`."""
    matrix, columns = training_columns(examples, features)
    mean, scale = mean_and_scale(matrix)
    return _cut(matrix, mean, scale), tuple(columns), {"mean": mean, "scale": scale}


def _cut(matrix: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = standard(matrix, mean, scale)
    return np.clip(rows, -FAR, FAR, out=rows)

"""Several targets, a booster each: who clicks, who puts into the cart, who buys, and what is paid.

A score is the sum of what is expected of each target times what it is worth, which the scene says (`worth` in
`config/scenes.yaml`): probabilities of click, cart and purchase, and expected money (`gmv`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.choices import TARGETS
from pipeline.recommender.ranker.explanation import shares
from pipeline.recommender.ranker.lightgbm import boosted, converted, tree_shap
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.onnx import TARGETS_KEY, weighed
from pipeline.recommender.ranker.position import POSITION, scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import lightgbm
    from numpy.typing import NDArray
    from onnx import ModelProto

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import TrainingChoices

MONEY = "gmv"
_BINARY = {"objective": "binary"}
_MONEY = {"objective": "tweedie", "tweedie_variance_power": "1.3"}
"""Mostly nothing, else an amount (Jorgensen, 1987); nearer to counts (1) than to amounts (2), for baskets of cheap
things."""


@dataclass(frozen=True)
class Multitask:
    """Heads by target, in the order of `TARGETS`; a target that never or always happens in the examples has none."""

    name: ClassVar[str] = "multitask"
    native: ClassVar[str] = "heads.json"
    heads: Mapping[str, lightgbm.Booster]

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        matrix, columns = training_columns(examples, features)
        targets = {"purchase": examples.label.astype(np.float32), **examples.targets}
        heads = {}
        for name in TARGETS:
            happened = targets[name] > 0 if name in targets else np.zeros(0, bool)
            if happened.any() and not happened.all():
                objective = _MONEY if name == MONEY else _BINARY
                label = np.maximum(targets[name], 0) if name == MONEY else happened
                heads[name] = boosted(matrix, label, columns, objective, training.lightgbm, seed=seed, threads=threads)
        return cls(heads)

    def expected(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, targets): probabilities, and money."""
        return np.column_stack(
            [head.predict(scoring_columns(matrix, head.num_feature())) for head in self.heads.values()]
        ).astype(np.float64)

    def score(self, matrix: NDArray[np.float32], worth: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        return weighed(self.expected(matrix).astype(np.float32), tuple(self.heads), worth).astype(np.float64)

    def save(self, folder: Path) -> None:
        from pipeline.recommender.ranker.graph import at_first_position, write

        for name, head in self.heads.items():
            head.save_model(str(folder / _file(name)), importance_type="gain")
        (folder / self.native).write_text(json.dumps({"heads": list(self.heads)}) + "\n", encoding="utf-8")
        model = self._graph()
        if POSITION in self._columns():
            model = at_first_position(model, len(self._columns()))
        write(model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        import lightgbm

        names = json.loads((folder / cls.native).read_text(encoding="utf-8"))["heads"]
        return cls({name: lightgbm.Booster(model_file=str(folder / _file(name))) for name in names})

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Gain over all heads, each counting the same; contributions to the log of the odds of a purchase."""
        features = self._columns()[: matrix.shape[1]]
        gains = [head.feature_importance("gain")[: len(features)] for head in self.heads.values()]
        whole = np.sum([gain / max(gain.sum(), 1e-12) for gain in gains], axis=0)
        return Explanation(shares(features, whole), tree_shap(self.heads["purchase"], matrix))

    def _columns(self) -> list[str]:
        names: list[str] = next(iter(self.heads.values())).feature_name()
        return names

    def _graph(self) -> ModelProto:
        """The heads side by side, each through its own link, (n, columns) -> (n, targets)."""
        from onnx import compose, helper

        from pipeline.recommender.ranker.graph import OUTPUT, model_of

        nodes, outputs = [], []
        for name, head in self.heads.items():
            model = compose.add_prefix(converted(head), f"{name}_", rename_inputs=False)
            nodes += model.graph.node
            expected = f"{name}_expected"
            nodes.append(
                helper.make_node("Exp" if name == MONEY else "Sigmoid", [model.graph.output[0].name], [expected])
            )
            outputs.append(expected)
        nodes.append(helper.make_node("Concat", outputs, [OUTPUT], axis=1))
        made = model_of(nodes, {}, columns=len(self._columns()), outputs=len(outputs))
        helper.set_model_props(made, {TARGETS_KEY: ",".join(self.heads)})
        return made


def _file(target: str) -> str:
    return f"model_{target}.txt"

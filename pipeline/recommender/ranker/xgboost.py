"""XGBoost: boosted trees of another make, for comparison (extra `xgboost`)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from pipeline.errors import PipelineError
from pipeline.recommender.ranker.explanation import shares
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.position import POSITION, scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    import xgboost
    from numpy.typing import NDArray
    from onnx import ModelProto

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import TrainingChoices


@dataclass(frozen=True)
class XGBoost:
    """A booster of lists (`rank:ndcg`) or of yes and no (`binary:logistic`); scores are its margins."""

    name: ClassVar[str] = "xgboost"
    native: ClassVar[str] = "xgboost.json"
    booster: xgboost.Booster
    columns: tuple[str, ...]

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        library, choices = _library(), training.xgboost
        matrix, columns = training_columns(examples, features)
        data = library.DMatrix(matrix, examples.label, feature_names=columns, nthread=threads)
        if choices.objective == "rank:ndcg":
            data.set_group(examples.group)
        parameters = {
            "objective": choices.objective,
            "eta": choices.learning_rate,
            "max_depth": choices.depth,
            "min_child_weight": choices.min_child_weight,
            "colsample_bytree": choices.feature_fraction,
            "max_bin": 127,
            "tree_method": "hist",
            "seed": seed,
            "nthread": threads,
            "verbosity": 0,
        }
        return cls(library.train(parameters, data, num_boost_round=choices.trees), tuple(columns))

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self.booster.predict(self._data(matrix), output_margin=True), np.float64)

    def save(self, folder: Path) -> None:
        from pipeline.recommender.ranker.graph import at_first_position, write

        self.booster.save_model(str(folder / self.native))
        model, columns = converted(self.booster), len(self.columns)
        write(at_first_position(model, columns) if POSITION in self.columns else model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        booster = _library().Booster(model_file=str(folder / cls.native))
        return cls(booster, tuple(booster.feature_names))

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Total gain of each feature, and TreeSHAP of each row."""
        gain = self.booster.get_score(importance_type="total_gain")
        features = self.columns[: matrix.shape[1]]
        added = self.booster.predict(self._data(matrix), pred_contribs=True)[:, : len(features)]
        return Explanation(shares(features, np.array([gain.get(name, 0.0) for name in features])), added)

    def _data(self, matrix: NDArray[np.float32]) -> xgboost.DMatrix:
        columns = scoring_columns(matrix, len(self.columns))
        return _library().DMatrix(columns, feature_names=list(self.columns), nthread=1)


def converted(booster: xgboost.Booster) -> ModelProto:
    """The margins of a booster as ONNX, (n, columns) -> (n, 1); read from XGBoost's own JSON, where a leaf keeps its
    value among the split conditions.
    """
    from onnx import helper

    from pipeline.recommender.ranker.graph import INPUT, OUTPUT, model_of

    learner = json.loads(booster.save_raw("json"))["learner"]
    trees = learner["gradient_booster"]["model"]["trees"]
    node = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        [OUTPUT],
        domain="ai.onnx.ml",
        base_values=[_base_margin(learner)],
        n_targets=1,
        post_transform="NONE",
        **_attributes(trees),
    )
    return model_of([node], {}, columns=int(learner["learner_model_param"]["num_feature"]))


def _attributes(trees: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Every node of every tree, and the weight of every leaf, as the operator wants them."""
    made: dict[str, list[Any]] = {}

    def add(prefix: str, **values: Any) -> None:  # noqa: ANN401 - numbers and words
        for name, value in values.items():
            made.setdefault(f"{prefix}_{name}", []).append(value)

    for number, tree in enumerate(trees):
        columns = (tree[name] for name in ("left_children", "right_children", "split_indices", "split_conditions"))
        for at, (left, right, column, value) in enumerate(zip(*columns, strict=True)):
            is_leaf = left == -1
            add(
                "nodes",
                treeids=number,
                nodeids=at,
                featureids=column,
                values=0.0 if is_leaf else value,
                modes="LEAF" if is_leaf else "BRANCH_LT",
                truenodeids=max(left, 0),
                falsenodeids=max(right, 0),
                missing_value_tracks_true=int(tree["default_left"][at]),
            )
            if is_leaf:
                add("target", treeids=number, nodeids=at, ids=0, weights=value)
    return made


def _base_margin(learner: dict[str, Any]) -> float:
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    return math.log(base / (1 - base)) if learner["objective"]["name"] == "binary:logistic" else base


def _library() -> ModuleType:
    try:
        import xgboost
    except ImportError as error:
        raise PipelineError(
            "ranker `xgboost`",
            expected="the package xgboost",
            found="none",
            remedy="Install the extra: `pip install vitrine[xgboost]`, or choose another `training.ranker`.",
        ) from error
    module: ModuleType = xgboost
    return module

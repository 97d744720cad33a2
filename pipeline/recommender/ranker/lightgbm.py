"""LightGBM: the default ranker. Serving reads its text file with `tree_text.py`, never this module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.explanation import shares
from pipeline.recommender.ranker.model import MODEL, Explanation
from pipeline.recommender.ranker.position import scoring_columns, training_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import lightgbm
    from numpy.typing import NDArray
    from onnx import ModelProto

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import LightGBMChoices, TrainingChoices


@dataclass(frozen=True)
class LightGBM:
    """A booster of the order within each asker (`lambdarank`: Burges, MSR-TR-2010-82), or of yes and no (`binary`),
    whose score is then the log of the odds.
    """

    name: ClassVar[str] = "lightgbm"
    native: ClassVar[str] = "model.txt"
    booster: lightgbm.Booster
    features: tuple[str, ...]

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        choices = training.lightgbm
        group = examples.group if choices.objective == "lambdarank" else None
        matrix, columns = training_columns(examples, features)
        parameters: dict[str, str | int] = {"objective": choices.objective}
        if choices.objective == "lambdarank":
            parameters["lambdarank_truncation_level"] = choices.truncation_level
        booster = boosted(matrix, examples.label, columns, parameters, choices, group=group, seed=seed, threads=threads)
        return cls(booster, tuple(features))

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        columns = scoring_columns(matrix, self.booster.num_feature())
        return np.asarray(self.booster.predict(columns, raw_score=True), np.float64)

    def save(self, folder: Path) -> None:
        from pipeline.recommender.ranker.graph import at_first_position, write

        self.booster.save_model(str(folder / self.native), importance_type="gain")
        model, columns = converted(self.booster), self.booster.num_feature()
        write(at_first_position(model, columns) if columns > len(self.features) else model, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        import lightgbm

        from pipeline.recommender.ranker.position import POSITION

        booster = lightgbm.Booster(model_file=str(folder / cls.native))
        return cls(booster, tuple(name for name in booster.feature_name() if name != POSITION))

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Gain of each feature, and TreeSHAP of each row (Lundberg et al., Nature Machine Intelligence 2020)."""
        gain = self.booster.feature_importance("gain")[: len(self.features)]
        return Explanation(shares(self.features, gain), tree_shap(self.booster, matrix))


def boosted(
    matrix: NDArray[np.float32],
    label: NDArray[np.generic],
    columns: Sequence[str],
    objective: Mapping[str, str | int],
    choices: LightGBMChoices,
    *,
    seed: int,
    threads: int,
    group: NDArray[np.int32] | None = None,
) -> lightgbm.Booster:
    """A booster of `columns`; `objective` holds LightGBM's own parameters that choose what is learned."""
    import lightgbm

    data = lightgbm.Dataset(
        matrix,
        label,
        group=group,
        feature_name=list(columns),
        free_raw_data=True,
        params={"max_bin": 127, "verbose": -1, "num_threads": threads},
    )
    parameters = {
        **objective,
        "learning_rate": choices.learning_rate,
        "num_leaves": choices.leaves,
        "min_data_in_leaf": choices.min_rows_per_leaf,
        "feature_fraction": choices.feature_fraction,
        "feature_fraction_seed": seed,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }
    return lightgbm.train(parameters, data, num_boost_round=choices.trees)


def converted(booster: lightgbm.Booster) -> ModelProto:
    """The raw scores of a booster as ONNX, (n, columns) -> (n, 1)."""
    import lightgbm
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    from pipeline.recommender.ranker.graph import INPUT, OPSET

    text = booster.model_to_string(importance_type="gain")
    told = re.findall(r"^objective=.*$|^\[objective: .*\]$", text, re.MULTILINE)
    if told[0] != "objective=lambdarank":  # of any other the converter would make classes, or leave out the link
        for line, plain in zip(told, ("objective=lambdarank", "[objective: lambdarank]"), strict=True):
            text = text.replace(line, plain, 1)
        booster = lightgbm.Booster(model_str=text)
    shape = FloatTensorType([None, booster.num_feature()])
    return convert_lightgbm(booster, name="vitrine", initial_types=[(INPUT, shape)], target_opset=OPSET)


def tree_shap(booster: lightgbm.Booster, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, features): what each feature of a row adds to its raw score."""
    columns = scoring_columns(matrix, booster.num_feature())
    return np.asarray(booster.predict(columns, pred_contrib=True))[:, : matrix.shape[1]].astype(np.float32)

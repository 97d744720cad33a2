"""LightGBM lambdarank: the default ranker. Serving reads its ONNX export, never this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import lightgbm
    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.settings import Training

_OPSET = 15
"""The newest ONNX operator set that both the converter and the runtimes of the last years know."""


def fit(
    examples: Examples, features: Sequence[str], training: Training, *, seed: int, threads: int
) -> lightgbm.Booster:
    """A booster trained on the order within each asker (Burges, MSR-TR-2010-82).

    The same examples, settings and number of threads give the same bytes.
    """
    import lightgbm

    data = lightgbm.Dataset(
        examples.matrix,
        examples.label,
        group=examples.group,
        feature_name=list(features),
        free_raw_data=True,
        params={"max_bin": 127, "verbose": -1, "num_threads": threads},
    )
    parameters = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": training.truncation_level,
        "learning_rate": training.learning_rate,
        "num_leaves": training.leaves,
        "min_data_in_leaf": training.min_rows_per_leaf,
        "feature_fraction": training.feature_fraction,
        "feature_fraction_seed": seed,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }
    return lightgbm.train(parameters, data, num_boost_round=training.trees)


def save(booster: lightgbm.Booster, folder: Path) -> None:
    """Write `model.txt` (LightGBM's own) and `model.onnx` (what serving runs)."""
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster.save_model(str(folder / "model.txt"), importance_type="gain")
    shape = FloatTensorType([None, booster.num_feature()])
    model = convert_lightgbm(booster, name="vitrine", initial_types=[("features", shape)], target_opset=_OPSET)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def importance(booster: lightgbm.Booster) -> dict[str, float]:
    """Gain of each feature as a share of all, highest first."""
    gain: NDArray[np.float64] = booster.feature_importance("gain")
    order = np.argsort(-gain, kind="stable")
    names = booster.feature_name()
    return {names[at]: float(gain[at] / max(gain.sum(), 1e-12)) for at in order}

"""The rankers by name; each is imported when it is chosen, because each brings a library of its own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.recommender.ranker.choices import RankerName
    from pipeline.recommender.ranker.model import TrainedRanker

RANKERS: Mapping[RankerName, str] = {
    "lightgbm": "LightGBM",
    "logistic": "Logistic",
    "xgboost": "XGBoost",
    "deepfm": "DeepFM",
    "multitask": "Multitask",
    "network": "Network",
    "blend": "Blend",
}
"""Name of the ranker and of its module here -> its class there."""


def ranker_class(name: RankerName) -> type[TrainedRanker]:
    found: type[TrainedRanker] = getattr(importlib.import_module(f"{__package__}.{name}"), RANKERS[name])
    return found

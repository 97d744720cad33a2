"""Examples with an order to learn, the same in every process."""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from pipeline.recommender.examples import Examples
from pipeline.recommender.ranker.choices import LightGBMChoices, TrainingChoices
from pipeline.recommender.ranker.lightgbm import LightGBM

FEATURES = ("item_price", "item_line_count", "user_item_due", "user_item_basket_count", "user_spent_28d")
TRAINING = TrainingChoices(lightgbm=LightGBMChoices(trees=30, leaves=15, min_rows_per_leaf=5))


def lessons(seed: int = 0, askers: int = 60, rows: int = 30) -> Examples:
    """Who bought an item often buys it again, and rather when it is due; the rest is noise."""
    random = np.random.default_rng(seed)
    matrix = random.gamma(2, 3, (askers * rows, len(FEATURES))).astype(np.float32)
    matrix[:, 3] = random.integers(0, 5, len(matrix))
    liking = matrix[:, 3] + 3 * (np.abs(matrix[:, 2] - 6) < 2) + random.normal(0, 1, len(matrix))
    label = (liking > np.quantile(liking, 0.8)).astype(np.int8)
    return Examples(matrix, label, np.full(askers, rows, np.int32))


def fitted(seed: int = 1, threads: int = 2, training: TrainingChoices = TRAINING, examples: Examples | None = None):
    return LightGBM.fit(examples or lessons(), FEATURES, training, seed=seed, threads=threads)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":  # run in a process of its own by test_lightgbm
    sys.stdout.write(digest(fitted().booster.model_to_string(importance_type="gain")))

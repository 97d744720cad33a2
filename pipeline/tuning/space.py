"""What `vitrine tune ranker` may change of each ranker, and how far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

    from pipeline.recommender.ranker.choices import TrainingChoices


def suggested(trial: optuna.Trial | optuna.trial.FixedTrial, training: TrainingChoices) -> TrainingChoices:
    """The choices with what the trial suggests for the ranker in force; everything else stays."""
    section = training.section
    changed = getattr(training, section).model_copy(update=_SPACES[section](trial))
    return training.model_copy(update={section: changed})


def _lightgbm(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "trees": trial.suggest_int("trees", 50, 400, step=25),
        "leaves": trial.suggest_int("leaves", 7, 63, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "min_rows_per_leaf": trial.suggest_int("min_rows_per_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0, step=0.1),
        "truncation_level": trial.suggest_int("truncation_level", 20, 100, step=10),
    }


def _logistic(trial: optuna.Trial) -> dict[str, Any]:
    return {"inverse_penalty": trial.suggest_float("inverse_penalty", 1e-4, 10, log=True)}


def _xgboost(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "trees": trial.suggest_int("trees", 50, 400, step=25),
        "depth": trial.suggest_int("depth", 3, 8),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.1, 100, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0, step=0.1),
    }


def _deepfm(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "factors": trial.suggest_int("factors", 4, 16, step=4),
        "passes": trial.suggest_int("passes", 1, 6),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
        "penalty": trial.suggest_float("penalty", 1e-7, 1e-3, log=True),
    }


def _network(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "passes": trial.suggest_int("passes", 1, 5),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
    }


def _blend(trial: optuna.Trial) -> dict[str, Any]:
    share = trial.suggest_float("network_share", 0.0, 1.0, step=0.1)
    return {"parts": {"lightgbm": round(1 - share, 1), "network": round(share, 1)}}


_SPACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "lightgbm": _lightgbm,
    "logistic": _logistic,
    "xgboost": _xgboost,
    "deepfm": _deepfm,
    "network": _network,
    "blend": _blend,
}

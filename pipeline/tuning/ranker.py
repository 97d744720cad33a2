"""The search for better choices of a ranker: weeks to learn from, later weeks to judge by, all before the cut.

The weeks on which a release is judged come after the cut, and are never looked at.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.registry import feature_set_id, ranker_features
from pipeline.blas import products_on_one_thread
from pipeline.errors import EmptyDayError
from pipeline.evaluation.intervals import Interval, mean_intervals
from pipeline.knowledge import open_archive
from pipeline.progress import track
from pipeline.recommender.examples import Examples, join
from pipeline.recommender.judged import ndcg_of_order
from pipeline.recommender.ranker.blend import Blend
from pipeline.recommender.training import fitted
from pipeline.recommender.weeks import moments, week_of_examples, whole_week
from pipeline.tuning.space import suggested

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    import optuna
    from numpy.typing import NDArray

    from pipeline.recommender.ranker.choices import PartName, TrainingChoices
    from pipeline.recommender.ranker.model import TrainedRanker
    from pipeline.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """What is learned from, and the whole candidates of the weeks after it that decide; `weeks`: their first days."""

    learned: Examples
    judged: tuple[tuple[Examples, NDArray[np.int64]], ...]
    weeks: tuple[dt.date, ...]


@dataclass(frozen=True)
class Tuned:
    """The best choices found, beside those in force; `difference`: best minus present, ndcg@20 of the same askers."""

    best: dict[str, Any]
    present: dict[str, Any]
    ndcg: float
    present_ndcg: float
    difference: Interval
    trials: int
    weeks: tuple[dt.date, ...]


@products_on_one_thread()
def split_of(cut: dt.date, settings: Settings, *, validation_weeks: int, askers: int) -> Split:
    """The last `validation_weeks` before the cut decide; the training weeks before them teach.

    Raises:
        EmptyDayError: nobody bought anything that recall offered in the weeks of either part.
    """
    horizon = settings.horizon
    deciding = [cut - (week + 1) * horizon for week in range(validation_weeks)]
    with open_archive(cut, settings) as archive:
        judged = tuple(
            whole_week(archive, moment, settings, askers=askers, buyers=True)
            for moment in track(deciding, "weeks that decide")
        )
        learned = join(
            [
                week_of_examples(archive, moment, settings)
                for moment in track(moments(deciding[-1], settings), "weeks of examples")
            ]
        )
    if not len(learned.label) or not all(len(examples.label) for examples, _ in judged):
        raise EmptyDayError(
            f"tuning up to {cut}",
            expected="users who bought offered items in every week",
            found="none in some",
            remedy="Choose a later --day, fewer weeks, or check `events` in the clean archive.",
        )
    return Split(learned, judged, tuple(sorted(deciding)))


class Rankers:
    """Rankers of one search, trained on `learned` as the settings say but for the choices of a trial.

    The trials of a blend differ only in what its parts count: each part is fitted once.
    """

    def __init__(self, learned: Examples, settings: Settings) -> None:
        self._learned, self._settings = learned, settings
        self._parts: dict[PartName, TrainedRanker] = {}

    def of(self, training: TrainingChoices) -> TrainedRanker:
        if training.ranker != "blend":
            return self._fitted(training)
        for name in training.blend.parts:
            if name not in self._parts:
                self._parts[name] = self._fitted(training.model_copy(update={"ranker": name}))
        return Blend.weighed(self._parts, training.blend.parts, self._learned)

    def _fitted(self, training: TrainingChoices) -> TrainedRanker:
        settings = self._settings.model_copy(update={"training": training})
        return fitted(self._learned, ranker_features(settings.recall_sources), settings)


def judged_by(split: Split, ranker: TrainedRanker) -> NDArray[np.float64]:
    """ndcg@20 of every asker who decides, (askers,)."""
    return np.concatenate(
        [ndcg_of_order(ranker.score(examples.matrix), examples, wanted) for examples, wanted in split.judged]
    )


@products_on_one_thread()
def search(
    split: Split,
    settings: Settings,
    *,
    trials: int,
    minutes: float | None,
    told: Callable[[str], object] = log.info,
) -> Tuned:
    """Search until so many trials are in the study (or the minutes are over), then measure best and present anew.
    What each trial found is `told` at its end.

    The study lies in `<work_dir>/tuning/ranker.db` and is gone on with when the same split, features and ranker are
    asked for again, with the same choices beside those that are searched.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(split, settings)
    training, rankers = settings.training, Rankers(split.learned, settings)

    def objective(trial: optuna.Trial) -> float:
        started = time.perf_counter()
        value = float(judged_by(split, rankers.of(suggested(trial, training))).mean())
        seconds = time.perf_counter() - started
        tried = ", ".join(f"{name} {choice:g}" for name, choice in trial.params.items())
        told(f"trial {trial.number + 1} of {trials}: ndcg@20 {value:.4f} with {tried} ({seconds:.0f} s)")
        return value

    missing = max(trials - len(_finished(study)), 0)
    if missing:
        study.optimize(objective, n_trials=missing, timeout=None if minutes is None else 60 * minutes)
    choices = suggested(optuna.trial.FixedTrial(study.best_params), training)
    found, before = (judged_by(split, rankers.of(each)) for each in (choices, training))
    if found.mean() <= before.mean():
        choices, found = training, before
    (difference,) = mean_intervals((found - before)[:, None], seed=settings.seed)
    return Tuned(
        choices.own(),
        training.own(),
        float(found.mean()),
        float(before.mean()),
        difference,
        len(_finished(study)),
        split.weeks,
    )


def _study(split: Split, settings: Settings) -> optuna.Study:
    import optuna

    folder = settings.work_dir / "tuning"
    folder.mkdir(parents=True, exist_ok=True)
    training, weeks = settings.training, "+".join(map(str, split.weeks))
    others = hashlib.sha256(training.model_dump_json(exclude={training.section}).encode()).hexdigest()[:8]
    name = f"{training.ranker} {weeks} {feature_set_id()} {split.learned.matrix.shape} seed {settings.seed} {others}"
    storage = f"sqlite:///{folder / 'ranker.db'}"
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    # Seeded by how far the study is: gone on with, it does not try again what it tried first.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials), n_startup_trials=8)
    return study


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if trial.value is not None]

"""The search looks at weeks before the cut only, goes on where it stopped, and never ends with worse than there is."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from feature_store.registry import ranker_features
from pipeline.configuration import load_settings
from pipeline.recommender.training import fitted
from pipeline.tuning.ranker import Rankers, Split, judged_by, search
from tests.pipeline.recommender.ranker.lessons import lessons

WEEKS = (dt.date(2017, 10, 16),)


def wide(seed: int):
    """Lessons in the first columns of a matrix as wide as the feature set."""
    plain = lessons(seed=seed, askers=30, rows=20)
    matrix = np.zeros((len(plain.label), len(ranker_features(load_settings().recall_sources))), np.float32)
    matrix[:, :5] = plain.matrix
    return replace(plain, matrix=matrix)


@pytest.fixture(scope="module")
def split() -> Split:
    judged = wide(2)
    wanted = np.add.reduceat(judged.label, np.arange(0, 600, 20)).astype(np.int64)
    return Split(wide(1), ((judged, wanted),), WEEKS)


def logistic(settings, inverse_penalty: float, **over):
    return settings(training={"ranker": "logistic", "logistic": {"inverse_penalty": inverse_penalty}}, **over)


def test_it_finds_better_ones_than_one_tree_of_two_leaves(split, settings) -> None:
    tuned = search(
        split, settings(training={"ranker": "lightgbm", "lightgbm": {"trees": 1, "leaves": 2}}), trials=1, minutes=None
    )
    assert (tuned.trials, tuned.present["trees"]) == (1, 1)
    assert tuned.best["trees"] > 1
    assert tuned.difference.value > 0.05
    assert tuned.difference.low > 0
    assert tuned.ndcg - tuned.present_ndcg == pytest.approx(tuned.difference.value)


def test_it_goes_on_where_it_stopped(split, settings) -> None:
    ours = logistic(settings, 0.1)
    told: list[str] = []
    first = search(split, ours, trials=2, minutes=None, told=told.append)
    again = search(split, ours, trials=2, minutes=None, told=told.append)
    assert [line.split(":")[0] for line in told] == ["trial 1 of 2", "trial 2 of 2"]
    assert (first.trials, again.trials, again.best, again.ndcg) == (2, 2, first.best, first.ndcg)
    assert search(split, ours, trials=3, minutes=None).trials == 3


def test_no_trial_begins_when_the_time_is_over(split, settings) -> None:
    assert search(split, logistic(settings, 0.1), trials=50, minutes=1e-6).trials == 1


def test_the_same_seed_tries_the_same(split, settings, tmp_path) -> None:
    ours = [logistic(settings, 1e-12, work_dir=tmp_path / name) for name in ("one", "other")]
    assert len({str(search(split, each, trials=1, minutes=None)) for each in ours}) == 1


def test_without_a_better_one_the_present_stay(split, settings) -> None:
    """With all their labels turned round, the askers who decide are best served by no weights at all."""
    (judged, wanted), *_ = split.judged
    spoiled = replace(judged, matrix=-judged.matrix)
    turned = Split(split.learned, ((spoiled, wanted),), WEEKS)
    ours = logistic(settings, 1e-12)
    tuned = search(turned, ours, trials=1, minutes=None)
    if judged_by(turned, Rankers(turned.learned, ours).of(ours.training)).mean() >= tuned.ndcg:
        assert tuned.best == tuned.present
    assert tuned.ndcg >= tuned.present_ndcg


def blend(settings, network: float, **over):
    shares = {"logistic": 1 - network, "network": network}
    return settings(training={"ranker": "blend", "blend": {"parts": shares}, "network": {"members": 1}}, **over)


def test_trials_of_a_blend_fit_each_part_once_and_are_what_training_would_make(split, settings) -> None:
    ours = [blend(settings, share) for share in (0.5, 0.2)]
    rankers = Rankers(split.learned, ours[0])
    one, other = (rankers.of(each.training) for each in ours)
    assert all(other.parts[name] is part for name, part in one.parts.items())
    trained = fitted(split.learned, ranker_features(ours[1].recall_sources), ours[1])
    matrix = split.judged[0][0].matrix
    assert other.score(matrix).tobytes() == trained.score(matrix).tobytes() != one.score(matrix).tobytes()


def test_an_interrupted_search_keeps_the_trials_that_were_finished(split, settings) -> None:
    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    ours = logistic(settings, 0.1)
    kept: list[str] = []
    search(split, ours, trials=1, minutes=None, told=kept.append)
    with pytest.raises(KeyboardInterrupt):
        search(split, ours, trials=3, minutes=None, told=interrupted)
    assert search(split, ours, trials=1, minutes=None, told=kept.append).trials == 1
    assert len(kept) == 1


def test_a_study_is_not_gone_on_with_when_other_choices_have_changed(split, settings) -> None:
    ours = logistic(settings, 0.1)
    assert search(split, ours, trials=2, minutes=None).trials == 2
    changed = ours.model_copy(update={"training": ours.training.model_copy(update={"negatives_per_user": 9})})
    assert search(split, changed, trials=1, minutes=None).trials == 1
    assert search(split, ours, trials=1, minutes=None).trials == 2

"""The search looks at weeks before the cut only, goes on where it stopped, and never ends with worse than there is."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from feature_store.registry import ranker_features
from pipeline.configuration import load_settings
from pipeline.tuning.ranker import Split, judged_by, search
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
    first = search(split, ours, trials=2, minutes=None)
    again = search(split, ours, trials=2, minutes=None)
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
    if judged_by(turned, ours.training, ours).mean() >= tuned.ndcg:
        assert tuned.best == tuned.present
    assert tuned.ndcg >= tuned.present_ndcg

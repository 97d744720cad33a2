"""The audit passes what is honest, and names what was planted: a look at the future, and a column that is the label."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from feature_store.registry import ranker_features
from pipeline.audits import leaks
from pipeline.audits.leaks import audit_leaks, find_leaks, separation, too_good
from pipeline.errors import LeakError
from pipeline.knowledge import open_archive
from pipeline.recommender.examples import Examples
from pipeline.recommender.weeks import week_of_examples
from tests.feature_store.archive import TODAY, random_shop

DAY = TODAY - dt.timedelta(days=9)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return random_shop(21, users=25, items=40, baskets=700).write(tmp_path_factory.mktemp("audited") / "work" / "clean")


@pytest.fixture
def ours(clean, settings):
    return settings(work_dir=clean.parent)


def test_no_feature_of_ours_knows_the_future(ours) -> None:
    assert audit_leaks(DAY, ours) == len(ranker_features(ours.recall_sources))


def test_a_feature_that_looks_at_the_future_is_named(ours, planted) -> None:
    with pytest.raises(LeakError, match=f"{planted}: changes in .* rows when events after") as caught:
        audit_leaks(DAY, ours)
    assert caught.value.found.count("changes in") == 1


def test_what_changes_with_the_future_is_not_to_be_trusted(ours, planted) -> None:
    trusting = ours.model_copy(update={"audits": ours.audits.model_copy(update={"trusted": (planted,)})})
    assert [leak.feature for leak in find_leaks(DAY, trusting)] == [planted]


def test_a_feature_that_somebody_knows_to_be_so_good_is_trusted(ours, monkeypatch) -> None:
    monkeypatch.setattr(leaks, "TOO_GOOD", -1.0)
    every = [leak.feature for leak in find_leaks(DAY, ours)]
    trusting = ours.model_copy(update={"audits": ours.audits.model_copy(update={"trusted": tuple(every[:-1])})})
    assert [leak.feature for leak in find_leaks(DAY, trusting)] == every[-1:]


def test_of_shuffled_labels_no_feature_tells_anything(ours) -> None:
    """What it seems to tell the audit puts down to chance, even of a column that was the label."""
    with open_archive(DAY + ours.horizon, ours) as archive:
        real = week_of_examples(archive, DAY, ours)
    for made, names in (
        (real, ranker_features(ours.recall_sources)),
        (examples(1, leaking=1.0), ["honest", "knows"]),
    ):
        label = np.random.default_rng(1).permutation(made.label)
        chance = 3 * np.sqrt(0.25 / label.sum())
        told = np.array([separation(made.matrix[:, at], label) for at in range(len(names))])
        assert (np.abs(told - 0.5) < chance).all()
        shuffled = Examples(made.matrix, label, made.group)
        assert not too_good(shuffled, shuffled, names)


def test_a_feature_shifted_by_a_day_towards_the_future_is_named() -> None:
    """Half of the next day's purchases, known a day early: on the day after it knows none of those that follow."""
    today, tomorrow = examples(1, leaking=0.5), examples(2, leaking=0)
    assert [leak.feature for leak in too_good(today, tomorrow, ["honest", "knows"])] == ["knows"]
    assert not too_good(tomorrow, today, ["honest", "knows"])


def examples(seed: int, *, leaking: float) -> Examples:
    """Two columns: one honest, one that holds the label in a share `leaking` of the rows."""
    random = np.random.default_rng(seed)
    label = (random.random(2000) < 0.2).astype(np.int8)
    honest = label + random.normal(0, 2, 2000)
    knows = np.where(random.random(2000) < leaking, label, random.random(2000))
    return Examples(np.column_stack([honest, knows]).astype(np.float32), label, np.array([2000], np.int32))


@pytest.mark.parametrize(
    ("now", "following", "why"),
    [(1.0, 1.0, "by itself with AUC 1.000"), (0.6, 0.0, "a day later with 0.5"), (0.6, 0.6, None), (0.0, 0.0, None)],
)
def test_a_feature_that_is_too_good_is_named(now, following, why) -> None:
    found = too_good(examples(1, leaking=now), examples(2, leaking=following), ["honest", "knows"])
    assert [leak.feature for leak in found] == (["knows"] if why else [])
    assert all(why in leak.why for leak in found)


def test_separation_counts_ties_half_and_looks_both_ways() -> None:
    label = np.array([0, 0, 1, 1], np.int8)
    assert separation(np.array([1, 2, 3, 4], np.float32), label) == 1
    assert separation(np.array([4, 3, 2, 1], np.float32), label) == 1
    assert separation(np.array([5, 5, 5, 5], np.float32), label) == 0.5
    assert separation(np.array([1, 2, 2, 3], np.float32), label) == 7 / 8

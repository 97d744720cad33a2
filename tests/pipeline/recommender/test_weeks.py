"""A week of examples: what the log says was shown where it says enough, else what recall would have offered."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from pipeline.recommender.weeks import held_out_week, moments, week_of_examples, whole_week
from tests.feature_store.archive import TODAY, event, moment, open_shop, random_shop

WEEK = TODAY - dt.timedelta(days=7)
LISTS = 12


def with_log(seed: int):
    """A random shop whose slot showed each of some users four items a day in the last week; they bought the second an
    hour later, and clicked the first.
    """
    shop = random_shop(seed, baskets=300)
    for number in range(LISTS):
        who, shown_at = f"user {number % 6}", 6.5 - number / 2
        for place in range(1, 5):
            told = {"slot": "home", "position": place, "request_id": f"request {number}"}
            item = f"item {(number + 7 * place) % 50}"
            shop.visits.append(event(who, item, shown_at, kind="impression", value=0.0, **told))
            if place == 1:
                shop.visits.append(event(who, item, shown_at - 1 / 24, kind="click", value=0.0, **told))
            if place == 2:
                shop.events.append(event(who, item, shown_at - 1 / 24, value=3.0))
    return shop


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    opened = open_shop(with_log(21), tmp_path_factory.mktemp("shown"))
    yield opened
    opened.close()


def training(settings, **choices):
    return settings(training=choices, scenes={"home": {"recall": {"personal": {"quota": 20}, "popular": {"quota": 9}}}})


def test_shown_lists_are_examples_with_their_positions(archive, settings) -> None:
    found = week_of_examples(archive, WEEK, training(settings, fewest_shown=5))
    assert len(found.group) == LISTS
    assert set(found.group.tolist()) == {4}
    assert found.position.reshape(-1, 4).tolist() == [[1, 2, 3, 4]] * LISTS
    assert found.label.reshape(-1, 4)[:, 1].all()
    assert found.targets["click"].reshape(-1, 4)[:, 0].all()
    assert (found.targets["gmv"].reshape(-1, 4)[:, 1] >= 3).all()


@pytest.mark.slow
def test_too_few_lists_are_not_learned_from(archive, settings) -> None:
    """Unless that is what the settings want."""
    assert week_of_examples(archive, WEEK, training(settings)).position is None
    assert week_of_examples(archive, WEEK, training(settings, fewest_shown=5, examples="recall")).position is None
    assert week_of_examples(archive, WEEK, training(settings, examples="shown")).position is not None


def test_at_most_so_many_lists_are_drawn_the_same_for_a_seed(archive, settings) -> None:
    some = [week_of_examples(archive, WEEK, training(settings, fewest_shown=5, most_shown=3)) for _ in range(2)]
    assert len(some[0].group) == 3
    assert some[0].matrix.tobytes() == some[1].matrix.tobytes()


@pytest.mark.slow
def test_what_happens_after_a_list_changes_no_feature_of_it(settings, tmp_path) -> None:
    """The first list is the same whether or not anything happened in the days after it."""
    ours, shop = training(settings, examples="shown"), with_log(22)
    whole = open_shop(shop, tmp_path / "whole")
    shop.events = [row for row in shop.events if row["time"] < moment(5.5)]
    shop.visits = [row for row in shop.visits if row["time"] < moment(5.5)]
    short = open_shop(shop, tmp_path / "short")
    one, other = (week_of_examples(each, WEEK, ours) for each in (whole, short))
    assert len(other.group) < len(one.group)
    rows = len(other.label)
    assert other.matrix.tobytes() == one.matrix[:rows].tobytes()
    whole.close()
    short.close()


@pytest.mark.slow
def test_several_targets_are_learned_without_a_log_too(archive, settings) -> None:
    found = week_of_examples(archive, WEEK, training(settings, ranker="multitask", examples="recall"))
    assert set(found.targets) == {"click", "cart", "gmv"}
    assert found.targets["click"].sum() > 0
    assert ((found.targets["gmv"] > 0) <= (found.label > 0)).all()
    assert found.targets["gmv"].sum() > 3


@pytest.mark.slow
def test_whole_candidates_are_of_everybody_drawn_whether_they_bought_or_not(archive, settings) -> None:
    ours = training(settings)
    everybody, wanted = whole_week(archive, WEEK, ours, askers=999)
    buyers, theirs = whole_week(archive, WEEK, ours, askers=999, buyers=True)
    assert len(everybody.group) == len(wanted) > len(buyers.group) == len(theirs) > 0
    assert (theirs > 0).all()
    assert len(whole_week(archive, WEEK, ours, askers=4)[0].group) == 4
    sums = np.bincount(everybody.asker, weights=everybody.label, minlength=len(wanted))
    assert (sums <= wanted).all()


def test_the_held_out_week_lies_before_the_training_weeks(archive, settings) -> None:
    ours = training(settings, weeks=2)
    assert moments(TODAY, ours) == [TODAY - dt.timedelta(days=7), TODAY - dt.timedelta(days=14)]
    nothing = held_out_week(archive, TODAY, training(settings, calibration="none"))
    assert (len(nothing.label), nothing.matrix.shape[1] > 50) == (0, True)

import numpy as np
import pytest

from pipeline.evaluation.metrics import judge, recall
from pipeline.recommender.baselines import BASELINES
from pipeline.recommender.baselines.frequency import FrequencyLists
from pipeline.recommender.baselines.popular import PopularLists
from tests.pipeline.recommender.shop import FEW_TASTES, NOW, USERS, catalog, history, shop_of_tribes

EVENTS, TRUTH = shop_of_tribes()
SHOP = catalog(["a"] * 6)


@pytest.fixture(params=BASELINES, ids=lambda baseline: baseline.name)
def baseline(request):
    return request.param


def test_names_differ():
    assert len({baseline.name for baseline in BASELINES}) == len(BASELINES)


def test_lists_are_full_distinct_and_the_same_twice(baseline):
    users = np.arange(USERS)
    lists = baseline.lists(EVENTS, FEW_TASTES, NOW, users, 20)
    assert lists.dtype == np.int32
    assert lists.shape == (USERS, 20)
    assert lists.min() >= 0
    assert all(len(np.unique(row)) == 20 for row in lists)
    assert lists.tobytes() == baseline.lists(EVENTS, FEW_TASTES, NOW, users, 20).tobytes()


def test_users_may_be_asked_in_any_order(baseline):
    some = np.array([9, 3, 40])
    everybody = baseline.lists(EVENTS, FEW_TASTES, NOW, np.arange(USERS), 20)
    assert np.array_equal(baseline.lists(EVENTS, FEW_TASTES, NOW, some, 20), everybody[some])


def test_lists_find_more_than_chance(baseline):
    lists = baseline.lists(EVENTS, FEW_TASTES, NOW, np.arange(USERS), 20)
    assert recall(judge(lists, TRUTH), 20).mean() > 1.5 * 20 / len(FEW_TASTES)


def test_a_shop_with_too_few_items_leaves_places_empty(baseline):
    events = history((0, 1, 3), (1, 1, 4), (1, 2, 4), (2, 2, 5), (2, 1, 5), users=4)
    lists = baseline.lists(events, SHOP, NOW, np.arange(4), 5)
    assert (np.sort(lists, axis=1)[:, :3] == -1).all()
    assert all(set(row.tolist()) <= {-1, 1, 2} for row in lists)


def test_somebody_without_history_gets_the_popular_list(baseline):
    events = history((0, 1, 3), (1, 1, 4), (1, 2, 4), (2, 2, 5), (3, 2, 5), users=5)
    assert baseline.lists(events, SHOP, NOW, np.array([4]), 3).tolist() == [[2, 1, -1]]


def test_popular_counts_users_of_the_last_30_days():
    events = history((0, 3, 31), (1, 3, 31), (0, 2, 29), (1, 2, 1), (2, 4, 2), (2, 4, 3), users=3)
    assert PopularLists().lists(events, SHOP, NOW, np.array([0]), 4).tolist() == [[2, 4, -1, -1]]


def test_frequency_counts_baskets_and_fills_up_with_popular():
    events = history((0, 5, 100), (0, 5, 200), (0, 1, 3), (1, 2, 3), (2, 2, 3), users=3)
    assert FrequencyLists().lists(events, SHOP, NOW, np.array([0]), 3).tolist() == [[5, 1, 2]]


def test_a_short_half_life_prefers_the_recent():
    events = history((0, 5, 100), (0, 5, 200), (0, 1, 3), users=1)
    assert FrequencyLists(half_life_days=30).lists(events, SHOP, NOW, np.array([0]), 2).tolist() == [[1, 5]]

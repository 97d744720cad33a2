import numpy as np
import pytest

from pipeline.evaluation.lists import coverage, diversity, novelty, popularity_lift

LISTS = np.array([[0, 1, 2], [0, 3, -1]], np.int32)


def test_coverage_is_the_share_of_the_shop_that_is_shown():
    assert coverage(LISTS, 8) == 0.5
    assert coverage(np.full((2, 3), -1), 8) == 0


def test_novelty_is_the_mean_surprise():
    """Bought by all, half, a quarter and an eighth of 8 users: 0, 1, 2 and 3 bits; the list shows item 0 twice."""
    assert novelty(LISTS, np.array([8, 4, 2, 1]), 8) == pytest.approx((0 + 1 + 2 + 0 + 3) / 5)


def test_an_item_that_nobody_bought_is_as_new_as_one_bought_once():
    lists = np.array([[0]])
    assert novelty(lists, np.array([0]), 8) == novelty(lists, np.array([1]), 8) == 3


def test_diversity_is_the_share_of_unlike_pairs():
    """Of the pairs (0,1), (0,2), (1,2) one is of one group; of (0,3) none."""
    assert diversity(LISTS, np.array([7, 7, 8, 9])) == pytest.approx((2 / 3 + 1) / 2)
    assert diversity(np.array([[0, -1]]), np.array([7])) == 0


def test_popularity_lift_compares_with_what_users_bought_themselves():
    """Listed items have 10 buyers each, bought ones 5: twice as popular."""
    assert popularity_lift(np.array([[0, 0]]), np.array([10, 5]), np.array([1])) == pytest.approx(1)
    assert popularity_lift(np.array([[1, -1]]), np.array([10, 5]), np.array([1])) == pytest.approx(0)

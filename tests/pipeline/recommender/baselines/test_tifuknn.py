import numpy as np

from pipeline.recommender.baselines.tifuknn import TifuKnnLists
from tests.pipeline.recommender.shop import NOW, catalog, history

SHOP = catalog(["a"] * 7)
HALVES = TifuKnnLists(group_size=2, basket_decay=0.5, group_decay=0.5)


def test_a_vector_is_the_mean_of_decayed_groups_counted_from_the_latest_basket():
    """Groups: {1} alone, then {1, 2} and {2}. Item 1: (1/2 + 1/4) / 2; item 2: (1/2 + 1/4) / 2; item 3 never."""
    events = history((0, 1, 30), (0, 1, 20), (0, 2, 20), (0, 2, 10))
    assert HALVES.vectors(events, 4).toarray().tolist() == [[0, 0.375, 0.375, 0]]


def test_a_basket_twice_in_the_till_roll_counts_once():
    events = history((0, 1, 10), (0, 1, 10))
    assert HALVES.vectors(events, 2).toarray().tolist() == [[0, 1]]


def test_the_nearest_user_adds_what_the_asker_lacks():
    """User 1 is one item away from user 0, user 2 shares nothing."""
    events = history((0, 1, 5), (1, 1, 5), (1, 2, 5), (2, 3, 5), (2, 4, 5), (2, 5, 5), users=3)
    lists = TifuKnnLists(neighbours=1).lists(events, SHOP, NOW, np.array([0]), 2)
    assert lists.tolist() == [[1, 2]]


def test_nobody_is_their_own_neighbour():
    """With the neighbours alone, user 0 is given what user 1 bought."""
    events = history((0, 1, 5), (1, 2, 5), users=2)
    assert TifuKnnLists(neighbours=1, own_share=0.0).lists(events, SHOP, NOW, np.array([0]), 1).tolist() == [[2]]

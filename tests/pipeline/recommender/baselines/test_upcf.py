import numpy as np
import pytest

from pipeline.recommender.baselines.upcf import UpCfLists
from tests.pipeline.recommender.shop import NOW, catalog, history

SHOP = catalog(["a"] * 7)


def test_popularity_is_the_share_of_the_latest_baskets():
    """Of {1}, {1, 2}, {2} the last two count: item 1 was in one, item 2 in both."""
    events = history((0, 1, 30), (0, 1, 20), (0, 2, 20), (0, 2, 10))
    assert UpCfLists(recency=2).popularity(events, 3).toarray().tolist() == [[0, 0.5, 1]]


@pytest.mark.parametrize(("asymmetry", "similarity"), [(0.0, 1 / 4), (0.5, 1 / 2), (1.0, 1.0)])
def test_similarity_weighs_the_size_of_both(asymmetry, similarity):
    """The asker has one item, the other four, among them that one."""
    bought = history((0, 1, 5), (1, 1, 5), (1, 2, 5), (1, 3, 5), (1, 4, 5), users=2)
    method = UpCfLists(asymmetry=asymmetry)
    assert method.similarity(method.bought(bought, 5), np.array([0])).tolist() == [[1.0, similarity]]


@pytest.mark.parametrize(("locality", "first"), [(1.0, 2), (20.0, 3)])
def test_a_high_locality_trusts_the_most_similar_alone(locality, first):
    """Four users share half their items with the asker and bought item 2, one shares two thirds and bought item 3."""
    some = [(user, item, 5) for user in (1, 2, 3, 4) for item in (0, 2)]
    events = history((0, 0, 5), (0, 1, 5), *some, (5, 0, 5), (5, 1, 5), (5, 3, 5), users=6)
    others = UpCfLists(locality=locality, asymmetry=0.5).lists(events, SHOP, NOW, np.array([0]), 4)
    assert next(item for item in others[0] if item in (2, 3)) == first

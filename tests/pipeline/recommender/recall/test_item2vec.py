import numpy as np

from pipeline.recommender.recall.item2vec import Item2Vec, Item2VecConfig, visits
from tests.pipeline.recommender.shop import FEW_TASTES, ITEMS_PER_TRIBE, NOW, asker, history, shop_of_tribes

EVENTS, _ = shop_of_tribes()
MINUTE = 1 / 1440


def test_a_visit_ends_after_the_gap_and_holds_an_item_once():
    events = history((0, 1, 5), (0, 2, 5 - 20 * MINUTE), (0, 1, 5 - 40 * MINUTE), (0, 3, 4), (1, 3, 4), users=2)
    assert visits(events, 4, 30).toarray().tolist() == [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]


def test_what_stands_in_the_same_baskets_is_near():
    source = Item2Vec.fit(EVENTS, FEW_TASTES, NOW, Item2VecConfig(dimensions=8))
    for tribe in range(4):
        found = source.candidates(asker((tribe * ITEMS_PER_TRIBE, 1)), 20).items
        assert np.mean(found // ITEMS_PER_TRIBE == tribe) == 1


def test_items_of_few_visits_have_no_vector():
    events = history(*((user, item, 3) for user in range(5) for item in (0, 1)), (0, 2, 3), users=5)
    assert Item2Vec.fit(events, FEW_TASTES, NOW).index.rows.tolist() in ([], [0, 1])


def test_the_size_of_blocks_changes_no_byte():
    small, large = (Item2Vec.fit(EVENTS, FEW_TASTES, NOW, Item2VecConfig(block_products=n)) for n in (1, 10**9))
    assert small.index.vectors.tobytes() == large.index.vectors.tobytes()

from pipeline.recommender.recall.new_items import NewItems, NewItemsConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

SHOP = catalog(["tea", "tea", "soap", "soap", "soap"], off_sale=[4])
OLD = [(0, 0, 90), (1, 0, 5)]
NEW = [(0, 1, 3), (1, 2, 3), (2, 2, 3), (1, 3, 20), (2, 3, 20), (0, 4, 2)]


def offered(*events, **config):
    source = NewItems.fit(history(*OLD, *NEW, users=3), SHOP, NOW, NewItemsConfig(**config))
    return source.candidates(asker(*events), 9).items.tolist()


def test_without_history_the_newest_that_most_want_come_first_and_nothing_old():
    assert offered() == [2, 1, 3]


def test_new_items_of_the_askers_groups_come_first():
    assert offered((0, 1)) == [1, 2, 3]


def test_an_item_is_new_for_so_many_days():
    assert offered(days=7) == [2, 1]

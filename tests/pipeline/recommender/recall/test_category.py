from pipeline.recommender.recall.category import Category, CategoryConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

DEFAULT = CategoryConfig()
SHOP = catalog(["tea", "tea", "tea", "bread", "bread", "", ""])
SALES = history((0, 0, 3), (1, 1, 3), (2, 1, 3), (3, 3, 3), (4, 4, 3), (5, 4, 3), (6, 5, 3), users=7)


def offered(*events, config=DEFAULT):
    return Category.fit(SALES, SHOP, NOW, config).candidates(asker(*events), 9).items.tolist()


def test_what_others_buy_in_the_group_comes_first_even_before_what_the_asker_has():
    assert offered((0, 1)) == [1, 0]


def test_the_favourite_group_comes_before_another():
    assert offered((3, 1), (3, 8), (3, 15), (0, 1))[0] == 4
    assert offered((0, 1), (0, 8), (0, 15), (3, 1))[0] == 1


def test_items_without_a_group_have_nothing_in_common():
    assert offered((6, 1)) == []


def test_only_so_many_groups_and_items_are_asked():
    config = CategoryConfig(levels=("category",), groups_per_user=1, items_per_group=1)
    assert offered((3, 1), (3, 8), (0, 1), config=config) == [4]

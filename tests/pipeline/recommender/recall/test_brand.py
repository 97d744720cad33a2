from pipeline.recommender.recall.brand import Brand, BrandConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

SHOP = catalog(["tea", "tea", "soap", "soap", "tea"], brands=["ox", "ox", "ox", "fox", ""])
SALES = history((0, 0, 3), (1, 1, 3), (2, 1, 3), (3, 2, 3), (4, 2, 3), (5, 2, 3), (6, 3, 3), (7, 4, 3), users=8)


def offered(*events, **config):
    return Brand.fit(SALES, SHOP, NOW, BrandConfig(**config)).candidates(asker(*events), 9).items.tolist()


def test_the_brand_is_offered_in_every_category_but_first_where_it_is_bought():
    assert offered((0, 1)) == [1, 0, 2]


def test_within_its_category_only():
    assert offered((0, 1), within=("category",)) == [1, 0]


def test_items_without_a_brand_have_nothing_in_common():
    assert offered((4, 1)) == []

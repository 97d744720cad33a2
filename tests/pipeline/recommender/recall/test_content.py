from pipeline.recommender.recall.content import Content
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

SHOP = catalog(
    ["tea", "tea", "soap", "soap", ""], off_sale=[3], titles=["green tea", "black tea", "soap", "rose soap", ""]
)


def test_alike_texts_are_offered_though_nobody_wanted_them_yet():
    source = Content.fit(history((0, 0, 1)), SHOP, NOW)
    found = source.candidates(asker((0, 1)), 2).items.tolist()
    assert found == [0, 1]


def test_what_is_off_sale_says_what_the_asker_likes_and_is_not_offered():
    found = Content.fit(history((0, 0, 1)), SHOP, NOW).candidates(asker((3, 1)), 9).items.tolist()
    assert found[0] == 2
    assert 3 not in found

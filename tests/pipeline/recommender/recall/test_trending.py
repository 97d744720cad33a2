from pipeline.recommender.recall.trending import Trending, TrendingConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

SHOP = catalog(["a"] * 4, off_sale=[3])


def offered(*events, users=40, **config):
    source = Trending.fit(history(*events, users=users), SHOP, NOW, TrendingConfig(**config))
    return source.candidates(asker(), 9).items.tolist()


def test_what_grows_comes_before_what_always_sells_as_much():
    always = [(user, 0, 7 * week + 1) for user in range(6) for week in range(9)]
    lately = [(user, 1, 1) for user in range(5)]
    assert offered(*always, *lately) == [1, 0]


def test_two_buyers_after_one_are_no_trend():
    always = [(user, 0, 7 * week + 1) for user in range(9) for week in range(9)]
    assert offered(*always, (0, 1, 1), (1, 1, 1), (1, 1, 9)) == [0, 1]


def test_what_nobody_wanted_lately_or_is_off_sale_is_left_out():
    assert offered((0, 2, 30), (1, 3, 1), (2, 3, 1)) == []

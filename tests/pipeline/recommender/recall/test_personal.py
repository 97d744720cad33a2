from pipeline.recommender.recall.interest import Decay
from pipeline.recommender.recall.personal import Personal, PersonalConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

DEFAULT = PersonalConfig()
SHOP = catalog(["a"] * 5)


def offered(*events, config=DEFAULT):
    return Personal.fit(history(users=1), SHOP, NOW, config).candidates(asker(*events), 5).items.tolist()


def test_often_before_seldom_and_recent_before_old():
    assert offered((4, 10), (4, 20), (2, 10), (0, 300)) == [4, 2, 0]


def test_a_purchase_says_more_than_a_view():
    assert offered((1, 2, "view"), (3, 2)) == [3, 1]


def test_many_old_baskets_outweigh_one_recent_only_where_decay_is_slow():
    events = [(1, 60), (1, 67), (1, 74), (2, 1)]
    assert offered(*events, config=PersonalConfig(Decay((365.0,), (1.0,)))) == [1, 2]
    assert offered(*events, config=PersonalConfig(Decay((14.0,), (1.0,)))) == [2, 1]

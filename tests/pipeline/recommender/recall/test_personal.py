from pipeline.recommender.recall.interest import Decay
from pipeline.recommender.recall.personal import Personal, PersonalConfig, intervals_since
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


def test_own_intervals_are_counted_of_baskets_and_only_of_habits():
    """Item 0 every 10 days, last 25 days ago; item 1 in two baskets; a view at that time is none of its own."""
    events = asker((0, 25), (0, 35), (0, 35, "view"), (0, 45), (1, 5), (1, 6)).history
    assert intervals_since(events, NOW).tolist() == [2.5, 0]
    assert intervals_since(asker().history, NOW).tolist() == []


def test_an_abandoned_habit_fades_where_it_is_asked_for():
    events = [(0, 40), (0, 42), (0, 44), (1, 45)]
    assert offered(*events) == [0, 1]
    assert offered(*events, config=PersonalConfig(overdue_power=1.0)) == [1, 0]
    assert offered(config=PersonalConfig(overdue_power=1.0)) == []

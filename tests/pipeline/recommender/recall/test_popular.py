from feature_store.history import empty_history
from pipeline.recommender.recall.popular import Popular
from pipeline.recommender.recall.source import Asker
from tests.pipeline.recommender.shop import NOW, catalog, history

SHOP = catalog(["a"] * 5)


def popular(*events, users=5):
    found = Popular.fit(history(*events, users=users), SHOP, NOW).candidates(Asker(empty_history(), NOW), 5)
    return found.items.tolist()


def test_two_users_count_more_than_one_user_ten_times():
    often = [(0, 1, day) for day in range(1, 11)]
    assert popular(*often, (1, 2, 3), (2, 2, 3)) == [2, 1]


def test_this_week_counts_more_than_last_season():
    assert popular((0, 1, 90), (1, 1, 90), (2, 3, 2)) == [3, 1]


def test_after_a_year_without_sales_there_is_still_a_list():
    assert popular((0, 1, 500), (1, 1, 500), (2, 3, 501)) == [1, 3]

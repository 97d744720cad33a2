from pipeline.recommender.recall.source import Asker
from pipeline.recommender.recall.usercf import UserCF, UserCFConfig
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

DEFAULT = UserCFConfig()
SHOP = catalog(["a"] * 8)
ANNA = [(0, 0, 5), (0, 1, 6), (0, 7, 7)]
BERT = [(1, 0, 5), (1, 1, 6), (1, 2, 7)]
CARL = [(2, 3, 5), (2, 4, 6)]
THREE = history(*ANNA, *BERT, *CARL, users=9)


def offered(someone, events=THREE, config=DEFAULT):
    return UserCF.fit(events, SHOP, NOW, config).candidates(someone, 9).items.tolist()


def test_items_of_the_like_minded_are_offered_and_others_are_not():
    assert set(offered(asker((0, 1), (1, 2)))) == {0, 1, 2, 7}


def test_the_asker_is_no_neighbour_of_himself():
    """Item 7 is wanted by the asker only, so nobody can propose it."""
    assert set(offered(Asker(THREE.of(0), NOW))) == {0, 1, 2}


def test_nor_when_he_has_done_more_since_the_fit():
    """As at serving: yesterday's index, today's events."""
    later = NOW + 43_200
    today = [(item, ago + 0.5) for _, item, ago in ANNA] + [(5, 0.1), (3, 0.1)]
    assert 7 not in offered(asker(*today, now=later))


def test_nor_when_the_oldest_events_are_forgotten():
    """The online store holds the newest events only."""
    baskets = [(0, item, 5 + week) for week in range(5) for item in (0, 1)]
    events = history(*baskets, (0, 7, 50), *BERT, users=9)
    remembered = [(item, ago) for _, item, ago in baskets]
    assert set(offered(asker(*remembered), events)) == {0, 1, 2}


def test_one_rare_thing_in_common_says_more_than_one_that_everybody_has():
    """User 1 shares the rare item 1, user 2 only item 0, which all have; one neighbour is asked."""
    everybody = [(user, 0, 5) for user in range(8)]
    events = history(*everybody, (1, 1, 5), (1, 2, 5), (2, 3, 5), users=9)
    found = offered(asker((0, 1), (1, 1)), events, UserCFConfig(neighbours=1))
    assert 2 in found
    assert 3 not in found


def test_two_users_with_the_same_newest_event_are_still_two():
    """Where times are whole days this is common."""
    events = history((0, 0, 5), (0, 1, 9), (1, 0, 5), (1, 2, 9), users=9)
    assert 2 in offered(Asker(events.of(0), NOW), events)


def test_what_neighbours_want_now_comes_before_what_they_wanted_once():
    events = history((0, 0, 5), (0, 1, 200), (0, 2, 3), users=9)
    assert offered(asker((0, 1)), events)[0] != 1
    assert offered(asker((0, 1)), events)[-1] == 1

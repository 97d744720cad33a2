"""What every recall source promises; a new one in SOURCES is tested by being there."""

import io

import numpy as np
import pytest

from feature_store.history import empty_history
from feature_store.schema import EVENT_KINDS
from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.release import load_recall, save_arrays
from tests.pipeline.recommender.shop import DAY, FEW_TASTES, NOW, USERS, asker, catalog, history, shop_of_tribes

EVENTS, TRUTH = shop_of_tribes()
ITEMS = len(FEW_TASTES)


@pytest.fixture(params=SOURCES, scope="module")
def name(request):
    return request.param


OFFERS_THE_UNWANTED = {"content"}
"""Sources that are there for what nobody has wanted yet."""
OFFERS_A_PART = {"new_items"}
"""Sources that look at a small part of the shop, in which most of what is wanted does not lie."""


@pytest.fixture(scope="module")
def source(name):
    return SOURCES[name].fit(EVENTS, FEW_TASTES, NOW)


def asked_by(user, events=EVENTS, now=NOW):
    return Asker(events.of(user), now)


def same(one, other):
    return one.items.tobytes() == other.items.tobytes() and one.scores.tobytes() == other.scores.tobytes()


def files(source):
    written = {}
    for name, array in source.arrays().items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        written[name] = buffer.getvalue()
    return written


def test_the_name_is_the_one_it_is_registered_under(name):
    assert SOURCES[name].name == name


def test_candidates_are_distinct_rows_best_first_equal_scores_by_row(source):
    for user in range(USERS):
        found = source.candidates(asked_by(user), 50)
        assert found.items.dtype == np.int32
        assert found.scores.dtype == np.float32
        assert found.items.shape == found.scores.shape
        assert len(np.unique(found.items)) == len(found.items)
        assert found.items.min() >= 0
        assert found.items.max() < ITEMS
        assert (found.scores > 0).all()
        assert np.array_equal(np.lexsort((found.items, -found.scores)), np.arange(len(found.items)))


@pytest.mark.parametrize("k", [1, 7, 10_000])
def test_no_more_than_k_and_the_best_of_them_first(source, k):
    everything = source.candidates(asked_by(3), 10_000)
    found = source.candidates(asked_by(3), k)
    assert len(found.items) == min(k, len(everything.items))
    assert np.array_equal(found.items, everything.items[:k])


def test_saved_and_mapped_read_only_it_offers_the_same(name, source, tmp_path):
    save_arrays(tmp_path / name, source.arrays())
    loaded = load_recall(tmp_path)[name]
    assert files(loaded) == files(source)
    for user in range(0, USERS, 5):
        assert same(loaded.candidates(asked_by(user), 50), source.candidates(asked_by(user), 50))


def test_fitted_twice_every_byte_of_the_index_is_equal(name, source):
    assert files(SOURCES[name].fit(EVENTS, FEW_TASTES, NOW)) == files(source)


def test_only_ages_matter_not_the_clock(name, source):
    """The same shop a thousand days later gets the same lists."""
    later = NOW + 1000 * DAY
    moved, _ = shop_of_tribes(now=later)
    other = SOURCES[name].fit(moved, FEW_TASTES, later)
    for user in range(0, USERS, 5):
        assert same(other.candidates(asked_by(user, moved, later), 50), source.candidates(asked_by(user), 50))


def test_without_history_there_is_nothing_or_the_same_for_all(source):
    now, later = (source.candidates(Asker(empty_history(), moment), 20) for moment in (NOW, NOW + 30 * DAY))
    assert same(now, later)


def test_somebody_who_was_not_there_at_the_fit_is_served_too(source):
    assert len(source.candidates(asker((0, 1), (1, 1), (2, 3)), 20).items)


def test_the_asker_is_not_changed(source):
    events = EVENTS.of(0)
    before = [array.tobytes() for array in (events.item, events.time, events.kind)]
    source.candidates(Asker(events, NOW), 20)
    assert [array.tobytes() for array in (events.item, events.time, events.kind)] == before


def test_a_shop_without_purchases_works(name):
    """Views, clicks and carts are enough."""
    events, truth = shop_of_tribes(["view", "click", "cart"])
    source = SOURCES[name].fit(events, FEW_TASTES, NOW)
    assert mean_recall(source, events, truth, 24) > (0 if name in OFFERS_A_PART else 2 * 24 / ITEMS)


def test_an_impression_is_not_interest(name):
    """What the shop has shown says nothing of what anybody wants."""
    seen, _ = shop_of_tribes(EVENT_KINDS)
    wanted = seen.select(seen.kind != EVENT_KINDS.index("impression"))
    with_them, without = (SOURCES[name].fit(events, FEW_TASTES, NOW) for events in (seen, wanted))
    for user in range(0, USERS, 5):
        one, other = with_them.candidates(asked_by(user, seen), 20), without.candidates(asked_by(user, wanted), 20)
        assert same(one, other)


def test_an_empty_shop_can_be_fitted_saved_and_asked(name, tmp_path):
    source = SOURCES[name].fit(empty_history(3), catalog(["a", "b", ""]), NOW)
    save_arrays(tmp_path / name, source.arrays())
    loaded = load_recall(tmp_path)[name]
    assert not len(loaded.candidates(Asker(empty_history(), NOW), 5).items)
    loaded.candidates(asker((0, 1), (2, 1)), 5)


def test_items_nobody_wants_and_users_who_did_nothing_do_no_harm(name):
    events = history((1, 2, 1), (1, 3, 1), (3, 2, 2), users=6)
    source = SOURCES[name].fit(events, catalog(["a", "", "a", "b", "b", "a"]), NOW)
    known = {2, 3} if name not in OFFERS_THE_UNWANTED else set(range(6))
    for user in range(6):
        assert set(source.candidates(asked_by(user, events), 5).items.tolist()) <= known


def mean_recall(source, events, truth, k):
    found = [source.candidates(asked_by(user, events), k).items for user in range(USERS)]
    return np.mean([np.isin(wanted, items).mean() for wanted, items in zip(truth, found, strict=True)])


def test_it_finds_twice_what_chance_would(name, source):
    """24 of 240 items hold a tenth of what is wanted next week by chance."""
    assert mean_recall(source, EVENTS, TRUTH, 24) > (0 if name in OFFERS_A_PART else 0.2)


def test_the_union_finds_more_than_any_source_alone():
    """Each source offers 15; together they see what none sees alone."""
    sources = [source.fit(EVENTS, FEW_TASTES, NOW) for source in SOURCES.values()]
    alone = [mean_recall(source, EVENTS, TRUTH, 15) for source in sources]
    union = []
    for user, wanted in enumerate(TRUTH):
        offered = np.concatenate([source.candidates(asked_by(user), 15).items for source in sources])
        union.append(np.isin(wanted, offered).mean())
    assert np.mean(union) > max(alone)

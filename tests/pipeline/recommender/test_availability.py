"""What is off sale is never offered nor recommended, still tells what people like, and comes back when it is sold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recall.popular import Popular
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.recommend import Request, recommend
from tests.pipeline.recommender.releases import Offers, defaults, record, release, scene
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

CATEGORIES = ["milk", "milk", "bread", "bread", "soap", "soap", "tea", "tea"]
ITEMS = len(CATEGORIES)
EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, ITEMS - 1), st.integers(1, 100)), min_size=1, max_size=60)
OFF_SALE = st.sets(st.integers(0, ITEMS - 1))


def fitted(events, off_sale):
    past, items = history(*events, users=6), catalog(CATEGORIES, sorted(off_sale))
    return items, {name: source.fit(past, items, NOW) for name, source in SOURCES.items()}


@settings(max_examples=30)  # every one fits every source
@given(EVENTS, OFF_SALE)
def test_an_unavailable_item_is_never_recommended(events, off_sale):
    items, sources = fitted(events, off_sale)
    made = release(defaults(items), sources, {"home": scene(dict.fromkeys(SOURCES, ITEMS))})
    for user in range(6):
        own = sorted(((item, ago) for who, item, ago in events if who == user), key=lambda event: -event[1])
        answer = recommend(Request(str(user), NOW, ITEMS), made, record(items, *own))
        assert not {int(choice.item_id) for choice in answer.items} & off_sale


@pytest.mark.parametrize("name", SOURCES)
@given(EVENTS, OFF_SALE)
def test_no_source_offers_it_and_an_index_read_back_does_not_either(name, events, off_sale):
    past, items = history(*events, users=6), catalog(CATEGORIES, sorted(off_sale))
    fit = SOURCES[name].fit(past, items, NOW)
    again = SOURCES[name].from_arrays(fit.arrays())
    for user in range(6):
        own = asker(*((item, ago) for who, item, ago in events if who == user))
        for source in (fit, again):
            assert not set(source.candidates(own, ITEMS).items.tolist()) & off_sale


def test_others_take_its_place_in_a_list_that_is_cut():
    past = history((0, 0, 1), (1, 0, 1), (2, 0, 1), (0, 1, 2), (1, 1, 2), (2, 2, 3), users=3)
    for off_sale, first in (((), [0, 1]), ((0,), [1, 2])):
        found = Popular.fit(past, catalog(CATEGORIES, off_sale), NOW).candidates(Asker(past, NOW), 2)
        assert found.items.tolist() == first


def test_it_still_says_what_its_buyers_like():
    """Users who share only an item that is off sale are still neighbours."""
    events = [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2), (2, 0, 2), (2, 1, 2)]
    _, sources = fitted([*events, (3, 7, 1)], {0})
    for name in ("itemcf", "usercf"):
        assert sources[name].candidates(asker((0, 1)), ITEMS).items.tolist() == [1]


def test_a_source_that_offers_it_all_the_same_is_overruled():
    items = catalog(CATEGORIES, [1, 2])
    made = release(defaults(items), {"offers": Offers([1, 2, 3])}, {"home": scene({"offers": 9})})
    assert [choice.item_id for choice in recommend(Request("anna", NOW), made, None).items] == ["3"]

"""Histories are cut, chosen and built without losing or reordering an event."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.history import History, build_history, empty_history
from feature_store.schema import EVENT_KINDS, PURCHASE

USERS = 3
EVENTS = st.lists(
    st.tuples(
        st.integers(0, USERS - 1),
        st.integers(0, 1),
        st.integers(0, 3),
        st.integers(0, 4),
        st.sampled_from([1.0, 1.00000001, 2.0]),
        st.sampled_from([1.0, 5.0, 9.0]),
    ),
    max_size=60,
)
"""User, item, time, kind, quantity, value: many at one time; two quantities differ in float64 only."""


def built(events, users: int = USERS) -> History:
    user, item, time, kind, quantity, value = (np.array([event[at] for event in events]) for at in range(6))
    whole = [column.astype(np.int64) for column in (user, item, time, kind)]
    return build_history(*whole, quantity.astype(np.float64), value.astype(np.float64), users=users)


def rows(history: History) -> list[list[tuple]]:
    """The events of each user as plain tuples."""
    columns = list(zip(history.item, history.time, history.kind, history.quantity, history.value, strict=True))
    return [columns[start:end] for start, end in zip(history.offsets, history.offsets[1:], strict=False)]


def same(one: History, other: History) -> bool:
    return all(
        getattr(one, column.name).tobytes() == getattr(other, column.name).tobytes()
        and getattr(one, column.name).dtype == getattr(other, column.name).dtype
        for column in fields(History)
    )


SMALL = built([(0, 7, 10, 0, 1, 1), (0, 8, 20, 0, 1, 1), (0, 9, 30, 0, 1, 1), (2, 5, 15, 0, 1, 1)], users=3)


def test_it_has_the_documented_types() -> None:
    types = [getattr(SMALL, column.name).dtype for column in fields(History)]
    assert types == [np.int64, np.int32, np.int64, np.uint8, np.float32, np.float32]
    assert [array.dtype for array in (empty_history().item, empty_history().time)] == [np.int32, np.int64]


def test_each_event_knows_its_user() -> None:
    assert SMALL.users == 3
    assert SMALL.user.tolist() == [0, 0, 0, 2]


def test_the_history_of_one() -> None:
    assert SMALL.of(0).item.tolist() == [7, 8, 9]
    assert SMALL.of(1).item.tolist() == []
    assert SMALL.of(2).item.tolist() == [5]
    assert SMALL.of(2).offsets.tolist() == [0, 1]


def test_some_users_in_the_order_asked_for_twice_if_asked_twice() -> None:
    taken = SMALL.take(np.array([2, 0, 1, 2]))
    assert [[event[0] for event in user] for user in rows(taken)] == [[5], [7, 8, 9], [], [5]]


def test_nobody_is_a_history_too() -> None:
    assert SMALL.take(np.empty(0, np.int64)).users == 0
    assert empty_history(3).take(np.array([1])).users == 1


def test_everybody_stays_when_events_are_selected() -> None:
    assert rows(SMALL.select(SMALL.item == 8)) == [[(8, 20, 0, 1, 1)], [], []]


@pytest.mark.parametrize(("events", "items"), [(1, [9, 5]), (2, [8, 9, 5]), (3, [7, 8, 9, 5]), (99, [7, 8, 9, 5])])
def test_the_latest_of_each(events: int, items: list[int]) -> None:
    assert SMALL.of_kind(PURCHASE).latest({PURCHASE: events}).item.tolist() == items


def test_what_was_shown_does_not_push_out_what_was_bought() -> None:
    shown = [(0, item, 100 + item, EVENT_KINDS.index("impression"), 1, 0) for item in range(50)]
    history = built([(0, 7, 10, 0, 1, 1), (0, 8, 20, 1, 1, 1), *shown], users=1)
    latest = history.latest({"purchase": 3, "impression": 2})
    assert latest.item.tolist() == [7, 48, 49]  # a cart has no bound here


def test_before_is_strictly_before() -> None:
    assert SMALL.before(20).item.tolist() == [7, 5]
    assert SMALL.before(21).item.tolist() == [7, 8, 5]


@given(EVENTS, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_order_in_which_events_come_does_not_matter(events, random) -> None:
    shuffled = random.sample(events, len(events))
    assert same(built(events), built(shuffled))


@given(EVENTS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_history_rebuilt_from_itself_is_the_same(events) -> None:
    """So a user's record, packed and unpacked, gives the very sums that training saw."""
    once = built(events)
    again = build_history(once.user, once.item, once.time, once.kind, once.quantity, once.value, users=once.users)
    assert same(once, again)


@given(EVENTS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_event_is_lost_and_time_only_goes_on(events) -> None:
    history = built(events)
    assert len(history.item) == len(events)
    for user, own in enumerate(rows(history)):
        assert [event[1] for event in own] == sorted(time for owner, _, time, *_ in events if owner == user)
        assert rows(history.of(user)) == [own]
        assert rows(history.take(np.array([user]))) == [own]


@given(EVENTS, st.integers(1, 20), st.integers(0, 4))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_cutting_agrees_with_lists(events, kept, time) -> None:
    history = built(events)
    for own, latest in zip(rows(history), rows(history.latest(dict.fromkeys(EVENT_KINDS, kept))), strict=True):
        by_kind = [[at for at, event in enumerate(own) if event[2] == code] for code in range(len(EVENT_KINDS))]
        assert latest == [own[at] for at in sorted(at for places in by_kind for at in places[-kept:])]
    assert rows(history.before(time)) == [[event for event in own if event[1] < time] for own in rows(history)]

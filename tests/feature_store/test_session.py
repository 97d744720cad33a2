"""The visit that goes on when a user asks: who has one, what belongs to it, how long they stayed with what."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.history import build_history
from feature_store.schema import EVENT_KINDS
from feature_store.session import Session, session

ASKED = 1_000_000
MINUTE = 60
GROUPS = {"item": np.arange(4, dtype=np.int32), "category": np.array([0, 0, 1, 1], np.int32)}
"""Items 0 and 1 are of one category, 2 and 3 of another."""


def visit(*events: tuple, rows: tuple[int, ...] = (0, 1, 2, 3)) -> Session:
    """One user's visit as the `rows` see it; events as (item, minutes before asking) or with a kind, a view without."""
    items, minutes, kinds = zip(*[(*event, "view")[:3] for event in events], strict=True) if events else ((), (), ())
    columns = np.array(items, np.int64), ASKED - np.array(minutes, np.int64) * MINUTE
    codes = np.array([EVENT_KINDS.index(kind) for kind in kinds], np.int64)
    ones = np.ones(len(items))
    past = build_history(np.zeros(len(items), np.int64), *columns, codes, ones, ones, users=1)
    return session(past, np.array([ASKED]), GROUPS, np.zeros(len(rows), np.int32), np.array(rows, np.int32))


def test_a_gap_of_half_an_hour_ends_the_visit_before_it() -> None:
    assert visit((0, 80), (1, 50), (2, 21), (3, 1), rows=(0,)).depth.tolist() == [3]
    assert visit((0, 80), (1, 51), (2, 21), (3, 1), rows=(0,)).depth.tolist() == [2]


@pytest.mark.parametrize("events", [(), ((0, 30),), ((0, 90), (1, 45)), ((0, 40), (1, 1, "impression"))])
def test_who_did_nothing_for_half_an_hour_has_no_visit(events) -> None:
    found = visit(*events)
    assert found.depth.tolist() == found.count("item").tolist() == found.seconds_with("category").tolist() == [0] * 4
    assert np.isnan([*found.seconds_since_first, *found.seconds_since_last, *found.last_is("category")]).all()
    assert np.isnan(found.mean(np.ones(len(found.item), np.float32))).all()


def test_it_begins_with_its_first_event_and_its_last_is_the_latest() -> None:
    found = visit((0, 99), (1, 20), (2, 5), rows=(0, 3))
    assert found.seconds_since_first.tolist() == [1200, 1200]
    assert found.seconds_since_last.tolist() == [300, 300]


def test_events_count_by_kind_for_the_rows_item_and_for_its_category() -> None:
    found = visit((0, 20), (1, 15, "cart"), (1, 10), (2, 5, "click"))
    assert found.count("item", "view", "click").tolist() == [1, 1, 1, 0]
    assert found.count("item", "cart").tolist() == [0, 1, 0, 0]
    assert found.count("category").tolist() == [3, 3, 1, 1]


def test_one_stays_with_an_item_until_the_next_event_or_until_asking() -> None:
    found = visit((0, 20), (2, 15), (0, 5))
    assert found.seconds_with("item").tolist() == [10 * MINUTE, 0, 10 * MINUTE, 0]
    assert found.seconds_with("category").tolist() == [10 * MINUTE] * 4


def test_what_the_shop_showed_belongs_to_no_visit() -> None:
    found = visit((0, 20), (3, 10, "impression"), (3, 1, "impression"))
    assert found.depth.tolist() == [1] * 4
    assert found.count("item").tolist() == [1, 0, 0, 0]
    assert found.seconds_since_last.tolist() == [20 * MINUTE] * 4


def test_the_last_event_has_the_rows_category_or_another() -> None:
    assert visit((0, 9), (2, 1)).last_is("category").tolist() == [0, 0, 1, 1]


def test_the_mean_of_what_was_looked_at_leaves_out_what_is_not_known() -> None:
    found = visit((0, 9), (1, 5), (2, 1), rows=(3,))
    assert found.mean(np.array([2, np.nan, 4], np.float32)).tolist() == [3]
    assert np.isnan(found.mean(np.full(3, np.nan, np.float32))).all()


def test_users_have_visits_of_their_own() -> None:
    """The first has none, the second looks at item 1, the third at item 2."""
    user, item, minutes = np.array([0, 1, 2]), np.array([3, 1, 2]), np.array([60, 3, 2])
    zeros, ones = np.zeros(3, np.int64), np.ones(3)
    past = build_history(user, item, ASKED - minutes * MINUTE, zeros + EVENT_KINDS.index("view"), ones, ones, users=3)
    rows = np.array([0, 1, 2, 1, 2], np.int32), np.array([3, 1, 1, 2, 2], np.int32)
    found = session(past, np.full(3, ASKED), GROUPS, *rows)
    assert found.visits == 2
    assert found.depth.tolist() == [0, 1, 1, 1, 1]
    assert found.count("item").tolist() == [0, 1, 0, 0, 1]
    assert found.last_is("category").tolist()[1:] == [1, 0, 0, 1]

"""What a user had to do with lately, as a vector."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.history import build_history
from feature_store.schema import EVENT_KINDS
from feature_store.taste import HALF_LIFE_DAYS, LATEST_EVENTS, tastes

ASKED, DAY = 1_000 * 86_400, 86_400
VECTORS = np.eye(3, dtype=np.float32)
"""Items 0, 1 and 2, which have nothing in common."""


def taste(*events: tuple) -> list[float]:
    """One user's vector; events as (item, days ago) or with a kind, a purchase without."""
    items, days, kinds = zip(*[(*event, "purchase")[:3] for event in events], strict=True) if events else ((), (), ())
    time = ASKED - (np.array(days, float) * DAY).astype(np.int64)
    kind = np.array([EVENT_KINDS.index(name) for name in kinds], np.int64)
    ones = np.ones(len(items))
    past = build_history(np.zeros(len(items), np.int64), np.array(items, np.int64), time, kind, ones, ones, users=1)
    return tastes(past, np.array([ASKED]), VECTORS)[0].tolist()


def test_an_event_weighs_half_after_each_half_life() -> None:
    old, new, _ = taste((0, HALF_LIFE_DAYS + 1), (1, 1))
    assert old / new == pytest.approx(0.5)


def test_it_has_length_one_however_old_the_events() -> None:
    assert taste((2, 9999)) == [0, 0, 1]


def test_what_the_shop_showed_is_no_taste() -> None:
    assert taste((0, 2), (1, 1, "impression")) == [1, 0, 0]
    assert np.isnan(taste((1, 1, "impression"))).all()


def test_who_did_nothing_has_none() -> None:
    assert np.isnan(taste()).all()


def test_only_the_latest_events_count() -> None:
    assert taste((0, 300), *[(1, 200 - day / 10) for day in range(LATEST_EVENTS)]) == [0, 1, 0]


def test_company_changes_no_bit() -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((50, 32)).astype(np.float32)
    user = random.integers(0, 9, 2000)
    columns = random.integers(0, 50, 2000), ASKED - random.integers(1, 99 * DAY, 2000), np.zeros(2000, np.int64)
    past = build_history(user, *columns, np.ones(2000), np.ones(2000), users=10)
    together = tastes(past, np.full(10, ASKED), vectors)
    alone = [tastes(past.of(each), np.array([ASKED]), vectors)[0] for each in range(10)]
    assert together.tobytes() == np.array(alone).tobytes()
    assert np.isnan(together[9]).all()

"""When a shop sells: shares of its baskets by day of the week and time of day, on its own clock."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.engine.duckdb import DuckDb
from feature_store.offline import Archive
from feature_store.rhythm import rhythm
from tests.feature_store.archive import TODAY, Shop, event, known, open_shop

MONDAY_NOON, SATURDAY_NIGHT = 6.5, 1 + 1 / 48
"""Days before the end of a Sunday: Monday at twelve, and half an hour before Saturday is over."""
SHOP = Shop(
    [
        *(event(who, what, MONDAY_NOON) for who in ("anna", "bert", "carl") for what in ("milk", "bread")),
        event("anna", "milk", SATURDAY_NIGHT),
        event("anna", "milk", 200),
    ]
)


def test_a_basket_counts_once_whatever_it_holds_and_not_for_ever(tmp_path) -> None:
    archive = open_shop(SHOP, tmp_path)
    found = known(archive)[0].item_side.rhythm
    archive.close()
    assert found.weekdays.tolist() == [0.75, 0, 0, 0, 0, 0.25, 0]


def test_the_days_and_hours_are_those_of_the_shops_clock(tmp_path) -> None:
    """In Berlin it was one o'clock in the afternoon, and Sunday already."""
    archive = Archive(SHOP.write(tmp_path), TODAY, timezone="Europe/Berlin", engine=DuckDb(threads=1))
    found = known(archive)[0].item_side.rhythm
    archive.close()
    assert found.weekdays.tolist() == [0.75, 0, 0, 0, 0, 0, 0.25]
    assert found.hours[13] == 0.75
    assert found.hours[0] == 0.25


def test_an_hour_is_near_four_hours_and_the_outermost_by_halves() -> None:
    hours = rhythm(np.array([12, 24 + 23]), np.array([3, 1])).hours
    assert hours[[10, 11, 12, 13, 14]].tolist() == [0.375, 0.75, 0.75, 0.75, 0.375]
    assert hours[[21, 22, 23, 0, 1]].tolist() == [0.125, 0.25, 0.25, 0.25, 0.125]
    assert hours.sum() == pytest.approx(4)


def test_of_a_shop_that_sold_nothing_no_share_is_known() -> None:
    none = np.empty(0, np.int64)
    assert np.isnan(rhythm(none, none).weekdays).all()
    assert np.isnan(rhythm(none, none).hours).all()

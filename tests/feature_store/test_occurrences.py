"""What a user did with an item's group, against a plain loop over their events."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.history import SECONDS_PER_DAY, build_history
from feature_store.occurrences import Occurrences, ages, occurrences

USERS, ITEMS, ASKED = 6, 12, 1_000 * 86_400
GROUP_OF_ITEM = (np.arange(ITEMS) % 4).astype(np.int32)


def seen(*days_ago: float, quantity: float = 1, value: float = 1) -> Occurrences:
    """One user's events with one item, seen by one row."""
    times = ASKED - (np.array(days_ago, np.float64) * SECONDS_PER_DAY).astype(np.int64)
    none = np.zeros(len(times), np.int64)
    past = build_history(none, none, times, none, none + float(quantity), none + float(value), users=1)
    one = np.zeros(1, np.int32)
    return occurrences(past, ages(past, np.array([ASKED])), one, one, one)


def test_events_of_one_moment_are_one_basket() -> None:
    assert seen(5, 5, 5, 2).count().tolist() == [2]
    assert seen(5, 5, quantity=3).quantity().tolist() == [6]
    assert seen(5, 5, value=1.5).spent().tolist() == [3]


def test_a_window_includes_its_first_moment() -> None:
    assert seen(28, 28.5).count(28).tolist() == [1]
    assert seen(28, 28.5).quantity(28).tolist() == [1]
    assert seen(28, 28.5).spent(29).tolist() == [2]


def test_a_basket_is_worth_half_after_each_half_life() -> None:
    assert seen(15).decayed(15).tolist() == [0.5]
    assert seen(30, 30, 15).decayed(15).tolist() == [0.75]


def test_gaps_are_between_baskets() -> None:
    assert seen(10, 10, 3).mean_gap_days.tolist() == [7]
    assert seen(9, 6, 1).mean_gap_days.tolist() == [4]


def test_below_two_baskets_there_is_no_gap_and_without_events_no_day() -> None:
    assert np.isnan(seen(5, 5).mean_gap_days).all()
    assert np.isnan([*seen().days_since_last, *seen().days_since_first, *seen().mean_gap_days]).all()
    assert seen().count().tolist() == seen().decayed(9).tolist() == [0]


@pytest.mark.parametrize("table", [0, 1 << 17])
@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_a_plain_loop(seed: int, table: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feature_store.occurrences._TABLE", table)
    random = np.random.default_rng(seed)
    events, rows = int(random.integers(0, 400)), int(random.integers(1, 300))
    user, item = random.integers(0, USERS - 1, events), random.integers(0, ITEMS, events)
    asked = ASKED + random.integers(0, 86_400, USERS)
    time = asked[user] - random.integers(1, 60, events) * 36_000
    quantity, value = random.choice([1.0, 2.0, 0.25], events), random.integers(0, 64, events) / 8
    past = build_history(user, item, time, np.zeros(events, np.int64), quantity, value, users=USERS)
    row_user, row_item = random.integers(0, USERS, rows, np.int32), random.integers(0, ITEMS, rows, np.int32)
    found = occurrences(past, ages(past, asked), GROUP_OF_ITEM, row_user, row_item)
    columns = {
        "count": found.count(),
        "count 10": found.count(10),
        "quantity": found.quantity(),
        "spent 10": found.spent(10),
        "decayed": found.decayed(7),
        "last": found.days_since_last,
        "first": found.days_since_first,
        "gap": found.mean_gap_days,
        "of the last 3": found.count_in_last(3),
        "baskets since": found.baskets_since_last,
    }
    for row in range(rows):
        mine = (user == row_user[row]) & (GROUP_OF_ITEM[item] == GROUP_OF_ITEM[row_item[row]])
        age = (asked[row_user[row]] - time[mine]) / SECONDS_PER_DAY
        baskets = np.unique(age)
        of_anything = np.unique((asked[row_user[row]] - time[user == row_user[row]]) / SECONDS_PER_DAY)
        wanted = {
            "count": len(baskets),
            "count 10": (baskets <= 10).sum(),
            "quantity": quantity[mine].sum(),
            "spent 10": value[mine][age <= 10].sum(),
            "decayed": (0.5 ** (baskets / 7)).sum(),
            "last": age.min() if len(age) else np.nan,
            "first": age.max() if len(age) else np.nan,
            "of the last 3": np.isin(of_anything[:3], baskets).sum(),
            "baskets since": (of_anything < age.min()).sum() if len(age) else np.nan,
            "gap": (age.max() - age.min()) / (len(baskets) - 1) if len(baskets) > 1 else np.nan,
        }
        assert {name: column[row] for name, column in columns.items()} == pytest.approx(wanted, rel=1e-5, nan_ok=True)


def test_rows_of_one_user_and_group_share_what_they_look_at() -> None:
    one, many = np.zeros(1, np.int32), np.zeros(5, np.int32)
    past = build_history(one, one, np.array([ASKED - 9]), one, one + 1.0, one + 1.0, users=1)
    found = occurrences(past, ages(past, np.array([ASKED])), one, many, many)
    assert len(set(found.slot_of_row.tolist())) == len(found.slot) == 1

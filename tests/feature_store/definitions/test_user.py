"""The stored features of users against plain Python on the rows of a random shop."""

from __future__ import annotations

from collections import defaultdict

import pytest

from feature_store.definitions.user import VARIETY_LINES
from tests.feature_store.archive import age


@pytest.fixture(scope="module")
def of_user(shop):
    found = defaultdict(list)
    for row in shop.events:
        found[row["user_id"]].append(row)
    return found


def baskets(rows) -> int:
    return len({row["basket_id"] for row in rows})


@pytest.mark.parametrize("days", [7, 28, 91])
def test_baskets_are_counted_once(agrees, last, of_user, days) -> None:
    agrees("user_id", f"user_basket_count_{days}d", of_user, lambda rows: baskets(last(rows, days)), 0.0)


def test_lines_in_a_basket(agrees, last, of_user) -> None:
    def formula(rows):
        recent = last(rows, 91)
        return len(recent) / baskets(recent) if recent else None

    agrees("user_id", "user_lines_per_basket_91d", of_user, formula, 0.0)


def test_money_spent(agrees, last, of_user) -> None:
    agrees("user_id", "user_spent_28d", of_user, lambda rows: sum(row["value"] for row in last(rows, 28)), 0.0)


@pytest.mark.parametrize(
    ("name", "parts"),
    [("user_spent_per_basket_91d", baskets), ("user_spent_per_line_91d", len)],
    ids=["basket", "line"],
)
def test_money_for_a_basket_and_for_a_line(agrees, last, of_user, name, parts) -> None:
    def formula(rows):
        recent = last(rows, 91)
        return sum(row["value"] for row in recent) / parts(recent) if recent else None

    agrees("user_id", name, of_user, formula, 0.0)


def test_part_of_the_price_taken_off(agrees, share, of_user) -> None:
    agrees("user_id", "user_discount_share_91d", of_user, lambda rows: share(rows, 91), 0.0)


def test_different_items_and_how_rarely_they_come_again(agrees, last, shop, of_user) -> None:
    def items(rows):
        return len({row["item_id"] for row in last(rows, 91)})

    of_shop = sum(map(items, of_user.values())) / len(last(shop.events, 91))
    assert 0 < of_shop < 1

    def variety(rows):
        lines = len(last(rows, 91))
        return (items(rows) + VARIETY_LINES * of_shop) / (lines + VARIETY_LINES) if lines else None

    agrees("user_id", "user_item_count_91d", of_user, items, 0.0)
    agrees("user_id", "user_variety_91d", of_user, variety, 1.0)


def test_days_since_the_first_and_the_latest_basket(agrees, of_user) -> None:
    agrees("user_id", "user_days_since_last_basket", of_user, lambda rows: min(map(age, rows)), 400.0)
    agrees("user_id", "user_days_since_first_basket", of_user, lambda rows: max(map(age, rows)), 0.0)

"""The stored features of categories against plain Python on the rows of a random shop."""

from __future__ import annotations

from collections import defaultdict

import pytest


@pytest.fixture(scope="module")
def of_category(shop):
    """Items without a category are one category without a name."""
    category = {row["item_id"]: row["category"] or "" for row in shop.items}
    found = defaultdict(list)
    for row in shop.events:
        found[category[row["item_id"]]].append(row)
    return found


@pytest.mark.parametrize(
    ("name", "days", "count"),
    [
        ("category_buyer_count_28d", 28, lambda rows: len({row["user_id"] for row in rows})),
        ("category_line_count_7d", 7, len),
        ("category_line_count_28d", 28, len),
        ("category_item_count_28d", 28, lambda rows: len({row["item_id"] for row in rows})),
    ],
)
def test_what_is_counted(agrees, last, of_category, name, days, count) -> None:
    agrees("category", name, of_category, lambda rows: count(last(rows, days)), 0.0)


def test_money_for_a_line(agrees, last, of_category) -> None:
    def formula(rows):
        recent = last(rows, 91)
        return sum(row["value"] for row in recent) / len(recent) if recent else None

    agrees("category", "category_spent_per_line_91d", of_category, formula, 0.0)


def test_part_of_the_price_taken_off(agrees, share, of_category) -> None:
    agrees("category", "category_discount_share_28d", of_category, lambda rows: share(rows, 28), 0.0)


def test_share_of_all_baskets(agrees, held, of_category) -> None:
    agrees("category", "category_basket_share_91d", of_category, held, 0.0)

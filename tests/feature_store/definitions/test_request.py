"""Request features by examples a reader can check: a user who bought milk 10 and 3 days ago, and bread 3 days ago."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.definitions.affinity import NEVER_DAYS
from feature_store.matrix import Rows, UserSide, assemble
from feature_store.online.recent import default_values
from feature_store.registry import registry
from tests.feature_store.archive import NOW, Shop, event, item, known, open_shop, price


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    shop = Shop(
        [
            event("anna", "milk", 10, value=2.0, quantity=2.0),
            event("anna", "milk", 3, value=4.0),
            event("anna", "bread", 3, value=3.0),
            event("bert", "bread", 2, value=3.0),
        ],
        [
            item("milk", "dairy", brand="own"),
            item("yogurt", "dairy", brand="best"),
            item("bread", "bakery", brand="own"),
        ],
        prices=[price("milk", 6.0, 20), price("bread", 3.0, 20)],
    )
    archive = open_shop(shop, tmp_path_factory.mktemp("request"))
    yield known(archive)
    archive.close()


@pytest.fixture
def value(side):
    """`value(feature, item)`: for anna, or a new user."""
    snapshot, history = side

    def of(name: str, item_id: str, *, new: bool = False) -> float:
        rows = Rows(np.zeros(1, np.int32), snapshot.item_side.catalog.rows_of_ids([item_id]))
        anna = int(np.searchsorted(snapshot.users, "anna"))
        values = default_values() if new else snapshot.user_values[anna]
        past = history.before(0).of(anna) if new else history.of(anna)
        user = UserSide(values[None, :], past, np.array([NOW]))
        return float(assemble([name], registry(), snapshot.item_side, user, rows)[0, 0])

    return of


@pytest.mark.parametrize(
    ("name", "milk", "yogurt"),
    [
        ("user_item_basket_count", 2, 0),
        ("user_item_days_since_last", 3, NEVER_DAYS),
        ("user_item_days_since_first", 10, 0),
        ("user_item_mean_gap_days", 7, NEVER_DAYS),
        ("user_item_due", 3 / 7, 0),
        ("user_item_quantity", 3, 0),
        ("user_item_basket_share", (2 + 2 * 2 / 3) / 4, 0),
        ("user_item_habit_15d", 2 ** (-10 / 15) + 2 ** (-3 / 15), 0),
        ("user_category_spent_91d", 6, 6),
        ("user_subcategory_basket_count", 2, 2),
        ("user_item_share_of_subcategory", 1, 0),
        ("user_brand_basket_share", 1, 0),
        ("user_days_since_last_purchase", 3, 3),
        ("user_mean_basket_gap_days", 7, 7),
        ("user_item_count_in_last_3_baskets", 2, 0),
        ("user_item_baskets_since_last", 0, NEVER_DAYS),
        ("user_item_due_as_usual", 3 / 7, 0),
        ("user_item_last_quantity_ratio", 1 / 1.5, 1),
        ("user_item_price_over_paid", 6 / (6 / 3), 1),
        ("user_item_days_behind_subcategory", 0, 0),
        ("user_subcategory_count_in_last_3_baskets", 2, 2),
        ("user_category_basket_share_91d", (2 + 2 * 2 / 3) / 4, (2 + 2 * 2 / 3) / 4),
        ("item_share_of_category_28d", 1, 0),
        ("item_lines_per_buyer", 2, 1),
        ("item_trend_7d_over_28d", (1 + 1) / (2 / 4 + 1), 1),
        ("user_item_price_ratio", 6 / 3, 1),
        ("category_price_ratio", 6 / 3, 1),
    ],
)
def test_what_it_says_of_milk_and_of_yogurt_never_bought(value, name, milk, yogurt) -> None:
    assert value(name, "milk") == pytest.approx(milk, rel=1e-6)
    assert value(name, "yogurt") == pytest.approx(yogurt, rel=1e-6)


def test_of_somebody_new_shares_are_those_of_the_whole_shop(value) -> None:
    """Of three baskets two held milk, the only dairy that was sold."""
    names = ("user_item_basket_share", "user_item_basket_share_91d", "user_category_basket_share_91d")
    assert [value(name, "milk", new=True) for name in names] == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert value("user_item_share_of_subcategory", "milk", new=True) == 1
    assert value("user_brand_basket_share", "yogurt", new=True) == 0


def test_a_price_is_not_compared_with_what_nobody_knows(value) -> None:
    """To somebody new milk at 6 is neither cheap nor dear."""
    assert value("user_item_price_ratio", "milk", new=True) == 1

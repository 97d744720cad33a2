"""A user who bought milk, yogurt and bread; next week half of the shop advertises yogurt, and all of it bread."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.matrix import Rows, UserSide, assemble
from feature_store.registry import registry
from tests.feature_store.archive import NOW, Shop, event, item, known, open_shop, promotion


def faded(days: float) -> float:
    return float(2 ** (-days / 120))


@pytest.fixture(scope="module")
def value(tmp_path_factory):
    """`value(feature, item)` for anna."""
    shop = Shop(
        [
            *(event("anna", "milk", days) for days in (10, 3)),
            *(event("anna", "yogurt", days) for days in (30, 20)),
            event("anna", "bread", 3),
            event("bert", "cream", 3),
        ],
        [item("bread", "bakery"), *(item(name, "dairy") for name in ("milk", "yogurt", "cream"))],
        promotions=[
            promotion("yogurt", "advertised", 0, 7, reach=0.5),
            promotion("bread", "advertised", 0, 7, reach=1.0),
            promotion("cream", "displayed", 0, 7, reach=1.0),
        ],
    )
    archive = open_shop(shop, tmp_path_factory.mktemp("rivals"))
    snapshot, history = known(archive)
    archive.close()

    def of(name: str, item_id: str) -> float:
        rows = Rows(np.zeros(1, np.int32), snapshot.item_side.catalog.rows_of_ids([item_id]))
        anna = int(np.searchsorted(snapshot.users, "anna"))
        user = UserSide(snapshot.user_values[anna][None, :], history.of(anna), np.array([NOW]))
        return float(assemble([name], registry(), snapshot.item_side, user, rows)[0, 0])

    return of


YOGURT = (faded(30) + faded(20)) / 2
DAIRY = faded(10) + faded(3) + faded(30) + faded(20)
OF_SHOP = 2 * 1 / 5
"""Of the shop's five lines of dairy two are yogurt, half advertised, and one is cream; twice, as two lines more."""


@pytest.mark.parametrize(
    ("name", "milk", "yogurt", "cream", "bread"),
    [
        ("user_rivals_advertised", YOGURT, 0, YOGURT, 0),
        ("user_rivals_advertised_share", (YOGURT + OF_SHOP) / (DAIRY + 2), 0, (YOGURT + OF_SHOP) / (DAIRY + 2), 0),
        ("user_subcategory_advertised", 0.5, 0.5, 0.5, 1),
        ("user_rivals_displayed", 0, 0, 0, 0),  # cream is, which she never bought
        ("user_rivals_displayed_share", OF_SHOP / (DAIRY + 2), OF_SHOP / (DAIRY + 2), 0, 0),
        ("user_subcategory_displayed", 0, 0, 0, 0),
    ],
)
def test_only_what_she_bought_of_the_subcategory_is_a_rival_and_never_the_item_itself(
    value, name, milk, yogurt, cream, bread
) -> None:
    found = [value(name, item_id) for item_id in ("milk", "yogurt", "cream", "bread")]
    assert found == pytest.approx([milk, yogurt, cream, bread], rel=1e-6)

"""Features of the visit, the moment and the text, by examples a reader can check.

Anna buys milk on Mondays at eight in the evening. Today is Sunday, 5 November 2017, and she is in the shop again.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from feature_store.context import context_of
from feature_store.matrix import Rows, UserSide, assemble
from feature_store.registry import registry
from tests.feature_store.archive import NOW, Shop, event, item, known, open_shop, price

MINUTE = 1 / 1440
BASKETS = [event("anna", "milk", days, value=2.0) for days in (6 + 4 / 24, 13 + 4 / 24, 20 + 4 / 24)]
VISIT = [
    event("anna", "milk", 20 * MINUTE, kind="view"),
    event("anna", "bread", 15 * MINUTE, kind="view"),
    event("anna", "yogurt", 14 * MINUTE, kind="cart"),
    event("anna", "milk", 5 * MINUTE, kind="click"),
]


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    shop = Shop(
        [*BASKETS, event("bert", "saw", 3)],
        [
            item("milk", "dairy", title="Whole milk", brand="own"),
            item("yogurt", "dairy", title="Yogurt with milk", brand="own"),
            item("bread", "bakery", title="Rye bread", brand="own"),
            item("saw", "tools", title="Hand saw", brand="best"),
        ],
        prices=[price("milk", 1.0, 20), price("bread", 2.0, 20), price("yogurt", 2.0, 20)],
        visits=VISIT,
    )
    archive = open_shop(shop, tmp_path_factory.mktemp("momentary"))
    yield known(archive)
    archive.close()


@pytest.fixture
def value(side):
    """`value(feature, item)`: for anna at the end of today, or some seconds later, with what is told of the moment."""
    snapshot, history = side

    def of(name: str, item_id: str, *, later: float = 0, **told) -> float:
        asked_at = np.array([NOW + int(later * 60)])
        anna = int(np.searchsorted(snapshot.users, "anna"))
        user = UserSide(snapshot.user_values[[anna]], history.of(anna), asked_at, context_of(asked_at, **told))
        rows = Rows(np.zeros(1, np.int32), snapshot.item_side.catalog.rows_of_ids([item_id]))
        return float(assemble([name], registry(), snapshot.item_side, user, rows)[0, 0])

    return of


@pytest.mark.parametrize(
    ("name", "milk", "yogurt", "saw"),
    [
        ("session_event_count", 4, 4, 4),
        ("session_seconds_since_first", 1200, 1200, 1200),
        ("session_seconds_since_last", 300, 300, 300),
        ("session_seconds_per_event", 300, 300, 300),
        ("session_item_view_count", 2, 0, 0),
        ("session_item_seconds", 600, 540, 0),
        ("session_item_cart_count", 0, 1, 0),
        ("session_category_event_count", 3, 3, 0),
        ("session_category_seconds", 1140, 1140, 0),
        ("session_brand_event_count", 4, 4, 0),
        ("session_last_category_same", 1, 1, 0),
        ("session_price_ratio", 1 / 1.5, 2 / 1.5, 1),
    ],
)
def test_what_anna_does_in_this_visit(value, name, milk, yogurt, saw) -> None:
    assert [value(name, "milk"), value(name, "yogurt"), value(name, "saw")] == pytest.approx([milk, yogurt, saw])


@pytest.mark.parametrize("name", [name for name in registry() if name.startswith("session_")])
def test_half_an_hour_after_her_last_click_the_visit_is_over(value, name) -> None:
    default = pytest.approx(registry()[name].default)
    assert value(name, "milk", later=24.9) != default or name.endswith("cart_count")
    assert value(name, "milk", later=25) == default


def test_the_hour_and_the_day_are_those_of_the_shops_clock(value) -> None:
    """Today ends at midnight UTC before a Monday, which is one o'clock in Berlin and still Sunday in New York."""
    assert dt.datetime.fromtimestamp(NOW, dt.UTC).strftime("%a %H:%M") == "Mon 00:00"
    found = [
        (value("context_hour", "milk", timezone=zone), value("context_weekday", "milk", timezone=zone))
        for zone in ("UTC", "Europe/Berlin", "America/New_York")
    ]
    assert found == [(0, 0), (1, 0), (19, 6)]


def test_scene_and_device_are_codes(value) -> None:
    told = {"scene": "cart", "scenes": ("home", "cart"), "device": "smartphone"}
    assert (value("context_scene", "milk", **told), value("context_device", "milk", **told)) == (2, 2)
    assert (value("context_scene", "milk"), value("context_device", "milk")) == (0, 0)


def test_three_baskets_on_monday_evenings_are_a_habit(value) -> None:
    """Asked on Monday at midnight, which is far from eight in the evening, and again near eight. Hers are three of the
    shop's four baskets; the fourth was bought on a Friday at midnight.
    """
    assert value("user_weekday_basket_share", "milk") == pytest.approx((3 + 7 * 3 / 4) / (3 + 7))
    assert value("user_weekday_basket_share", "milk", later=24 * 60) == 0
    assert value("user_weekday_basket_share", "milk", later=4 * 24 * 60) == pytest.approx((0 + 7 * 1 / 4) / (3 + 7))
    assert value("user_hour_basket_share", "milk") == pytest.approx((0 + 7 * 1 / 4) / (3 + 7))
    assert value("user_hour_basket_share", "milk", later=19 * 60) == pytest.approx((3 + 7 * 3 / 4) / (3 + 7))
    assert value("user_hour_basket_share", "milk", later=23.1 * 60) == pytest.approx((0 + 7 * 1 / 4) / (3 + 7))


def test_hours_close_to_each_other_may_lie_on_two_sides_of_midnight(value) -> None:
    """In a zone four hours ahead of UTC she buys at midnight, and asks half an hour before the next."""
    assert value("user_hour_basket_share", "milk", later=19.5 * 60, timezone="Asia/Dubai") > 3 / 10


def test_a_yogurt_with_milk_is_more_like_her_history_than_a_saw(value) -> None:
    milk, yogurt, saw = (value("content_text_similarity", name) for name in ("milk", "yogurt", "saw"))
    assert milk > yogurt > saw
    assert milk > 0.5 > saw


def test_tags_are_alike_by_the_share_of_her_baskets_that_held_them(value) -> None:
    """Every basket of hers held dairy by the maker of milk, yogurt and bread, and three of the shop's four did; none a
    tool, which the fourth held, or anything of the baker's shelf.
    """
    baskets = sum(2 ** (-days / 45) for days in (6 + 4 / 24, 13 + 4 / 24, 20 + 4 / 24))
    dairy = (baskets + 2 * 3 / 4) / (baskets + 2)
    assert value("content_tag_similarity", "yogurt") == pytest.approx(dairy)
    assert value("content_tag_similarity", "bread") == pytest.approx(dairy / 3)
    assert value("content_tag_similarity", "saw") == pytest.approx((2 * 1 / 4) / (baskets + 2))

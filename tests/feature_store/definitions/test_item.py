"""The stored features of items against plain Python on the rows of a random shop."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.feature_store.archive import DAY, age, moment


@pytest.fixture(scope="module")
def of_item(shop):
    found = defaultdict(list)
    for row in shop.events:
        found[row["item_id"]].append(row)
    return found


@pytest.fixture(scope="module")
def prices(shop):
    found = defaultdict(list)
    for row in sorted(shop.prices, key=lambda row: row["valid_from"]):
        found[row["item_id"]].append(row)
    return found


@pytest.fixture(scope="module")
def promotions(shop):
    found = defaultdict(list)
    for row in shop.promotions:
        found[row["item_id"]].append(row)
    return found


@pytest.mark.parametrize(("suffix", "days"), [("_7d", 7), ("_28d", 28), ("", 9999)])
def test_a_buyer_counts_once(agrees, last, of_item, suffix, days) -> None:
    def buyers(rows):
        return len({row["user_id"] for row in last(rows, days)})

    agrees("item_id", f"item_buyer_count{suffix}", of_item, buyers, 0.0)


@pytest.mark.parametrize(("suffix", "days"), [("_1d", 1), ("_7d", 7), ("_28d", 28), ("_91d", 91), ("", 9999)])
def test_every_line_counts(agrees, last, of_item, suffix, days) -> None:
    agrees("item_id", f"item_line_count{suffix}", of_item, lambda rows: len(last(rows, days)), 0.0)


def test_pieces_at_a_time(agrees, of_item) -> None:
    agrees(
        "item_id", "item_pieces_per_line", of_item, lambda rows: sum(row["quantity"] for row in rows) / len(rows), 1.0
    )


@pytest.mark.parametrize("days", [7, 91])
def test_part_of_the_price_taken_off(agrees, share, of_item, days) -> None:
    agrees("item_id", f"item_discount_share_{days}d", of_item, lambda rows: share(rows, days), 0.0)


def test_share_of_all_baskets(agrees, held, of_item) -> None:
    agrees("item_id", "item_basket_share_91d", of_item, held, 0.0)


def test_days_since_the_first_and_the_latest_sale(agrees, of_item) -> None:
    agrees("item_id", "item_days_since_last_sale", of_item, lambda rows: min(map(age, rows)), 400.0)
    agrees("item_id", "item_days_since_first_sale", of_item, lambda rows: max(map(age, rows)), 0.0)


def test_the_price_in_force(agrees, prices) -> None:
    agrees("item_id", "item_price", prices, lambda rows: rows[-1]["price"], 0.0)


def test_the_price_against_those_of_a_quarter(agrees, last, prices) -> None:
    def formula(rows):
        recent = [row["price"] for row in last(rows, 91)]
        return rows[-1]["price"] / (sum(recent) / len(recent)) if recent else None

    agrees("item_id", "item_price_over_mean_91d", prices, formula, 1.0)


def test_how_often_the_price_changed(agrees, last, prices) -> None:
    agrees("item_id", "item_price_change_count_28d", prices, lambda rows: len(last(rows, 28)), 0.0)


@pytest.mark.parametrize(
    ("name", "kind", "first", "last_day"),
    [
        ("item_advertised_next_7d", "advertised", 0, 7),
        ("item_displayed_next_7d", "displayed", 0, 7),
        ("item_advertised_182d", "advertised", -182, 0),
    ],
)
def test_the_part_of_shop_and_days_of_promotions_known_by_then(agrees, promotions, name, kind, first, last_day) -> None:
    """Days since the end of today, each counted as far as the promotion covers it; what is planned later is unknown."""

    def running(rows):
        known = [row for row in rows if row["kind"] == kind and row["updated_at"] < moment(0)]
        spans = [((moment(0) - row["valid_from"]).total_seconds() / -DAY, row["reach"]) for row in known]
        return sum(reach * max(0, min(at + 7, last_day) - max(at, first)) for at, reach in spans) / (last_day - first)

    agrees("item_id", name, promotions, running, 0.0)


def pairs_of(rows):
    """Moments of each buyer's baskets with the item, oldest first."""
    baskets = defaultdict(dict)
    for row in rows:
        baskets[row["user_id"]][row["basket_id"]] = age(row)
    return [sorted(moments.values(), reverse=True) for moments in baskets.values()]


def test_after_how_long_it_is_bought_again(agrees, of_item) -> None:
    def gap(rows):
        pairs = pairs_of(rows)
        gaps = sum(len(moments) - 1 for moments in pairs)
        return sum(moments[0] - moments[-1] for moments in pairs) / gaps if gaps else None

    agrees("item_id", "item_mean_gap_days", of_item, gap, 400.0)

"""Stored features of looking, taste, brands and the shelf, against plain Python on the rows of a random shop."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from collections import Counter, defaultdict

import pytest

from feature_store.definitions.conversion import PRIOR_USERS
from feature_store.definitions.returns import PRIOR_LINES
from feature_store.definitions.taste import PRIOR_LINES as MIX_LINES
from feature_store.layout import layout_of
from feature_store.registry import registry
from feature_store.schema import REFUND
from tests.feature_store.archive import TODAY, Shop, event, item, known, moment, open_shop, price

MONTH, QUARTER = 28, 91


def grouped(rows, key):
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


@pytest.fixture(scope="module")
def column(shop):
    """`column(name)`: item id -> what the catalogue says, "" for nothing."""
    return lambda name: {row["item_id"]: row[name] or "" for row in shop.items}


@pytest.fixture(scope="module")
def of_brand(shop, column):
    brand = column("brand")
    return grouped(shop.events, lambda row: brand[row["item_id"]])


@pytest.mark.parametrize(
    ("name", "days", "count"),
    [
        ("brand_buyer_count_28d", MONTH, lambda rows: len({row["user_id"] for row in rows})),
        ("brand_line_count_28d", MONTH, len),
        ("brand_item_count_91d", QUARTER, lambda rows: len({row["item_id"] for row in rows})),
    ],
)
def test_what_is_counted_of_a_brand(agrees, last, of_brand, name, days, count) -> None:
    agrees("brand", name, of_brand, lambda rows: count(last(rows, days)), 0.0)


def test_money_for_a_line_of_a_brand_and_what_was_taken_off(agrees, last, share, held, of_brand) -> None:
    def level(rows):
        recent = last(rows, QUARTER)
        return sum(row["value"] for row in recent) / len(recent) if recent else None

    agrees("brand", "brand_spent_per_line_91d", of_brand, level, 0.0)
    agrees("brand", "brand_discount_share_28d", of_brand, lambda rows: share(rows, MONTH), 0.0)
    agrees("brand", "brand_basket_share_91d", of_brand, held, 0.0)


def bought_again(rows) -> tuple[int, int]:
    """Of the pairs of user and item how many have more than one basket, and how many there are."""
    baskets = grouped(rows, lambda row: (row["user_id"], row["item_id"]))
    return sum(len({row["basket_id"] for row in pair}) > 1 for pair in baskets.values()), len(baskets)


def test_what_is_bought_again_as_if_ten_more_did_as_the_whole_shop_does(agrees, shop, of_brand) -> None:
    repeated, pairs = bought_again(shop.events)

    def again(rows):
        of_rows = bought_again(rows)
        return (of_rows[0] + 10 * repeated / pairs) / (of_rows[1] + 10)

    agrees("brand", "brand_repeat_share", of_brand, again, 0.2)
    agrees("user_id", "user_repeat_share", grouped(shop.events, lambda row: row["user_id"]), again, 0.2)
    agrees("item_id", "item_repeat_share", grouped(shop.events, lambda row: row["item_id"]), again, 0.2)


@pytest.mark.parametrize("group", ["category", "brand"])
def test_how_wide_a_taste_is(agrees, last, shop, column, group) -> None:
    of_item, of_user = column(group), grouped(shop.events, lambda row: row["user_id"])

    def lines(rows):
        return Counter(of_item[row["item_id"]] for row in last(rows, QUARTER) if of_item[row["item_id"]])

    def entropy(rows):
        shares = [count / lines(rows).total() for count in lines(rows).values()]
        return round(-sum(part * math.log(part) for part in shares), 6)

    def largest(rows):
        own, all_lines = lines(rows), lines(shop.events)
        of_shop = {name: MIX_LINES * count / all_lines.total() for name, count in all_lines.items()}
        shares = [(count + of_shop[name]) / (own.total() + MIX_LINES) for name, count in own.items()]
        return max(shares, default=None)

    agrees("user_id", f"user_top_{group}_share_91d", of_user, largest, 0.0)
    agrees("user_id", f"user_{group}_entropy_91d", of_user, entropy, 0.0)


def test_share_of_all_baskets_of_an_items_subcategory(agrees, held, shop, column) -> None:
    subcategory = column("subcategory")
    of_subcategory = grouped(shop.events, lambda row: subcategory[row["item_id"]])
    of_item = {item_id: of_subcategory[name] for item_id, name in subcategory.items()}
    agrees("item_id", "item_subcategory_basket_share_91d", of_item, held, 0.0)


@pytest.mark.parametrize("kind", ["advertised", "displayed"])
def test_of_the_lines_of_a_subcategory_what_rivals_are_promoted(agrees, last, shop, tables, column, kind) -> None:
    subcategory, lines = column("subcategory"), Counter(row["item_id"] for row in last(shop.events, QUARTER))
    coming = tables["item"]["item_id"].to_pylist(), tables["item"][f"item_{kind}_next_7d"].to_pylist()
    promoted = dict(zip(*coming, strict=True))

    def rivals(rows):
        (item_id,) = rows
        siblings = [other for other, name in subcategory.items() if name == subcategory[item_id]]
        sold = sum(lines[other] for other in siblings)
        return sum(lines[other] * promoted[other] for other in siblings if other != item_id) / sold if sold else None

    of_item = {item_id: [item_id] for item_id in subcategory}
    agrees("item_id", f"item_rivals_{kind}_share_91d", of_item, rivals, 0.0)


@pytest.fixture
def doers(shop, last):
    """Of each item the users who looked, put it into the cart, bought it in the last month."""
    recent = last(shop.events + shop.visits, MONTH)
    kinds = {"looked": ("view", "click"), "carted": ("cart",), "bought": ("purchase",)}
    return {
        what: {
            item_id: {row["user_id"] for row in rows}
            for item_id, rows in grouped((row for row in recent if row["kind"] in of), lambda r: r["item_id"]).items()
        }
        for what, of in kinds.items()
    }


@pytest.mark.parametrize(
    ("name", "what", "whom"),
    [
        ("item_view_to_cart_rate_28d", "carted", "looked"),
        ("item_cart_to_purchase_rate_28d", "bought", "carted"),
        ("item_view_to_purchase_rate_28d", "bought", "looked"),
    ],
)
def test_who_looked_and_then_bought(agrees, doers, name, what, whom) -> None:
    among = doers[whom]
    did = {item_id: users & doers[what].get(item_id, set()) for item_id, users in among.items()}
    shop_share = sum(map(len, did.values())) / sum(map(len, among.values()))
    assert 0 < shop_share < 1

    def rate(item_ids):
        (item_id,) = item_ids
        return (len(did[item_id]) + PRIOR_USERS * shop_share) / (len(among[item_id]) + PRIOR_USERS)

    agrees("item_id", name, {item_id: [item_id] for item_id in among}, rate, 0.0)


def test_who_looked_counts_once(agrees, doers) -> None:
    lookers = {item_id: [users] for item_id, users in doers["looked"].items()}
    agrees("item_id", "item_looker_count_28d", lookers, lambda rows: len(rows[0]), 0.0)


@pytest.mark.parametrize("entity", ["item", "category"])
def test_the_median_of_the_days_until_it_is_bought_again(agrees, shop, column, entity) -> None:
    category = column("category")
    key = "item_id" if entity == "item" else "category"

    def gap(rows):
        moments = grouped(rows, lambda row: (row["user_id"], row["item_id"]))
        sorted_moments = [sorted({row["basket_id"]: row["time"] for row in pair}.values()) for pair in moments.values()]
        days = [
            (int(late.timestamp()) - int(early.timestamp())) / 86_400
            for times in sorted_moments
            for early, late in itertools.pairwise(times)
        ]
        return statistics.median(days) if days else None

    rows = grouped(shop.events, lambda row: row["item_id"] if entity == "item" else category[row["item_id"]])
    agrees(key, f"{entity}_median_gap_days", rows, gap, 400.0)


def test_age_and_the_place_of_a_price_on_its_shelf(tmp_path) -> None:
    """Milk is the cheapest of three, two of which cost the same; bread stands alone; nobody knows soap's price."""
    ages = {"milk": ("dairy", 10), "cream": ("dairy", 20), "cheese": ("dairy", 20), "bread": ("bakery", 2)}
    shop = Shop(
        [event("anna", "milk", 1)],
        [item("soap", "bath"), *(item(name, category, days_ago=days) for name, (category, days) in ages.items())],
        prices=[
            *(price("milk", 9.0, 9), price("milk", 1.0, 3), price("cream", 2.0, 9)),
            *(price("cheese", 2.0, 9), price("bread", 5.0, 9)),
        ],
    )
    archive = open_shop(shop, tmp_path)
    side = known(archive)[0].item_side
    archive.close()
    names = ["milk", "cream", "cheese", "bread", "soap"]
    at = [layout_of(registry()).positions[name] for name in ("item_days_listed", "item_price_rank_in_category")]
    found = side.items[side.catalog.rows_of_ids(names)][:, at].tolist()
    assert dict(zip(names, found, strict=True)) == {
        "milk": [10, 0],
        "cream": [20, 0.5],
        "cheese": [20, 0.5],
        "bread": [2, 0],
        "soap": [300, 0.5],
    }


def test_what_comes_back_of_an_item_and_of_a_user(tmp_path) -> None:
    """Two of five lines came back: one of which a part came back counts once, and one of long ago does not."""
    parted = {"basket_id": "parted"}
    shop = Shop(
        events=[
            *(event("anna", "milk", 10), event("anna", "milk", 80), event("bert", "bread", 5)),
            *(event("bert", "milk", 30, **parted), event("bert", "soap", 500)),
        ],
        visits=[
            event("bert", "milk", 20, kind=REFUND, **parted),
            event("anna", "bread", 3, kind=REFUND, basket_id="whole"),
            event("anna", "soap", 400, kind=REFUND, basket_id="long ago"),
        ],
    )
    archive = open_shop(shop, tmp_path)
    snapshot, history = known(archive)
    archive.close()
    assert len(history.kind) == len(shop.events), "a refund is nobody's interest"
    names = ("item_refund_rate_90d", "user_refund_rate_90d")
    of_item, of_user = (layout_of(registry()).positions[name] for name in names)
    rows = snapshot.item_side.catalog.rows_of_ids(["milk", "bread", "soap"])

    def rate(given, lines):
        return pytest.approx((given + PRIOR_LINES * 2 / 5) / (lines + PRIOR_LINES))

    assert snapshot.item_side.items[rows, of_item].tolist() == [rate(1, 3), rate(1, 2), 0]
    assert snapshot.user_values[:, of_user].tolist() == [rate(1, 3), rate(1, 2)]


def test_stock_is_what_the_source_said_last_by_the_end_of_the_day(tmp_path) -> None:
    told = [
        item("milk", stock=9.0),
        item("milk", stock=4.0, updated_at=moment(0.5)),
        item("tea"),
        item("rum", stock=-2.0),
    ]
    shop = Shop([event("anna", "milk", 3)], told)
    for days_ago, wanted in ((1, [9.0, -1.0, 0.0]), (0, [4.0, -1.0, 0.0])):
        archive = open_shop(shop, tmp_path / f"{days_ago}", TODAY - dt.timedelta(days=days_ago))
        side = known(archive, TODAY - dt.timedelta(days=days_ago))[0].item_side
        archive.close()
        at = layout_of(registry()).positions["item_stock"]
        assert side.items[side.catalog.rows_of_ids(["milk", "tea", "rum"]), at].tolist() == wanted

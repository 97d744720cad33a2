import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.demo import journey
from pipeline.demo.shop import ensure_demo_shop, load_demo_shop
from pipeline.errors import SourceError


def table(url, name):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return pd.read_sql_query(sa.text(f"SELECT * FROM {name}"), connection)


@pytest.fixture
def shop(small_shop):
    return lambda name: table(f"sqlite:///{small_shop}", name)


@pytest.fixture(scope="module")
def lines():
    return journey._read("transactions")


@pytest.mark.slow
def test_the_full_shop_has_every_row_of_the_data_and_is_loaded_once(settings):
    url = f"sqlite:///{settings().workspace.demo_shop}"
    assert ensure_demo_shop(settings())
    counts = {name: len(table(url, name)) for name in ("users", "items", "orders", "order_items")}
    assert counts == {"users": 2469, "items": 92_331, "orders": 155_848, "order_items": 1_469_307}
    assert not ensure_demo_shop(settings())


def test_a_named_database_is_never_filled_with_the_demo(settings):
    assert not ensure_demo_shop(settings(database_url="mysql+pymysql://root@nowhere/shop"))


def test_every_line_of_the_chosen_households_is_there_as_it_is(shop, lines):
    loaded = shop("order_items")
    expected = lines[lines["basket_id"].isin(loaded["basket_id"])]
    assert len(loaded) == len(expected) == 116_259
    assert loaded["sales_value"].sum() == pytest.approx(expected["sales_value"].sum())
    assert (loaded["quantity"] == 0).sum() == (expected["quantity"] == 0).sum() > 0
    assert (loaded["sales_value"] == 0).sum() > 0
    assert (loaded["discount"] >= 0).all()


def test_lines_of_an_order_are_numbered_from_one(shop):
    numbers = shop("order_items").groupby("basket_id")["line_number"]
    assert (numbers.min() == 1).all()
    assert (numbers.max() == numbers.size()).all()


def test_a_user_begins_with_the_first_purchase(shop):
    users, orders = shop("users"), shop("orders")
    first = orders.groupby("household_id")["created_at"].min()
    assert users.set_index("household_id")["created_at"].to_dict() == first.to_dict()
    assert len(users) == 60


def test_every_item_has_a_title(shop):
    items = shop("items")
    assert (items["title"].str.len() > 0).all()
    assert items.loc[items["product_id"] == 1_082_185, "title"].item() == "Bananas, 40 LB (national brand)"


def test_a_title_falls_back_to_category_department_and_id():
    row = {"brand": None, "package_size": None}
    items = pd.DataFrame(
        [
            {"product_id": 1, "department": "D", "product_category": "CHEESE", "product_type": None, **row},
            {"product_id": 2, "department": "MEAT", "product_category": None, "product_type": None, **row},
            {"product_id": 3, "department": None, "product_category": None, "product_type": None, **row},
        ],
        dtype="str",
    )
    assert journey._titles(items).tolist() == ["Cheese", "Meat", "Item 3"]


def test_a_price_row_says_something_new_and_begins_with_a_sale(shop):
    prices, sales = shop("item_prices").sort_values(["product_id", "valid_from"]), shop("order_items")
    previous = prices.groupby("product_id")["price"].shift()
    assert (prices["price"] != previous).all()
    assert (prices["price"] > 0).all()
    moments = set(zip(sales["product_id"], sales["created_at"], strict=True))
    assert set(zip(prices["product_id"], prices["valid_from"], strict=True)) <= moments


def test_the_regular_price_is_before_loyalty_discount_and_matched_coupons():
    sold = {"product_id": 7, "week": 1, "quantity": 2, "sales_value": 3.0, "retail_disc": 0.6, "coupon_match_disc": 0.4}
    later = {**sold, "week": 2, "retail_disc": 1.6}
    lines = pd.DataFrame([sold, {**sold, "quantity": 0}, later, {**later, "week": 3}])
    lines["transaction_timestamp"] = pd.to_datetime(["2017-01-01", "2017-01-01", "2017-01-03", "2017-01-09"])
    prices = journey._item_prices(lines)
    assert prices["price"].tolist() == [2.0, 2.5]
    assert prices["valid_from"].dt.day.tolist() == [1, 3]


def test_a_promotion_is_planned_ahead_for_a_week_of_an_item_that_was_sold(shop):
    """The item 981760 was in the mailer of 109 of the 112 stores in the data's week 46, which begins on 2017-11-06."""
    promotions, items = shop("item_promotions"), shop("items").set_index("product_id")["created_at"]
    begins, ends, planned = (pd.to_datetime(promotions[name]) for name in ("valid_from", "valid_to", "updated_at"))
    assert (begins.dt.day_of_week == 0).all()
    assert (ends - begins == pd.Timedelta(days=7)).all()
    assert (begins - planned == pd.Timedelta(days=3)).all()
    assert (pd.to_datetime(promotions["product_id"].map(items)) < planned).all()
    assert promotions["store_share"].between(0, 1, inclusive="right").all()
    assert set(promotions["kind"]) == {"mailer", "display"}
    advertised = promotions[(promotions["product_id"] == 981_760) & (promotions["kind"] == "mailer")]
    assert advertised.set_index("valid_from")["store_share"][
        lambda week: week.index.str.startswith("2017-11-06")
    ].tolist() == [0.9732]


def test_a_shop_is_never_loaded_over_another(small_shop):
    with pytest.raises(SourceError, match="item_prices, item_promotions, items"):
        load_demo_shop(f"sqlite:///{small_shop}", households=1)


@pytest.mark.slow
def test_a_killed_load_leaves_no_shop_and_the_next_one_works(tmp_path):
    target = tmp_path / "shop.db"
    code = f"from pipeline.demo.shop import load_demo_shop as load; load('sqlite:///{target}', households=400)"
    repository = Path(__file__).resolve().parents[3]
    loading = subprocess.Popen([sys.executable, "-c", code], cwd=repository)
    while not any(path.stat().st_size > 1_000_000 for path in tmp_path.glob(".tmp-*")):
        assert loading.poll() is None, "the load ended before it could be killed"
        time.sleep(0.005)
    os.kill(loading.pid, signal.SIGKILL)
    loading.wait()
    assert not target.exists()
    assert load_demo_shop(f"sqlite:///{target}", households=2)["users"] == 2


def test_mysql_gets_the_same_rows_as_sqlite(tmp_path, mysql_database):
    sqlite = f"sqlite:///{tmp_path}/shop.db"
    assert load_demo_shop(sqlite, households=3) == load_demo_shop(mysql_database, households=3)
    for name, key in {
        "users": ["household_id"],
        "items": ["product_id"],
        "order_items": ["basket_id", "line_number"],
    }.items():
        ours, theirs = (table(url, name).sort_values(key, ignore_index=True) for url in (sqlite, mysql_database))
        times = ["created_at", "updated_at"]
        ours[times] = ours[times].astype("datetime64[s]")
        theirs[times] = theirs[times].astype("datetime64[s]")
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def test_an_unreachable_server_is_named_without_its_password():
    with pytest.raises(SourceError) as error:
        load_demo_shop("mysql+pymysql://root:secret@127.0.0.1:1/shop", households=1)
    assert "127.0.0.1:1" in str(error.value)
    assert "secret" not in str(error.value)

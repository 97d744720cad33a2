"""What of a mapping the binlog can tell, on SQLite: tables, keys and foreign keys look the same to the inspector."""

from __future__ import annotations

import sqlite3

import pytest

from pipeline.sources.binlog.watched import Lookup, watched_tables
from pipeline.sources.business import open_source


@pytest.fixture
def watch(small_shop, settings, binlog_mapping):
    """`watch(change, *statements)`: (watched by name, refused) of a mapping and a shop that were changed."""

    def look(change=lambda _: None, *statements):
        with sqlite3.connect(small_shop) as shop:
            for statement in statements:
                shop.execute(statement)
        shop.close()
        with open_source(settings(source=binlog_mapping(change))) as source:
            found, refused = watched_tables(source, source.mapping.tables)
        return {each.name: each for each in found}, refused

    return look


def test_every_table_of_the_demo_shop_can_be_followed(watch):
    found, refused = watch()
    assert refused == {}
    assert found["order_items"].key == {"order_id": "basket_id", "line_number": "line_number"}
    assert found["prices"].tables() == {"item_prices"}


def test_columns_of_a_look_up_table_that_matter_are_known(watch):
    def change(content):
        orders = content["tables"]["orders"]
        orders["joins"] = {"buyer": {"table": "users", "by": {"household_id": "household_id"}}}
        orders["columns"]["status"] = "buyer.income"

    found, _ = watch(change)
    assert found["orders"].lookups == {
        "buyer": Lookup("users", ("household_id",), frozenset({"household_id", "income"}))
    }


def test_with_an_expression_every_column_of_a_look_up_table_matters(watch):
    def change(content):
        items = content["tables"]["items"]
        items["joins"] = {"price": {"table": "item_prices", "by": {"product_id": "product_id"}}}

    found, _ = watch(change)
    assert found["items"].lookups["price"].used is None


@pytest.mark.parametrize(
    ("table", "column", "source", "reason"),
    [
        ("users", "user_id", {"expression": "household_id + 1"}, "the key column `user_id` is an expression"),
        (
            "users",
            "segment",
            {"expression": "(SELECT max(price) FROM item_prices)"},
            "an expression reads other tables",
        ),
        ("users", "user_id", {"constant": "one"}, "every key column is a constant"),
    ],
)
def test_what_no_event_can_be_traced_to_is_told(watch, table, column, source, reason):
    found, refused = watch(lambda content: content["tables"][table]["columns"].update({column: source}))
    assert refused == {table: reason}
    assert table not in found


def test_a_view_is_told(watch):
    _, refused = watch(
        lambda content: content["tables"]["orders"].update(table="v"), "CREATE VIEW v AS SELECT * FROM orders"
    )
    assert refused == {"orders": "`v` is a view, of which the binlog knows nothing"}


def test_tables_that_pass_on_what_happens_to_them_are_watched_up_to_the_first(watch):
    found, _ = watch(
        lambda content: content["tables"]["users"].update(table="grandchildren"),
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE children (id INTEGER PRIMARY KEY, FOREIGN KEY (id) REFERENCES parents (id) ON DELETE CASCADE)",
        "CREATE TABLE strangers (id INTEGER PRIMARY KEY)",
        "CREATE TABLE grandchildren (household_id INTEGER PRIMARY KEY, household_composition TEXT,"
        " created_at TIMESTAMP, updated_at TIMESTAMP,"
        " FOREIGN KEY (household_id) REFERENCES children (id) ON UPDATE CASCADE,"
        " FOREIGN KEY (household_composition) REFERENCES strangers (id))",
    )
    assert found["users"].parents == {"children": frozenset({"id"}), "parents": frozenset({"id"})}

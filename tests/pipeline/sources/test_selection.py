"""A mapping's joins, codes, zones and deleted rows, read from SQLite and MariaDB."""

import datetime as dt

import pyarrow as pa
import pytest
import sqlalchemy as sa
import yaml

from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SourceError
from pipeline.sources.business import open_source

START, END = dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
SHOP = """
CREATE TABLE users (household_id INT, household_composition TEXT, created_at DATETIME, updated_at DATETIME);
CREATE TABLE items (product_id INT, title TEXT, department TEXT, product_category TEXT, product_type TEXT,
    manufacturer_id INT, created_at DATETIME, updated_at DATETIME);
CREATE TABLE item_prices (product_id INT, valid_from DATETIME, price FLOAT, updated_at DATETIME);
CREATE TABLE order_items (basket_id INT, line_number INT, product_id INT, quantity INT, sales_value FLOAT,
    discount FLOAT, created_at DATETIME, updated_at DATETIME, removed INT);
CREATE TABLE orders (basket_id INT, household_id INT, state INT, deleted_at DATETIME, updated_at DATETIME);
CREATE TABLE states (id INT, `group` INT);
CREATE TABLE state_groups (id INT, code VARCHAR(20), updated_at DATETIME);
INSERT INTO state_groups VALUES (1, 'bezahlt', '2017-01-01'), (2, 'storniert', '2017-01-01');
INSERT INTO states VALUES (10, 1), (20, 2);
INSERT INTO orders VALUES (1, 7, 10, NULL, '2017-05-01 12:00:00'), (2, 7, 20, NULL, '2017-05-02 12:00:00'),
    (3, 7, 30, NULL, '2017-05-03 12:00:00'), (4, 7, 10, '2017-05-05 12:00:00', '2017-05-04 12:00:00');
INSERT INTO order_items VALUES (1, 1, 5, 2, 9.5, 0, '2017-05-01', '2017-05-01', 0),
    (1, 2, 5, 2, 9.5, 0, '2017-05-01', '2017-05-01', 1)
"""


@pytest.fixture(params=["sqlite", "mariadb"])
def shop(request, tmp_path):
    url = f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else request.getfixturevalue("mysql_database")
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in SHOP.split(";"):
            connection.exec_driver_sql(statement)
    return url


@pytest.fixture
def read(shop, settings, tmp_path):
    def run(name, change=None):
        content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
        content["tables"]["orders"] = {
            "table": "orders",
            "timezone": "Europe/Paris",
            "joins": {
                "state": {"table": "states", "by": {"state": "id"}},
                "kind": {"table": "state_groups", "by": {"state.group": "id"}},
            },
            "deleted": "deleted_at",
            "columns": {
                "order_id": "basket_id",
                "user_id": "household_id",
                "status": {"column": "kind.code", "values": {"bezahlt": "completed", "storniert": "cancelled"}},
                "created_at": {"expression": "orders.updated_at", "timezone": "UTC"},
                "updated_at": "updated_at",
            },
        }
        content["tables"]["order_items"]["deleted"] = "removed"
        if change:
            change(content["tables"]["orders"])
        path = tmp_path / "mapping.yaml"
        path.write_text(yaml.safe_dump(content))
        with open_source(settings(source=path, database_url=shop)) as source:
            return pa.concat_tables(source.read(name, START, END)).to_pylist()

    return run


def test_look_up_tables_give_columns_and_lose_no_row(read):
    assert [order["status"] for order in read("orders")] == ["completed", "cancelled", None, "cancelled"]


def test_the_zone_of_a_table_and_of_a_column_count(read):
    first = read("orders")[0]
    assert first["updated_at"] == dt.datetime(2017, 5, 1, 10, tzinfo=dt.UTC)
    assert first["created_at"] == dt.datetime(2017, 5, 1, 12, tzinfo=dt.UTC)


def test_a_deleted_row_counts_for_nothing_and_keeps_its_key(read):
    assert [(line["line_number"], line["quantity"]) for line in read("order_items")] == [(1, 2.0), (2, 0.0)]


def test_codes_that_are_not_listed_stay(read):
    def only_paid(orders):
        orders["columns"]["status"] = {"column": "state", "values": {10: "completed"}}

    assert [order["status"] for order in read("orders", only_paid)] == ["completed", "20", "30", "cancelled"]


def test_a_look_up_column_that_is_not_there_is_named_with_the_nearest_one(read):
    def misspelled(orders):
        orders["columns"]["status"] = "kind.cod"

    with pytest.raises(SourceError, match=r"a column `cod` in `state_groups`.*did you mean code\?"):
        read("orders", misspelled)

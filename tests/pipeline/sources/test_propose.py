"""`vitrine source init`: first mappings of shops of several styles, and that a run could read them."""

import pytest
import sqlalchemy as sa
import yaml

from pipeline.configuration import CONFIG_FOLDER
from pipeline.demo.shop import load_demo_shop
from pipeline.errors import SettingsError, SourceError
from pipeline.sources.checking import check_source, first_mapping
from pipeline.sources.mapping import read_mapping
from tests.foreign_shop import make_foreign_shop


@pytest.fixture
def proposed(settings, tmp_path):
    """`proposed(url)`: the first mapping of a database, as text, as content and as a file."""

    def propose(url):
        text = first_mapping(settings(database_url=url))
        path = tmp_path / "first.yaml"
        path.write_text(text)
        return text, yaml.safe_load(text), path

    return propose


def make(path, script):
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in script.split(";"):
            connection.exec_driver_sql(statement)
    return f"sqlite:///{path}"


@pytest.mark.parametrize("backend", ["sqlite", "mariadb"])
def test_the_demo_shop_s_first_mapping_is_the_demo_s_own_and_passes_the_check(
    backend, proposed, settings, tmp_path, request
):
    url = f"sqlite:///{tmp_path}/demo.db" if backend == "sqlite" else request.getfixturevalue("mysql_database")
    load_demo_shop(url, households=3)
    _, content, path = proposed(url)
    own = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())["tables"]
    for name in ("users", "prices", "orders", "order_items"):
        assert content["tables"][name] == own[name]
    problems = [found for found in check_source(settings(database_url=url, source=path)) if found.is_problem]
    assert problems == []


def test_a_german_shop_is_understood(proposed, settings, mysql_database):
    make_foreign_shop(mysql_database)
    text, content, path = proposed(mysql_database)
    tables = content["tables"]
    assert {name: table["table"] for name, table in tables.items()} == {
        "users": "kunden",
        "items": "artikel",
        "prices": "artikelpreise",
        "orders": "bestellungen",
        "order_items": "bestellpositionen",
    }
    assert tables["items"]["columns"]["category"] == "category.bezeichnung"
    assert tables["items"]["joins"]["category"] == {"table": "warengruppen", "by": {"warengruppe_id": "id"}}
    assert tables["orders"]["columns"]["user_id"] == "kunde"
    assert tables["orders"]["deleted"] == "geloescht_am"
    lines = tables["order_items"]["columns"]
    assert (lines["order_id"], lines["item_id"], lines["line_number"]) == ("bestellung", "artikel", "pos")
    assert lines["amount"] == {"expression": "bestellpositionen.einzelpreis * bestellpositionen.menge"}
    assert lines["updated_at"] == "of_order.geaendert_am"
    assert "passwort" not in str(content)
    for question in ("of columns without a zone", "is the price per piece", "no column tells of discounts"):
        assert f"DECIDE: {question}" in text
    found = check_source(settings(database_url=mysql_database, source=path))
    assert [each for each in found if each.is_problem] == []


ENGLISH = """
CREATE TABLE wp_customers (ID INTEGER PRIMARY KEY, tier TEXT, dateCreated DATETIME);
CREATE TABLE wp_Brands (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE wp_Products (sku TEXT PRIMARY KEY, productName TEXT, brandId INTEGER, category TEXT, price REAL,
    createdAt DATETIME, updatedAt DATETIME);
CREATE TABLE wp_Orders (id INTEGER PRIMARY KEY, customerId INTEGER, state TEXT, createdAt DATETIME, updatedAt DATETIME);
CREATE TABLE wp_OrderItems (id INTEGER PRIMARY KEY, orderId INTEGER, sku TEXT, qty INTEGER, total REAL, discount REAL,
    createdAt DATETIME, updatedAt DATETIME);
INSERT INTO wp_Orders VALUES (1, 1, 'paid', '2020-01-01', '2020-01-01'),
    (2, 1, 'Cancelled-by-user', '2020-01-01', '2020-01-01');
INSERT INTO wp_OrderItems VALUES (1, 1, 'x', 1, 2.0, 0, '2020-01-01', '2020-01-01')
"""


def test_prefixes_camel_case_and_singles_are_understood(proposed, tmp_path):
    text, content, path = proposed(make(tmp_path / "wp.db", ENGLISH))
    tables = content["tables"]
    assert tables["orders"]["columns"]["user_id"] == "customerId"
    assert tables["orders"]["columns"]["status"] == {
        "column": "state",
        "values": {"Cancelled-by-user": "cancelled", "paid": "completed"},
    }
    assert tables["items"]["columns"]["brand"] == "brand.name"
    assert tables["prices"]["table"] == "wp_Products"
    assert tables["prices"]["columns"]["valid_from"] == "updatedAt"
    assert tables["order_items"]["columns"]["line_number"] == "id"
    assert tables["users"]["columns"]["updated_at"] == "dateCreated"
    assert "DECIDE: no column says when a row changed: changes will not be seen" in text
    assert read_mapping(path).tables["items"].columns["title"] == "productName"


def test_what_is_not_found_is_a_question_and_reading_the_file_names_it(proposed, tmp_path):
    text, _, path = proposed(make(tmp_path / "half.db", "CREATE TABLE customers (id INTEGER PRIMARY KEY, x TEXT)"))
    assert "# orders:   # DECIDE: no table looks like it; there are customers" in text
    assert "# created_at:   # DECIDE: no column tells a time" in text
    with pytest.raises(SettingsError, match="canonical table not mapped: items, order_items, orders, prices"):
        read_mapping(path)


def test_a_database_that_is_no_shop_is_told(proposed, tmp_path):
    with pytest.raises(SourceError, match="tables that look like users, items"):
        proposed(make(tmp_path / "no.db", "CREATE TABLE weather (day TEXT)"))


def test_what_is_off_sale_and_closed_accounts_are_recognised(proposed, tmp_path):
    text, content, _ = proposed(
        make(
            tmp_path / "shop.db",
            "CREATE TABLE artikel (id INTEGER PRIMARY KEY, name TEXT, aktiv INTEGER, lagerbestand INTEGER,"
            " created_at DATETIME, updated_at DATETIME);"
            "CREATE TABLE kunden (id INTEGER PRIMARY KEY, status TEXT, account_status TEXT, deleted_at DATETIME,"
            " created_at DATETIME, updated_at DATETIME);"
            "INSERT INTO artikel VALUES (1, 'tea', 1, 7, '2017-01-01', '2017-01-01');"
            "INSERT INTO kunden VALUES (1, 'x', 'open', NULL, '2017-01-01', '2017-01-01');"
            "INSERT INTO kunden VALUES (2, 'x', 'gesperrt', NULL, '2017-01-01', '2017-01-01')",
        )
    )
    items, users = content["tables"]["items"], content["tables"]["users"]
    assert (items["columns"]["available"], items["columns"]["stock"]) == ("aktiv", "lagerbestand")
    assert users["columns"]["active"] == {"column": "account_status", "values": {"gesperrt": "0", "open": "1"}}
    assert users["deleted"] == "deleted_at"
    assert "DECIDE: which of these are closed accounts (0)?" in text
    assert "an account where it is set is closed" in text

"""The fast road of MySQL gives the very values that the plain one gives, for every type, and no fewer rows."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from contextlib import contextmanager

import pyarrow as pa
import pytest
import sqlalchemy as sa
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SourceError
from pipeline.sources import business
from pipeline.sources.business import open_source

START, END = dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
NOON = "2017-07-01 12:00:00"
LONG = "REPEAT('x', 200000)"
TEXTS = [
    "plain",
    "",
    'a "quoted", text',
    "two\nlines\r\n",
    "back\\slash",
    "nul \0 byte",
    "Übergröße 🧼",
    " blanks ",
    "NULL",
]
TYPES = {
    "VARCHAR(40)": ("text", TEXTS),
    "TEXT": ("text", TEXTS),
    "VARCHAR(40) CHARACTER SET latin1": ("text", ["Übergröße", "", "a,b"]),
    "CHAR(9)": ("text", ["a", "", "a b"]),
    "ENUM('small', 'large, really')": ("text", ["small", "large, really"]),
    "SET('a', 'b')": ("text", ["a", "a,b", ""]),
    "JSON": ("text", ['{"a": [1, "x"]}']),
    "UUID": ("text", ["123e4567-e89b-12d3-a456-426614174000"]),
    "VARBINARY(9)": ("text", [b"abc", b""]),
    "YEAR": ("text", [1999, 2017]),
    "BIGINT": ("text", [0, -1, 9223372036854775807]),
    "BIGINT UNSIGNED": ("text", [9223372036854775807]),
    "INT(6) ZEROFILL": ("text", [42]),
    "DECIMAL(30, 12)": ("text", ["12.5", "-123456789012345678.123456789012"]),
    "DOUBLE": ("text", [1.5, 1e15, 1e-7]),
    "TINYINT(1)": ("real", [0, 1]),
    "MEDIUMINT": ("real", [-5, 8388607]),
    "DECIMAL(20, 4)": ("real", ["0.1", "-9999999999999999.9999"]),
    "DOUBLE UNSIGNED": ("real", [0.1, 1 / 3, 1.7976931348623157e308, 5e-324]),
    "FLOAT": ("real", [0.1, 1 / 3, 16777217]),
    "DATE": ("time", ["2017-02-28", "0000-00-00"]),
    "DATETIME": ("time", ["2017-02-28 23:59:59", "0000-00-00 00:00:00"]),
    "DATETIME(6)": ("time", ["2017-02-28 23:59:59.000001", "2017-02-28 23:59:59"]),
    "TIMESTAMP(3) NULL": ("time", ["2017-02-28 23:59:59.123"]),
}
COLUMN = {"text": ("items", "title"), "real": ("order_items", "discount"), "time": ("orders", "created_at")}


@pytest.fixture
def shop(mysql_database):
    """`shop(statement, values)`: run SQL in the shop's database, zero dates and all."""
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)

    def run(*statements):
        with engine.begin() as connection:
            connection.exec_driver_sql("SET SESSION sql_mode = '', time_zone = '+00:00'")
            for statement in statements:
                connection.exec_driver_sql(*statement)

    stamps = "created_at DATETIME, updated_at DATETIME"
    words = "title INT, department INT, product_category INT, product_type INT, manufacturer_id INT"
    both = "PRIMARY KEY (basket_id, line_number)"
    numbers = "product_id INT, quantity INT, sales_value INT, discount INT"
    run(
        (f"CREATE TABLE items (product_id BIGINT PRIMARY KEY, {words}, {stamps})",),
        (f"CREATE TABLE orders (basket_id BIGINT PRIMARY KEY, household_id INT, status INT, {stamps})",),
        (f"CREATE TABLE order_items (basket_id BIGINT, line_number INT, {numbers}, {stamps}, {both})",),
    )
    return run


@pytest.fixture
def read(settings, mysql_database, tmp_path):
    """`read(name, fast, page_rows)`: the rows of a table and whether the fast road was taken."""
    content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
    content["timezone"] = "Europe/Paris"
    content["tables"]["items"]["columns"] |= {"category": "product_category", "subcategory": "product_type"}
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(content))

    def run(name, *, fast, page_rows=2, whole=False, **extract):
        made = settings(
            database_url=mysql_database, source=path, extract={"text_pages": fast, "page_rows": page_rows, **extract}
        )
        with open_source(made) as source, counted_roads() as roads:
            return pa.concat_tables(source.scan(name) if whole else source.read(name, START, END)), roads

    return run


@contextmanager
def counted_roads():
    """Which roads were taken, told by the functions themselves being called."""
    import sys

    roads, codes = set(), {business.ahead.__code__: "text", business.pages.__code__: "rows"}

    def at_call(frame, event, _argument):
        if event == "call" and frame.f_code in codes:
            roads.add(codes[frame.f_code])

    before = sys.getprofile()
    sys.setprofile(at_call)
    try:
        yield roads
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("sql_type", TYPES)
def test_every_type_has_the_same_values_on_both_roads(shop, read, sql_type):
    kind, values = TYPES[sql_type]
    name, column = COLUMN[kind]
    shop((f"ALTER TABLE {name} MODIFY {column} {sql_type}",))
    key = {"items": "product_id", "orders": "basket_id", "order_items": "line_number, basket_id"}[name]
    ids = "%s" if "," not in key else "%s, 1"
    insert = f"INSERT INTO {name} ({key}, {column}, updated_at) VALUES ({ids}, %s, '{NOON}')"
    shop(*((insert, (number, value)) for number, value in enumerate([*values, None])))
    fast, roads = read(name, fast=True)
    plain, _ = read(name, fast=False)
    assert fast.equals(plain)
    assert len(fast) == len(values) + 1
    by_rows = {"VARBINARY(9)", "YEAR", "INT(6) ZEROFILL", "DECIMAL(30, 12)", "DOUBLE"}
    assert roads == ({"rows"} if sql_type in by_rows else {"text"})


@hypothesis_settings(
    max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12) | st.none(), min_size=1, max_size=12))
def test_any_text_comes_through(shop, read, texts):
    shop(
        ("ALTER TABLE items MODIFY title VARCHAR(40) CHARACTER SET utf8mb4",),
        ("DELETE FROM items",),
        *(
            (f"INSERT INTO items (product_id, title, updated_at) VALUES (%s, %s, '{NOON}')", (number, text))
            for number, text in enumerate(texts)
        ),
    )
    found, roads = read("items", fast=True, page_rows=5)
    assert roads == {"text"}
    assert found["title"].to_pylist() == texts


@pytest.mark.parametrize("page_rows", [1, 2, 3, 100])
def test_every_row_comes_whatever_the_page_and_however_many_share_a_moment(shop, read, page_rows):
    rows = [(number, NOON if number % 5 else "2017-03-01 00:00:00") for number in range(12)]
    shop(*(("INSERT INTO orders (basket_id, updated_at) VALUES (%s, %s)", row) for row in rows))
    found, _ = read("orders", fast=True, page_rows=page_rows)
    assert sorted(map(int, found["order_id"].to_pylist())) == list(range(12))
    if page_rows < 10:  # else all are one page, whose rows come as the server likes
        assert found["updated_at"].to_pylist() == sorted(found["updated_at"].to_pylist())


def test_long_rows_come_whole(shop, read):
    """200 rows of 200,000 bytes are more than a packet of the protocol and more than a page; none is lost or cut."""
    shop(
        ("ALTER TABLE items MODIFY title LONGTEXT",),
        (f"INSERT INTO items (product_id, title, updated_at) SELECT seq, {LONG}, '{NOON}' FROM seq_1_to_200",),
    )
    found, _ = read("items", fast=True, page_rows=1000)
    assert found["item_id"].to_pylist() == [str(number) for number in range(1, 201)]
    assert {len(title) for title in found["title"].to_pylist()} == {200_000}


def test_a_number_that_is_a_word_is_told_on_both_roads(shop, read):
    shop(
        ("ALTER TABLE order_items MODIFY discount VARCHAR(9)",),
        (f"INSERT INTO order_items (basket_id, line_number, discount, updated_at) VALUES (1, 1, 'some', '{NOON}')",),
    )
    for fast in (True, False):
        with pytest.raises(SourceError, match="table `order_items`, column `discount`"):
            read("order_items", fast=fast)


KEYS = {"along": lambda n: n, "against": lambda n: 1000 - n, "strewn": lambda n: n * 7919 % 1009}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_pages_are_cut_between_moments_whatever_the_keys_do(shop, read, key):
    rows = [(key(n), f"2017-07-01 {n // 180:02}:{n // 3 % 60:02}:00") for n in range(500)]
    shop(("INSERT INTO orders (basket_id, updated_at) VALUES (%s, %s)", rows))
    found, roads = read("orders", fast=True, page_rows=7)
    assert roads == {"text"}
    assert sorted(map(int, found["order_id"].to_pylist())) == sorted(key(n) for n in range(500))
    a_page = dt.timedelta(minutes=3)
    assert all(later >= earlier - a_page for earlier, later in itertools.pairwise(found["updated_at"].to_pylist()))


def test_rows_without_a_primary_key_all_come(shop, read):
    shop(("ALTER TABLE orders DROP PRIMARY KEY, MODIFY basket_id VARCHAR(20) NULL",))
    rows = [(key, f"2017-07-0{day} 00:00:00") for day in (1, 2, 3) for key in (None, "a", "a", "Z")]
    shop(*(("INSERT INTO orders (basket_id, updated_at) VALUES (%s, %s)", row) for row in rows))
    found, _ = read("orders", fast=True, page_rows=2)
    assert Counter(found["order_id"].to_pylist()) == {None: 3, "a": 6, "Z": 3}


def test_texts_as_keys_bound_a_page_as_the_server_compares_them(shop, read):
    """Without regard to case, accents or blanks at the end, as its collation has it."""
    shop(("ALTER TABLE orders MODIFY basket_id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",))
    keys = ["b", "A", "ä1", "Zebra", "a b", "ß", "_", "é ", "Öl", "o", "0", "-1", "日本"]
    shop(
        *(
            ("INSERT INTO orders (basket_id, updated_at) VALUES (%s, %s)", (key, f"2017-07-01 00:{n:02}:00"))
            for n, key in enumerate(keys)
        )
    )
    found, _ = read("orders", fast=True, page_rows=3)
    assert sorted(found["order_id"].to_pylist()) == sorted(keys)


@pytest.mark.parametrize("fast", [True, False], ids=["text", "rows"])
@pytest.mark.parametrize("kind", ["ENUM('z', 'm', 'a', 'q', 'b')", "SET('z', 'm', 'a', 'q', 'b')"])
def test_choices_as_keys_all_come(shop, read, kind, fast):
    """MySQL orders them by number and compares them as text: a scan by key would lose some, or never end."""
    shop((f"ALTER TABLE orders MODIFY basket_id {kind} NOT NULL",))
    rows = [(key, f"2017-07-01 00:0{minute}:00") for minute, key in enumerate("zmaqb")]
    shop(("INSERT INTO orders (basket_id, updated_at) VALUES (%s, %s)", rows))
    for whole in (True, False):
        found, _ = read("orders", fast=fast, whole=whole)
        assert sorted(found["order_id"].to_pylist()) == sorted("zmaqb")

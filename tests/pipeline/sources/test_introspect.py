"""`vitrine source check`: what it finds in the demo shop, and in shops that were changed behind the mapping's back."""

import json
import sqlite3

import pytest
import sqlalchemy as sa
import yaml

from pipeline.configuration import CONFIG_FOLDER
from pipeline.sources.checking import check_source
from pipeline.sources.introspect import look
from tests.pipeline.test_cli import vitrine


@pytest.fixture
def check(small_shop, settings, tmp_path):
    """`check(sql, change)`: the findings after a change of the shop and one of the mapping, by table and column."""

    def run(sql="", change=None):
        with sqlite3.connect(small_shop) as shop:
            shop.executescript(sql)
        shop.close()
        content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
        if change:
            change(content)
        path = tmp_path / "mapping.yaml"
        path.write_text(yaml.safe_dump(content))
        return {(found.table, found.column): found for found in check_source(settings(source=path))}

    return run


def columns(content, table):
    return content["tables"][table]["columns"]


def test_every_mapped_column_of_the_demo_shop_is_found(check):
    found = check()
    assert all(each.found and not each.is_problem for each in found.values())
    segment, category = found["users", "segment"], found["items", "category"]
    assert (segment.source, segment.type) == ("household_composition", "VARCHAR(30)")
    assert 0 < segment.null_share < 1
    assert category.type == "expression"
    assert category.sample


def test_a_missing_table_and_a_missing_column_are_named_with_the_nearest(check):
    found = check("ALTER TABLE orders RENAME TO orders_2; ALTER TABLE users RENAME COLUMN household_id TO householdid")
    assert "did you mean orders_2?" in found["orders", ""].hint
    assert "did you mean householdid?" in found["users", "user_id"].hint
    assert not found["users", "user_id"].found
    assert found["users", "created_at"].found


def test_times_without_zone_are_told_only_until_somebody_says_the_zone(check):
    hint = check(change=lambda content: content.pop("timezone"))["orders", "created_at"].hint
    assert hint == "orders.created_at is DATETIME without zone: set `timezone`"
    assert check()["orders", "created_at"].hint == ""


@pytest.mark.parametrize(
    ("sql", "place", "hint"),
    [
        ("UPDATE order_items SET quantity = 'some'", ("order_items", "quantity"), "no real"),
        ("UPDATE order_items SET line_number = rowid % 2", ("order_items", "line_number"), "rows repeat one"),
        ("UPDATE users SET household_id = NULL", ("users", "user_id"), "every row is null"),
    ],
)
def test_what_a_run_would_stumble_over_is_a_problem(check, sql, place, hint):
    if "line_number" in sql or "household_id" in sql:
        table = place[0]
        sql = (
            f"CREATE TABLE copy AS SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE copy RENAME TO {table}; {sql}"
        )
    found = check(sql)[place]
    assert found.is_problem
    assert hint in found.hint


def test_an_expression_that_the_database_refuses_is_found_among_good_ones(check):
    found = check(change=lambda content: columns(content, "items").update(title={"expression": "nosuch + 1"}))
    assert "nosuch" in found["items", "title"].hint
    assert [key for key, each in found.items() if each.is_problem] == [("items", "title")]


def test_what_deserves_a_look_is_no_problem(check):
    found = check("DROP INDEX ix_orders_updated_at; UPDATE orders SET status = 'storniert' WHERE rowid % 9 = 0")
    assert "no index: every run reads the whole table" in found["orders", "updated_at"].hint
    assert found["orders", "status"].hint == "counts as bought: storniert; say in `values` which mean cancelled"
    assert not any(each.is_problem for each in found.values())


def test_a_moment_of_mysql_needs_no_zone(mysql_database):
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP, b DATETIME(3), c VARCHAR(5), d DECIMAL(5, 2), KEY (b))"
        )
        table = look(connection)["t"]
    assert {name: (column.kind, column.naive) for name, column in table.columns.items()} == {
        "id": ("number", False),
        "a": ("time", False),
        "b": ("time", True),
        "c": ("text", False),
        "d": ("number", False),
    }
    assert (table.key, table.indexed, table.columns["c"].type) == (("id",), {"id", "b"}, "VARCHAR(5)")


def test_views_and_odd_types_are_seen_and_broken_views_are_passed_over(mysql_database):
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        for statement in (
            "CREATE TABLE t (id INT PRIMARY KEY, place POINT, address INET6)",
            "CREATE TABLE u (id INT)",
            "CREATE VIEW good AS SELECT * FROM t",
            "CREATE VIEW broken AS SELECT * FROM u",
            "DROP TABLE u",
        ):
            connection.exec_driver_sql(statement)
        seen = look(connection)
    assert set(seen) == {"t", "good"}
    assert seen["t"].columns["place"].kind == "other"


def test_the_command_prints_a_table_and_fails_when_something_is_missing(small_shop, settings):
    environment = {"VITRINE_WORK_DIR": str(settings().work_dir)}
    good = vitrine("source", "check", **environment)
    assert good.returncode == 0, good.stderr
    assert "household_composition" in good.stdout
    with sqlite3.connect(small_shop) as shop:
        shop.execute("ALTER TABLE users RENAME COLUMN household_id TO householdid")
    shop.close()
    bad = vitrine("source", "check", "--json", **environment)
    assert bad.returncode == 1
    assert [each["column"] for each in json.loads(bad.stdout) if each["is_problem"]] == ["user_id"]


def test_init_writes_a_new_file_and_never_over_another(small_shop, tmp_path):
    target = tmp_path / "shop.yaml"
    assert vitrine("source", "init", f"sqlite:///{small_shop}", "--out", str(target)).returncode == 0
    text = target.read_text()
    again = vitrine("source", "init", f"sqlite:///{small_shop}", "--out", str(target))
    assert again.returncode == 1
    assert "which exists" in again.stderr
    assert target.read_text() == text
    assert vitrine("source", "init", VITRINE_DATABASE_URL=f"sqlite:///{small_shop}").stdout == text


def test_a_password_is_never_shown():
    failed = vitrine("source", "init", "mysql+pymysql://somebody:s3cret@127.0.0.1:1/shop")
    assert failed.returncode == 1
    assert "s3cret" not in failed.stdout + failed.stderr

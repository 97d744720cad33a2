import datetime as dt

import pyarrow as pa
import pytest
import sqlalchemy as sa
import yaml

from feature_store.schema import SOURCE_TABLES
from pipeline.configuration import CONFIG_FOLDER
from pipeline.demo.shop import load_demo_shop
from pipeline.errors import SourceError
from pipeline.sources.business import open_source
from pipeline.sources.canonical import arrow_schema

START, END = dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 2, 1, tzinfo=dt.UTC)


def rows(source, name, start=START, end=END, **options):
    batches = list(source.read(name, start, end, **options))
    table = pa.concat_tables(batches) if batches else arrow_schema(SOURCE_TABLES[name]).empty_table()
    return table.sort_by([(column, "ascending") for column in SOURCE_TABLES[name].columns])


@pytest.fixture
def run_sql():
    def run(url, *statements):
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    return run


def mapping_file(tmp_path, change):
    content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
    change(content)
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.usefixtures("small_shop")
def test_every_canonical_table_is_read_in_its_schema(settings):
    with open_source(settings()) as source:
        for name, table in SOURCE_TABLES.items():
            found = rows(source, name)
            assert found.schema == arrow_schema(table)
            assert len(found) > 0
            assert sum(column.null_count for column in found.drop_columns(nullable(table)).columns) == 0


def nullable(table):
    return [name for name, column in table.columns.items() if column.nullable]


@pytest.mark.usefixtures("small_shop")
def test_windows_are_half_open_and_lose_nothing(settings):
    with open_source(settings()) as source:
        first, last = source.bounds("orders")
        middle = rows(source, "orders")["updated_at"][3000].as_py()
        before, after = rows(source, "orders", first, middle), rows(source, "orders", middle, END)
        assert middle not in before["updated_at"].to_pylist()
        assert middle in after["updated_at"].to_pylist()
        assert len(before) + len(after) == len(rows(source, "orders"))
        assert len(rows(source, "orders", last, last)) == 0


@pytest.mark.usefixtures("small_shop")
def test_batches_are_small_and_ordered_by_cursor(settings):
    with open_source(settings()) as source:
        batches = list(source.read("order_items", START, END, batch_rows=10_000))
    assert all(len(batch) <= 10_000 for batch in batches)
    times = pa.concat_tables(batches)["updated_at"].to_pylist()
    assert times == sorted(times)


@pytest.mark.usefixtures("small_shop")
def test_has_rows_tells_empty_windows(settings):
    with open_source(settings()) as source:
        assert source.has_rows("orders", START, END)
        assert not source.has_rows("orders", END, END + dt.timedelta(days=1))


def test_sqlite_and_mariadb_give_the_same_canonical_rows(tmp_path, settings, mysql_database):
    sqlite = f"sqlite:///{tmp_path}/shop.db"
    load_demo_shop(sqlite, households=3)
    load_demo_shop(mysql_database, households=3)
    with open_source(settings(database_url=sqlite)) as one, open_source(settings(database_url=mysql_database)) as other:
        for name in SOURCE_TABLES:
            assert one.bounds(name) == other.bounds(name)
            assert rows(one, name).equals(rows(other, name, batch_rows=777))


@pytest.mark.usefixtures("small_shop")
def test_a_constant_and_an_expression_stand_for_columns(settings, tmp_path):
    def change(content):
        columns = content["tables"]["orders"]["columns"]
        columns["status"], columns["user_id"] = {"constant": "done"}, {"expression": "household_id || ':' || store_id"}

    with open_source(settings(source=mapping_file(tmp_path, change))) as source:
        order = rows(source, "orders").to_pylist()[0]
    assert order["status"] == "done"
    assert ":" in order["user_id"]


def test_local_times_are_read_by_their_utc_day(small_shop, settings, tmp_path, run_sql):
    """The shop's clock is that of Honolulu, ten hours behind: its 14:00 is midnight in Greenwich."""
    run_sql(
        f"sqlite:///{small_shop}",
        "DELETE FROM orders",
        "INSERT INTO orders VALUES (1, 1, 1, 'completed', '2017-01-01 13:59:59', '2017-01-01 13:59:59')",
        "INSERT INTO orders VALUES (2, 1, 1, 'completed', '2017-01-01 14:00:00', '2017-01-01 14:00:00')",
    )
    path = mapping_file(tmp_path, lambda content: content.update(timezone="Pacific/Honolulu"))
    with open_source(settings(source=path)) as source:
        midnight = dt.datetime(2017, 1, 2, tzinfo=dt.UTC)
        assert rows(source, "orders", midnight, END)["order_id"].to_pylist() == ["2"]
        assert source.bounds("orders")[1] == midnight


def test_mysql_types_are_read_sanely(settings, mysql_database, tmp_path, run_sql):
    """DECIMAL is money, a zero date is none, TIMESTAMP is UTC whatever zone the DATETIME columns are in."""
    load_demo_shop(mysql_database, households=1)
    run_sql(
        mysql_database,
        "SET SESSION sql_mode = ''",
        "DELETE FROM order_items",
        "ALTER TABLE order_items MODIFY updated_at TIMESTAMP NOT NULL, MODIFY sales_value DECIMAL(20, 2)",
    )
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = '', time_zone = '+00:00'")
        zero, noon = "'0000-00-00 00:00:00'", "'2017-07-01 12:00:00'"
        connection.exec_driver_sql(f"INSERT INTO order_items VALUES (1, 1, 7, 2, 12.34, 0, {zero}, {noon})")
        connection.exec_driver_sql(f"INSERT INTO order_items VALUES (1, 2, 7, 2, 12.34, 0, {noon}, {noon})")
    path = mapping_file(tmp_path, lambda content: content.update(timezone="Europe/Paris"))
    with open_source(settings(database_url=mysql_database, source=path)) as source:
        first, second = rows(source, "order_items").sort_by("line_number").to_pylist()
    noon = dt.datetime(2017, 7, 1, 12, tzinfo=dt.UTC)
    assert first["amount"] == 12.34
    assert first["created_at"] is None
    assert first["updated_at"] == noon
    assert second["created_at"] == noon - dt.timedelta(hours=2)


def test_zero_cursors_do_not_move_the_bounds(small_shop, settings, run_sql):
    run_sql(f"sqlite:///{small_shop}", "UPDATE orders SET updated_at = '0000-00-00 00:00:00' WHERE basket_id % 2 = 0")
    with open_source(settings()) as source:
        assert source.bounds("orders")[0].year == 2017


def test_a_table_without_rows_has_no_bounds(small_shop, settings, run_sql):
    run_sql(f"sqlite:///{small_shop}", "DELETE FROM users")
    with open_source(settings()) as source:
        assert source.bounds("users") is None


def test_a_value_of_the_wrong_type_names_its_column(small_shop, settings, run_sql):
    run_sql(f"sqlite:///{small_shop}", "UPDATE order_items SET quantity = 'some' WHERE rowid = 1")
    with open_source(settings()) as source, pytest.raises(SourceError, match="table `order_items`, column `quantity`"):
        rows(source, "order_items")

import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from pipeline.errors import SourceError, UnreachableError
from pipeline.settings import Extract
from pipeline.sources.paging import Order, pages, session

IMPATIENT = Extract(retry_seconds=0, attempts=3, lock_wait_seconds=1)
ROW = sa.table("rows", sa.column("moment"), sa.column("name"))
BY_MOMENT = Order((ROW.c.moment, ROW.c.name), ("moment", "name"))


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return sa.make_url(f"sqlite:///{tmp_path}/rows.db")
    return sa.make_url(request.getfixturevalue("mysql_database"))


def fill(url, rows):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE `rows` (moment INTEGER, name VARCHAR(9))")
        connection.execute(ROW.insert(), [{"moment": moment, "name": name} for moment, name in rows])


def read(opened, page_rows):
    found = pages(opened, sa.select(ROW.c.moment, ROW.c.name), BY_MOMENT, page_rows)
    return [tuple(row) for page in found for row in page]


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 100])
def test_every_row_comes_in_order_whatever_the_page(url, page_rows):
    """Ties of the first column, of both, and nulls, on and across the ends of pages."""
    rows = [(1, "a"), (1, "b"), (1, "c"), (2, None), (2, "a"), (3, "x"), (3, "x"), (3, "x"), (4, "a"), (5, "a")]
    fill(url, rows)
    with session(url, IMPATIENT) as opened:
        found = read(opened, page_rows)
    assert set(Counter(rows) - Counter(found)) == set()
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(rows))


def test_pages_are_of_one_moment(mysql_database):
    url = sa.make_url(mysql_database)
    fill(url, [(number, "a") for number in range(10)])
    with session(url, IMPATIENT) as opened:
        found = pages(opened, sa.select(ROW.c.moment, ROW.c.name), BY_MOMENT, 4)
        first = next(found)
        execute(url, "DELETE FROM `rows` WHERE moment > 5", "INSERT INTO `rows` VALUES (6, 'late')")
        rest = [row for page in found for row in page]
    assert [row.moment for row in [*first, *rest]] == list(range(10))


def execute(url, *statements):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_connection_killed_between_pages_costs_one_page(mysql_database):
    url = sa.make_url(mysql_database)
    fill(url, [(number, "a") for number in range(10)])
    with session(url, IMPATIENT) as opened:
        found = pages(opened, sa.select(ROW.c.moment, ROW.c.name), BY_MOMENT, 4)
        rows = list(next(found))
        (number,) = opened.connection.exec_driver_sql("SELECT connection_id()").one()
        execute(url, f"KILL {number}")
        rows += [row for page in found for row in page]
        assert opened.reopened == 1
    assert [row.moment for row in rows] == list(range(10))


def test_a_database_that_stays_away_is_told(mysql_database):
    url = sa.make_url(mysql_database)
    with session(url, IMPATIENT) as opened:
        (number,) = opened.connection.exec_driver_sql("SELECT connection_id()").one()
        opened.url = url.set(port=1)
        execute(url, f"KILL {number}")
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1/"):
            opened.rows(sa.select(sa.func.now()))


def test_a_locked_table_is_told_instead_of_waited_for(mysql_database):
    url = sa.make_url(mysql_database)
    fill(url, [(1, "a")])
    locked, done = threading.Event(), threading.Event()

    def lock():
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("LOCK TABLES `rows` WRITE")
            locked.set()
            done.wait(30)

    holder = threading.Thread(target=lock)
    holder.start()
    try:
        locked.wait(30)
        with session(url, IMPATIENT) as opened, pytest.raises(SourceError, match="locked"):
            read(opened, 10)
    finally:
        done.set()
        holder.join()

"""What stands in the way of the binlog, from the server's variables alone and on real servers."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from pipeline.sources.binlog.ability import obstacles, of_settings
from pipeline.sources.checking import check_source
from tests.servers import binlog_server, mysql_url

GOOD = {
    "version": "10.11.6-MariaDB",
    "log_bin": "ON",
    "log_bin_compress": "OFF",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "server_id": "1",
}


def test_a_server_that_is_set_right_has_no_obstacle():
    assert of_settings(GOOD) == []


@pytest.mark.parametrize(
    ("name", "value", "expected", "remedy"),
    [
        ("log_bin", "OFF", "log_bin = ON", "section [mysqld]: log_bin = binlog"),
        ("server_id", "0", "a server_id above 0", "SET GLOBAL server_id = 1"),
        ("binlog_format", "MIXED", "binlog_format = ROW", "SET GLOBAL binlog_format = 'ROW'"),
        ("binlog_row_image", "MINIMAL", "binlog_row_image = FULL", "SET GLOBAL binlog_row_image = 'FULL'"),
        ("binlog_row_metadata", "NO_LOG", "binlog_row_metadata = FULL", "SET GLOBAL binlog_row_metadata = 'FULL'"),
        ("log_bin_compress", "ON", "log_bin_compress = OFF", "SET GLOBAL log_bin_compress = 'OFF'"),
        ("binlog_transaction_compression", "ON", "binlog_transaction_compression = OFF", "= 'OFF'"),
    ],
)
def test_each_setting_that_is_in_the_way_is_told_with_what_to_change(name, value, expected, remedy):
    (found,) = of_settings({**GOOD, name: value})
    assert (found.expected, found.found) == (expected, value)
    assert remedy in found.remedy


def test_a_server_that_is_too_old_is_told():
    (found,) = of_settings({name: value for name, value in GOOD.items() if name != "binlog_row_metadata"})
    assert found.remedy == "Use MariaDB 10.5, MySQL 8.0.14 or later."


def test_other_databases_have_no_binlog():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        (found,) = obstacles(connection)
    engine.dispose()
    assert (found.expected, found.found) == ("MySQL or MariaDB", "sqlite")


@pytest.mark.usefixtures("small_shop")
def test_a_check_of_a_shop_without_a_server_says_nothing_of_a_binlog(settings, binlog_mapping):
    assert not [each for each in check_source(settings()) if each.table == "changes"]
    (told,) = [each for each in check_source(settings(source=binlog_mapping())) if each.table == "changes"]
    assert "found sqlite" in told.hint
    assert not told.is_problem, "a run goes on by watermark"


@pytest.mark.slow
def test_debians_own_configuration_keeps_no_binlog():
    engine = sa.create_engine(mysql_url(), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        if connection.exec_driver_sql("SELECT @@log_bin").scalar():
            pytest.skip("this server keeps a binlog")
        (found,) = obstacles(connection)
    assert found.expected == "log_bin = ON"


@pytest.fixture
def reader(binlog_database):
    """(URL, user) of somebody who may read the database and nothing else."""
    user = f"v{uuid.uuid4().hex[:12]}"
    url = sa.make_url(binlog_database)
    run(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'x'", f"GRANT SELECT ON {url.database}.* TO '{user}'@'%'")
    yield url.set(username=user, password="x"), user
    run(f"DROP USER '{user}'@'%'")


def run(*statements):
    engine = sa.create_engine(binlog_server().url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def of(url):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return obstacles(connection)


@pytest.mark.slow
def test_each_missing_grant_is_told_and_what_the_remedy_says_is_enough(reader):
    url, user = reader
    (nothing,) = of(url)
    assert "BINLOG MONITOR" in nothing.found or "REPLICATION CLIENT" in nothing.found, "MariaDB or MySQL"
    run(f"GRANT REPLICATION CLIENT ON *.* TO '{user}'@'%'")
    (half,) = of(url)
    assert "REPLICATION SLAVE" in half.found
    assert half.remedy == f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'%';"
    run(half.remedy.rstrip(";"))
    assert of(url) == []


@pytest.mark.slow
def test_a_check_says_that_the_binlog_can_be_followed(followed):
    (told,) = [each for each in check_source(followed().settings) if each.table == "changes"]
    assert (told.found, told.hint) == (True, "the binlog can be followed")

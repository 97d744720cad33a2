import pytest
import sqlalchemy as sa

from pipeline.errors import SourceError
from pipeline.sources.business import open_source
from pipeline.sources.connection import connection, source_url


def test_without_a_database_the_source_is_the_demo_shop(settings):
    assert source_url(settings()).database == str(settings().workspace.demo_shop)


def test_a_wrong_password_is_told_without_showing_it(mysql_database):
    wrong = sa.make_url(mysql_database).set(username="nobody", password="s3cret")
    with pytest.raises(SourceError, match="Access denied") as error, connection(wrong):
        pass
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_server_that_is_down_is_named():
    with (
        pytest.raises(SourceError, match=r"127\.0\.0\.1:1/"),
        connection(sa.make_url("mysql+pymysql://a:b@127.0.0.1:1/shop")),
    ):
        pass


def test_a_missing_sqlite_file_is_not_made(settings, tmp_path):
    path = tmp_path / "no.db"
    with pytest.raises(SourceError, match=r"no\.db"), open_source(settings(database_url=f"sqlite:///{path}")):
        pass
    assert not path.exists()


@pytest.mark.usefixtures("small_shop")
def test_a_source_is_never_written(settings):
    with (
        pytest.raises(SourceError, match="readonly"),
        open_source(settings()) as source,
    ):
        source.connection.exec_driver_sql("DELETE FROM users")


@pytest.mark.parametrize("url", ["shop", "nosuch://host/shop"])
def test_what_is_no_url_is_told_without_repeating_it(settings, url):
    with pytest.raises(SourceError, match="database_url"), open_source(settings(database_url=url)):
        pass

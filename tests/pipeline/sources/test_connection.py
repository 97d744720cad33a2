import socket
import threading
from contextlib import suppress

import pytest
import sqlalchemy as sa

from pipeline.errors import SourceError, UnreachableError
from pipeline.settings import Extract
from pipeline.sources.binlog.position import Position
from pipeline.sources.binlog.stream import events
from pipeline.sources.business import open_source
from pipeline.sources.connection import connection, source_url
from pipeline.sources.paging import Session
from pipeline.sources.text_rows import text_rows

IMPATIENT = Extract(connect_seconds=1, answer_seconds=1, lock_wait_seconds=1, attempts=1, retry_seconds=0)


@pytest.fixture
def silent():
    """The URL of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield sa.make_url(f"mysql+pymysql://a:b@127.0.0.1:{server.getsockname()[1]}/shop")


@pytest.fixture
def freezing(mysql_database):
    """The URL of a way to a server, and what stops the server's words from coming through, with no end of them."""
    url, frozen, ends = sa.make_url(mysql_database), threading.Event(), []

    def carry(source, target, stops):
        with suppress(OSError):  # either end was closed
            while content := source.recv(1 << 16):
                if not (stops and frozen.is_set()):
                    target.sendall(content)

    def serve(server):
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection((url.host, url.port))
            ends.extend((near, far))
            for way in ((near, far, False), (far, near, True)):
                threading.Thread(target=carry, args=way, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield url.set(host="127.0.0.1", port=server.getsockname()[1]), frozen
        server.shutdown(socket.SHUT_RDWR)
    for end in ends:
        end.close()


def test_without_a_database_the_source_is_the_demo_shop(settings):
    assert source_url(settings()).database == str(settings().workspace.demo_shop)


def test_a_wrong_password_is_told_without_showing_it(mysql_database):
    wrong = sa.make_url(mysql_database).set(username="nobody", password="s3cret")
    with pytest.raises(SourceError, match="Access denied") as error, connection(wrong, Extract()):
        pass
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_server_that_is_down_is_named():
    with (
        pytest.raises(SourceError, match=r"127\.0\.0\.1:1/"),
        connection(sa.make_url("mysql+pymysql://a:b@127.0.0.1:1/shop"), Extract()),
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


def test_a_server_that_never_greets_counts_as_unreachable(silent):
    with pytest.raises(UnreachableError, match="timed out"), connection(silent, IMPATIENT):
        pass


def test_a_binlog_that_never_answers_counts_as_unreachable(silent):
    here = Position("binlog.000001", 4, "", "server")
    with pytest.raises(UnreachableError, match="timed out"):
        next(events(silent.update_query_dict({"read_timeout": "1"}), here, here, []))


@pytest.mark.parametrize(
    "ask", [lambda found, query: found.execute(query).all(), text_rows], ids=["rows", "text pages"]
)
def test_a_server_that_falls_silent_counts_as_lost_and_is_asked_again(freezing, ask):
    url, frozen = freezing
    session, asked = Session(url, IMPATIENT), []

    def freeze_at_first(found):
        asked.append(found)
        if len(asked) == 1:
            frozen.set()
        try:
            return ask(found, sa.select(sa.literal(7)))
        finally:
            frozen.clear()

    assert len(session.answer(freeze_at_first)) == 1
    assert (len(asked), session.reopened) == (2, 1)
    session.close()


def test_the_url_has_the_last_word_on_how_long_an_answer_may_take(mysql_database):
    slow = sa.select(sa.func.sleep(3))
    with (
        pytest.raises(UnreachableError, match="timed out"),
        connection(sa.make_url(mysql_database), IMPATIENT) as found,
    ):
        found.execute(slow).all()
    patient = sa.make_url(mysql_database).update_query_dict({"read_timeout": "60"})
    with connection(patient, IMPATIENT) as found:
        assert found.execute(slow).scalar() == 0

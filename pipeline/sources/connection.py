"""A connection to a shop's database: read-only where the database can, UTC, and errors a person can act on."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import sqlalchemy as sa

from pipeline.errors import SourceError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Extract, Settings


def source_url(settings: Settings) -> sa.URL:
    """Where the shop's database is: the one of the settings, or the demo shop in the work folder."""
    if settings.database_url is None:
        return sa.URL.create("sqlite", database=str(settings.workspace.demo_shop))
    try:
        return sa.make_url(settings.database_url.get_secret_value())
    except sa.exc.ArgumentError:
        raise SourceError(
            "database_url",
            expected="a SQLAlchemy URL such as mysql+pymysql://user:password@host:3306/shop",
            found="something that cannot be read as one",
            remedy="Percent-encode @ : / in the password.",
        ) from None


@contextmanager
def connection(url: sa.URL, settings: Extract) -> Iterator[sa.Connection]:
    """One connection and one transaction: what it reads is of one moment where the database has snapshots.

    Raises:
        SourceError: the database cannot be reached or refuses; the password is never shown.
    """
    engine = _engine(url, settings)
    try:
        with database_errors(url), engine.connect() as opened:
            yield opened
    finally:
        engine.dispose()


def connect(url: sa.URL, settings: Extract) -> sa.Connection:
    """A connection whose transaction sees one moment, and that waits for locks and answers as long as settings say.

    Raises:
        sqlalchemy.exc.DBAPIError: it cannot be had; `database_errors` makes it clear.
    """
    opened = _engine(url, settings).connect()
    if opened.dialect.name in {"mysql", "mariadb"}:
        opened.exec_driver_sql(f"SET SESSION lock_wait_timeout = {settings.lock_wait_seconds}")
        opened.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        opened.commit()
        opened.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    elif opened.dialect.name == "sqlite":
        opened.exec_driver_sql("BEGIN")
    return opened


def is_lost(error: sa.exc.DBAPIError) -> bool:
    """Whether the connection is gone, or could not be had because the server is starting or stopping."""
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return error.connection_invalidated or code in LOST


LOST = {1040, 1053, 1077, 1152, 1184, 1927, 2002, 2003, 2006, 2013, 2014, 2055}
"""MySQL and MariaDB: too many connections, shutting down, killed, refused, gone away, lost while asking."""
_LOCKED = {1205, 1206}


@contextmanager
def database_errors(url: sa.URL) -> Iterator[None]:
    """Say what the database said, and where, without what should stay secret."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if error.orig is not None and error.orig.args and error.orig.args[0] in _LOCKED:
            raise _locked(url, error) from None
        kind = UnreachableError if is_lost(error) else SourceError
        raise kind(
            f"database {url.render_as_string(hide_password=True)}",
            expected="an answer",
            found=f"{type(error.orig).__name__}: {error.orig}",
            remedy="Check host, port, user, password, grants (SELECT is enough) and the expressions of the mapping.",
        ) from None


def _locked(url: sa.URL, error: sa.exc.DBAPIError) -> SourceError:
    return SourceError(
        f"database {url.render_as_string(hide_password=True)}",
        expected="to read a table",
        found=f"that somebody has locked it: {error.orig}",
        remedy="See SHOW PROCESSLIST for LOCK TABLES or a running ALTER; `extract.lock_wait_seconds` waits longer.",
    )


def _engine(url: sa.URL, settings: Extract) -> sa.Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url)
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        if engine.driver == "pymysql":
            sa.event.listen(engine, "do_connect", partial(_in_time, settings))
    except (ModuleNotFoundError, sa.exc.ArgumentError) as error:
        raise SourceError(
            "database_url",
            expected="a database with an installed driver",
            found=str(error),
            remedy="Use mysql+pymysql://",
        ) from None
    if backend in {"mysql", "mariadb"}:
        sa.event.listen(engine, "connect", _speak_utc)
    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    """SQLite would make an empty file where none is, so the file must exist and is opened for reading."""
    path = Path(url.database or "")
    if not path.is_file():
        raise SourceError(
            "database_url",
            expected="a SQLite database",
            found=f"no file {path}",
            remedy="Check the path, or unset VITRINE_DATABASE_URL to use the demo shop.",
        )
    read_only = url.set(database=f"file:{path.resolve()}", query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(read_only, poolclass=sa.pool.NullPool)
    sa.event.listen(engine, "connect", _speak_crc32)
    return engine


def _in_time(settings: Extract, _dialect: object, _record: object, _args: object, given: dict[str, Any]) -> Any:  # noqa: ANN401 -- the driver's own connection
    """By itself PyMySQL waits for ever, for a greeting as for an answer. What the URL says goes first."""
    first = {"connect_timeout": settings.connect_seconds, "read_timeout": settings.connect_seconds}
    opened: Any = pymysql.connect(**{**first, **given})
    silence = settings.lock_wait_seconds + settings.answer_seconds
    opened._read_timeout = given.get("read_timeout", silence)  # noqa: SLF001 -- no other way to greet sooner than answer
    return opened


def _speak_utc(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own connection
    """TIMESTAMP columns are shown in the zone of the session."""
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")


def _speak_crc32(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own connection
    """SQLite has no checksum of its own to compare rows by."""
    connection.create_function("crc32_of_row", -1, lambda *row: zlib.crc32(repr(row).encode()), deterministic=True)

"""A connection to a shop's database: read-only where the database can, UTC, and errors a person can act on."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings


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
def connection(url: sa.URL) -> Iterator[sa.Connection]:
    """One connection and one transaction: what it reads is of one moment where the database has snapshots.

    Raises:
        SourceError: the database cannot be reached or refuses; the password is never shown.
    """
    engine = _engine(url)
    try:
        with database_errors(url), engine.connect() as opened:
            yield opened
    finally:
        engine.dispose()


@contextmanager
def database_errors(url: sa.URL) -> Iterator[None]:
    """Say what the database said, and where, without what should stay secret."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise SourceError(
            f"database {url.render_as_string(hide_password=True)}",
            expected="an answer",
            found=f"{type(error.orig).__name__}: {error.orig}",
            remedy="Check host, port, user, password, grants (SELECT is enough) and the expressions of the mapping.",
        ) from None


def _engine(url: sa.URL) -> sa.Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url)
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
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
    return sa.create_engine(read_only, poolclass=sa.pool.NullPool)


def _speak_utc(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own connection
    """TIMESTAMP columns are shown in the zone of the session."""
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")

"""Rows of a query in pages that remember where they ended, so that a connection that dies costs one page."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from pipeline.sources.connection import connect, database_errors, is_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.settings import Extract

log = logging.getLogger(__name__)
Position = tuple[Any, ...]
T = TypeVar("T")


class Session:
    """A connection that is opened again when it dies. What is read after that is of a new snapshot."""

    def __init__(self, url: sa.URL, settings: Extract) -> None:
        self.url, self.settings = url, settings
        self.reopened = 0
        with database_errors(url):
            self.connection = connect(url, settings)

    def rows(self, query: sa.Executable) -> Sequence[sa.Row[Any]]:
        """All rows of a query; raises as `answer` does."""
        return self.answer(lambda connection: connection.execute(query).fetchall())

    def answer(self, ask: Callable[[sa.Connection], T]) -> T:
        """What `ask` gets from the database, asked again on a new connection when it is lost.

        Raises:
            SourceError: the database refuses, or stays away for as many attempts as the settings allow.
        """
        attempt = 0
        with database_errors(self.url):
            while True:
                try:
                    if self.connection.closed:
                        self.connection = connect(self.url, self.settings)
                        self.reopened += 1
                    return ask(self.connection)
                except sa.exc.DBAPIError as error:
                    attempt += 1
                    if not is_lost(error) or attempt > self.settings.attempts:
                        raise
                    self._wait(attempt, error)

    def _wait(self, attempt: int, error: sa.exc.DBAPIError) -> None:
        """Twice as long each time: a server that restarts needs seconds, one that is overloaded needs rest."""
        seconds = self.settings.retry_seconds * 2 ** (attempt - 1)
        log.warning("database lost, trying again", extra={"reason": str(error.orig), "seconds": seconds})
        self.close()
        time.sleep(seconds)

    def renew(self) -> None:
        """A new connection, and with it a snapshot of this moment."""
        self.close()
        with database_errors(self.url):
            self.connection = connect(self.url, self.settings)

    def close(self) -> None:
        """Let go of the connection, dead or alive."""
        if not self.connection.closed:
            self.connection.invalidate()
            self.connection.close()


@contextmanager
def session(url: sa.URL, settings: Extract) -> Iterator[Session]:
    """A session that is closed in the end."""
    opened = Session(url, settings)
    try:
        yield opened
    finally:
        opened.close()


@dataclass(frozen=True)
class Order:
    """What rows are ordered by: expressions, and the names under which `query` selects them."""

    columns: tuple[sa.ColumnElement[Any], ...]
    names: tuple[str, ...]


def pages(session: Session, query: sa.Select[Any], order: Order, page_rows: int) -> Iterator[Sequence[sa.Row[Any]]]:
    """The rows of `query` in their order, a page at a time, never by OFFSET.

    A page ends where the order has a new value: the next one begins with the rows of the last value, for there may be
    more of them. Every row comes at least once, and exactly once while no order value is as common as a page is long.
    """
    after: Position | None = None
    ordered = query.order_by(*order.columns)
    while True:
        found = session.rows(
            (ordered if after is None else ordered.where(from_position(order, after))).limit(page_rows)
        )
        if len(found) < page_rows:
            if found:
                yield found
            return
        where = [found[0]._fields.index(name) for name in order.names]
        last = tuple(found[-1][index] for index in where)
        whole = len(found)
        while whole and tuple(found[whole - 1][index] for index in where) == last:
            whole -= 1
        if whole:
            yield found[:whole]
            after = last
        else:
            page_rows *= 2


def from_position(order: Order, position: Position) -> sa.ColumnElement[bool]:
    """Rows at `position` or after it. The first column alone bounds the index range; OR would hide it."""
    last = len(order.columns) - 1
    same: list[sa.ColumnElement[bool]] = []
    further: list[sa.ColumnElement[bool]] = []
    for index, (column, value) in enumerate(zip(order.columns, position, strict=True)):
        further.append(sa.and_(*same, _after(column, value, or_at=index == last)))
        same.append(column.is_(None) if value is None else column == value)
    first, value = order.columns[0], position[0]
    return sa.or_(*further) if value is None else sa.and_(first >= value, sa.or_(*further))


def _after(column: sa.ColumnElement[Any], value: Any, *, or_at: bool) -> sa.ColumnElement[bool]:  # noqa: ANN401 -- of any type
    """MySQL and SQLite sort nulls first."""
    if value is None:
        return sa.true() if or_at else column.is_not(None)
    compared: sa.ColumnElement[bool] = column >= value if or_at else column > value
    return compared

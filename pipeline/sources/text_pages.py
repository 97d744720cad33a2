"""MySQL's fast road: pages of rows as the server's own text, which becomes Arrow columns with no Python per value.

PyMySQL builds every value of every row in Python, which bounds reading to some 20,000 rows a second. This road is taken
only where every column is of a kind whose text means the same as its value.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from pipeline.sources.mapping import Constant, Expression
from pipeline.sources.selection import DELETED, from_clause, source_columns
from pipeline.sources.text_rows import TextRows, text_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from feature_store.schema import Table
    from pipeline.sources.mapping import TableMapping
    from pipeline.sources.paging import Session
    from pipeline.sources.source import Shape

_WHOLE, _NUMBERS, _TIMES, _TEXT = "whole numbers", "numbers", "times", "text"
_SPOKEN = {("mysql", "pymysql"), ("mariadb", "pymysql")}
_FIRST_ROWS, _PAGE_BYTES = 1_000, 1 << 22
"""Nobody knows how long rows are: the first page is short, the others take about so much memory."""
_NO_ROWS = TextRows(bytearray(), np.zeros(0, np.int64), 0)
Columns = dict[str, pa.Array]


def is_plain_text(session: Session, mapping: TableMapping, table: Table, shape: Shape, names: Iterable[str]) -> bool:
    """Whether the server's text of every wanted column can stand for its value."""
    dialect = session.connection.dialect
    if (dialect.name, dialect.driver) not in _SPOKEN or not session.settings.text_pages:
        return False
    return all(_kind(mapping, table, shape, name) is not None for name in names)


def _kind(mapping: TableMapping, table: Table, shape: Shape, name: str) -> str | None:
    """The kind of a selected column, none where text would not do: expressions of any type, bytes, FLOAT as an id."""
    source = mapping.columns.get(name)
    if isinstance(source, Expression):
        return None
    if (name != DELETED and source is None) or isinstance(source, Constant):
        return _TEXT
    reference = mapping.deleted if name == DELETED else mapping.reference(name)
    kind = shape.get(".".join(mapping.origin(reference or "")))
    if kind == _NUMBERS and (name == DELETED or table.columns[name].type not in {"real", "integer"}):
        return None
    return kind if kind in {_WHOLE, _NUMBERS, _TIMES, _TEXT} else None


def text_pages(
    session: Session,
    mapping: TableMapping,
    table: Table,
    key: sa.ColumnElement[Any] | None,
    wanted: Iterable[str],
    where: Sequence[sa.ColumnElement[bool]],
    by: sa.ColumnElement[Any],
    page_rows: int,
) -> Iterator[Page]:
    """Pages of rows as text, each of greater values of `by` than the one before; inside a page rows come as the server
    likes. Every row comes once.

    key: the first column of the primary key, where it has one that text can say
    """
    columns = [column for column in source_columns(mapping, table) if column.name in wanted]
    names = [column.name for column in columns]
    rows = sa.select(*columns).select_from(from_clause(mapping)).where(*where)
    stretches = Stretches(rows, by, sa.null() if key is None else key)
    start, asked, ended = None, min(page_rows, _FIRST_ROWS), False
    while not ended:
        found, end, ended = session.answer(functools.partial(stretches.read, start=start, asked=asked))
        if end == start and not ended:
            asked *= 2
        elif len(found):
            yield Page(found, names)
            asked = min(page_rows, max(_PAGE_BYTES // (len(found.content) // len(found) + 1), 1))
        start = end


@dataclass(frozen=True)
class Stretches:
    """A query whose rows are asked for by stretches of one of its columns.

    Where a stretch ends is asked of the index alone, and within which primary keys it lies. Both conditions mean the
    same rows, and the server chooses: rows that were written in the order of the column come by the primary key in a
    third of the time (docs/benchmarks.md), others by the index.
    """

    query: sa.Select[Any]
    column: sa.ColumnElement[Any]
    key: sa.ColumnElement[Any]

    def read(self, connection: sa.Connection, start: Any, asked: int) -> tuple[TextRows, Any, bool]:  # noqa: ANN401 -- of the column's type
        """The rows from `start` up to the value of the row `asked` rows further, that value, and whether it is the end.

        No rows, and `start` again: so many rows and more have that very value.
        """
        rows = self.query if start is None else self.query.where(self.column >= start)
        nearest = rows.with_only_columns(self.column.label("value"), self.key.label("key"))
        near = nearest.order_by(self.column).limit(asked).subquery("near")
        of = sa.func
        bounds = sa.select(of.count(), of.max(near.c.value), of.min(near.c.key), of.max(near.c.key))
        count, end, first, last = connection.execute(bounds).one()
        if not count or (count == asked and end == start):
            return _NO_ROWS, start, not count
        if first is not None:
            rows = rows.where(self.key.between(first, last))
        if count == asked:
            before = self.column < end
            rows = rows.where(before if start is not None else sa.or_(before, self.column.is_(None)))
        return text_rows(connection, rows), end, count < asked


@dataclass(frozen=True)
class Page:
    """Rows that nobody has looked at: whoever reads the next ones need not wait for that."""

    rows: TextRows
    names: list[str]

    def columns(self) -> Columns:
        return dict(zip(self.names, self.rows.columns(), strict=True))


def ahead(pages: Iterator[Page]) -> Generator[Page]:
    """The same pages, the next one always under way, so that the server writes while this side does.

    Closing it waits for the page under way: a connection answers one question at a time.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page

"""MySQL's fast road: pages of rows as the server's own text, which becomes Arrow columns with no Python per value.

PyMySQL builds every value of every row in Python, which bounds reading to some 20,000 rows a second. This road is taken
only where every column is of a kind whose text means the same as its value.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipeline.sources.mapping import Constant, Expression
from pipeline.sources.paging import from_position
from pipeline.sources.selection import DELETED, from_clause, source_columns
from pipeline.sources.text_rows import text_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from feature_store.schema import Table
    from pipeline.sources.mapping import TableMapping
    from pipeline.sources.paging import Order, Position, Session
    from pipeline.sources.source import Shape
    from pipeline.sources.text_rows import TextRows

_WHOLE, _NUMBERS, _TIMES, _TEXT = "whole numbers", "numbers", "times", "text"
_SPOKEN = {("mysql", "pymysql"), ("mariadb", "pymysql")}
_FIRST_ROWS, _PAGE_BYTES = 1_000, 1 << 22
"""Nobody knows how long rows are: the first page is short, the others take about so much memory."""
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
    shape: Shape,
    wanted: Sequence[str],
    where: Sequence[sa.ColumnElement[bool]],
    order: Order,
    page_rows: int,
) -> Iterator[Page]:
    """Pages of rows as text, with the promises of `paging.pages`."""
    kinds = {name: _kind(mapping, table, shape, name) for name in wanted}
    columns = [column for column in source_columns(mapping, table) if column.name in kinds]
    names = [column.name for column in columns]
    rows = sa.select(*columns).select_from(from_clause(mapping)).where(*where).order_by(*order.columns)
    after: Position | None = None
    asked = min(page_rows, _FIRST_ROWS)
    while True:
        query = rows if after is None else rows.where(from_position(order, after))
        found = session.answer(functools.partial(text_rows, query=query.limit(asked)))
        if len(found) < asked:
            if len(found):
                yield Page(found, names)
            return
        first, last = (_position(found, names, order, row) for row in (slice(0, 1), slice(-1, None)))
        if first == last:
            asked *= 2
            continue
        yield Page(found, names, order.names)
        after = tuple(_value(value, kinds[name]) for name, value in zip(order.names, last, strict=True))
        asked = min(page_rows, max(_PAGE_BYTES // (len(found.content) // len(found) + 1), 1))


@dataclass(frozen=True)
class Page:
    """Rows that nobody has looked at: whoever reads the next ones need not wait for that."""

    rows: TextRows
    names: list[str]
    but_last: tuple[str, ...] = ()
    """Columns of the order: rows with the position of the last one come again with the next page."""

    def columns(self) -> Columns:
        found = dict(zip(self.names, self.rows.columns(), strict=True))
        if not self.but_last:
            return found
        whole = _rows_before(found, self.but_last, [found[name][-1].as_py() for name in self.but_last])
        return {name: values.slice(0, whole) for name, values in found.items()}


def ahead(pages: Iterator[Page]) -> Generator[Page]:
    """The same pages, the next one always under way, so that the server writes while this side does.

    Closing it waits for the page under way: a connection answers one question at a time.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


def _position(rows: TextRows, names: list[str], order: Order, row: slice) -> list[str | None]:
    """What one row has in the columns of the order."""
    values = dict(zip(names, rows.columns(row), strict=True))
    return [values[name][0].as_py() for name in order.names]


def _rows_before(columns: Columns, names: Sequence[str], last: Sequence[str | None]) -> int:
    """How many rows come before the run that has the position of the last one."""
    other = np.zeros(len(columns[names[0]]), bool)
    for name, value in zip(names, last, strict=True):
        differs = (
            pc.is_valid(columns[name]) if value is None else pc.fill_null(pc.not_equal(columns[name], value), True)
        )
        other |= differs.to_numpy(zero_copy_only=False)
    found = np.flatnonzero(other)
    return int(found[-1]) + 1 if len(found) else 0


def _value(text: str | None, kind: str | None) -> Any:  # noqa: ANN401 -- of the column's type
    """A value that the server compares as the column's own type; times are compared well as text."""
    if text is None:
        return None
    return int(text) if kind == _WHOLE else Decimal(text) if kind == _NUMBERS else text

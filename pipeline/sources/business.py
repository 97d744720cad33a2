"""A shop's business database, read in canonical tables through its mapping: any database that SQLAlchemy speaks to."""

from __future__ import annotations

import datetime as dt
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from feature_store.schema import MAPPABLE_TABLES, Table
from pipeline.sources.check import Checked, check_tables
from pipeline.sources.connection import database_errors, source_url
from pipeline.sources.daily import moments_of
from pipeline.sources.mapped import Canonical
from pipeline.sources.mapping import SourceMapping, load_mapping
from pipeline.sources.paging import Order, Session, pages, session
from pipeline.sources.selection import DELETED, from_clause, reference_column, source_column, source_columns
from pipeline.sources.text_pages import ahead, is_plain_text, text_pages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from pipeline.settings import Settings
    from pipeline.sources.source import Shape, Source

EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
"""Cursors before it are no times (MySQL's zero dates, epoch zero); such rows cannot be found by windows."""


@dataclass(frozen=True)
class BusinessSource:
    """A connected shop. Windows are half-open, [start, end), over the cursor column, in aware UTC times."""

    session: Session
    mapping: SourceMapping
    checked: Checked

    @property
    def connection(self) -> sa.Connection:
        return self.session.connection

    def shape(self, name: str) -> Shape:
        """Every column of the tables behind a canonical one.

        Raises:
            SourceError: the database lacks a table, or a column that the mapping names.
        """
        if name in self.checked.broken:
            raise self.checked.broken[name]
        return self.checked.shapes[name]

    def bounds(self, name: str) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last cursor of a canonical table; none when it has no rows."""
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        cursor = self._column(table, table.cursor)
        query = sa.select(sa.func.min(cursor), sa.func.max(cursor)).select_from(self._from(table))
        found = self.session.rows(query.where(cursor >= self._local(EARLIEST, table)))[0]
        if found[0] is None:
            return None
        first, last = self._canonical.column(table, table.cursor, list(found)).to_pylist()
        return first, last

    def has_rows(self, name: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether any row's cursor lies in the window."""
        with closing(self.read(name, start, end, batch_rows=100)) as found:
            return next(found, None) is not None

    def read(
        self, name: str, start: dt.datetime, end: dt.datetime, batch_rows: int | None = None
    ) -> Generator[pa.Table]:
        """The rows of a window in batches of the canonical schema, ordered by cursor from batch to batch.

        At most two are in memory.
        """
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        cursor = self._column(table, table.cursor)
        margin = dt.timedelta(0) if self._zone(table, table.cursor) == "UTC" else dt.timedelta(hours=2)
        bounds = cursor >= self._local(start - margin, table), cursor < self._local(end + margin, table)
        order = (table.cursor, *table.key)
        with closing(self._batches(table, list(table.columns), order, bounds, batch_rows)) as batches:
            for batch in batches:
                rows = _within(batch, table.cursor, start, end)
                if len(rows):
                    yield rows

    def scan(self, name: str) -> Iterator[pa.Table]:
        """Every row whatever its cursor, ordered by key, in batches of the canonical schema."""
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        yield from self._batches(table, list(table.columns), table.key)

    def scan_keys(self, name: str) -> Iterator[pa.Table]:
        """Key and cursor of every row, ordered by key."""
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        names = [name for name in table.columns if name in (*table.key, table.cursor)]
        yield from self._batches(table, names, table.key)

    def where(self, name: str, condition: sa.ColumnElement[bool]) -> Iterator[pa.Table]:
        """The rows of a condition whatever their cursor, ordered by key, in batches of the canonical schema."""
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        yield from self._batches(table, list(table.columns), table.key, [condition])

    def canonical_keys(self, name: str, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        """Values of key columns, as the source has them, as canonical keys."""
        table = MAPPABLE_TABLES[name]
        return pa.table({part: self._canonical.column(table, part, columns[part]) for part in table.key})

    def unreadable(self, name: str) -> int:
        """Rows whose cursor is null or no time: no window ever holds them."""
        self.shape(name)
        table = MAPPABLE_TABLES[name]
        cursor = self._column(table, table.cursor)
        query = sa.select(sa.func.count()).select_from(self._from(table))
        return int(self.session.rows(query.where(cursor.is_(None) | (cursor < self._local(EARLIEST, table))))[0][0])

    def _batches(
        self,
        table: Table,
        names: list[str],
        ordered_by: Iterable[str],
        where: Sequence[sa.ColumnElement[bool]] = (),
        batch_rows: int | None = None,
    ) -> Generator[pa.Table]:
        mapping = self.mapping.tables[table.name]
        named = tuple(name for name in ordered_by if name in mapping.columns and name not in mapping.constants())
        order = Order(tuple(self._ordering(table, name) for name in named), named)
        wanted = [*names, *([DELETED] if mapping.deleted else [])]
        page_rows, shape = batch_rows or self.session.settings.page_rows, self.shape(table.name)
        if is_plain_text(self.session, mapping, table, shape, wanted):
            key = reference_column(mapping, self.checked.keys[table.name]) if table.name in self.checked.keys else None
            found = text_pages(self.session, mapping, table, key, wanted, where, order.columns[0], page_rows)
            with closing(ahead(found)) as ready:
                for page in ready:
                    yield self._batch(table, names, page.columns())
            return
        columns = [column for column in source_columns(mapping, table) if column.name in wanted]
        query = sa.select(*columns).select_from(self._from(table)).where(*where)
        for rows in pages(self.session, query, order, page_rows):
            values = zip(*rows, strict=True)
            yield self._batch(table, names, dict(zip(rows[0]._fields, values, strict=True)))

    def _batch(self, table: Table, names: list[str], columns: Mapping[str, Sequence[Any] | pa.Array]) -> pa.Table:
        if len(names) == len(table.columns):
            return self._canonical.table(table, columns)
        return pa.table({name: self._canonical.column(table, name, columns[name]) for name in names})

    @property
    def _canonical(self) -> Canonical:
        return Canonical(self.mapping, self.checked.utc_columns)

    def _from(self, table: Table) -> sa.FromClause:
        return from_clause(self.mapping.tables[table.name])

    def _column(self, table: Table, name: str) -> sa.ColumnElement[Any]:
        return source_column(self.mapping.tables[table.name], name)

    def _ordering(self, table: Table, name: str) -> sa.ColumnElement[Any]:
        """A column whose order is that of its values: pages are cut by comparing them."""
        column, mapping = self._column(table, name), self.mapping.tables[table.name]
        reference = mapping.reference(name)
        is_choice = reference is not None and mapping.origin(reference) in self.checked.choices
        return sa.cast(column, sa.String) if is_choice else column

    def _zone(self, table: Table, name: str) -> str:
        return self._canonical.zone(table, name)

    def _local(self, moment: dt.datetime, table: Table) -> str:
        """A bound as the source writes it: text compares well with SQLite's text and every server's own type."""
        zone = ZoneInfo(self._zone(table, table.cursor))
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ")


@contextmanager
def open_source(settings: Settings) -> Iterator[Source]:
    """The shop that the settings name, connected and checked.

    Raises:
        SourceError: it cannot be reached, or has none of the mapping's tables as the mapping says; one that
            lacks some tables or columns raises when these are read.
    """
    mapping = load_mapping(settings)
    if mapping.files is not None:
        from pipeline.sources.file_source import open_files

        with open_files(mapping) as files:
            yield files
        return
    url = source_url(settings)
    with session(url, settings.extract) as opened, database_errors(url):
        yield BusinessSource(opened, mapping, check_tables(opened.connection, mapping))


def _within(batch: pa.Table, cursor: str, start: dt.datetime, end: dt.datetime) -> pa.Table:
    """Only the rows of the window: local times are read with a margin, because a zone's clock can step."""
    moments = moments_of(batch, cursor)
    inside = (moments >= _utc(start)) & (moments < _utc(end))
    return batch if inside.all() else batch.filter(pa.array(inside))


def _utc(moment: dt.datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None), "us")

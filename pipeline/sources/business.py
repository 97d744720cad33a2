"""A shop's business database, read in canonical tables through its mapping: any database that SQLAlchemy speaks to."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from feature_store.schema import SOURCE_TABLES, Table
from pipeline.sources.canonical import arrow_schema, canonical_column
from pipeline.sources.check import check_tables
from pipeline.sources.connection import connection, database_errors, source_url
from pipeline.sources.mapping import Constant, Expression, SourceMapping, load_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings

BATCH_ROWS = 50_000
EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
"""Cursors before it are no times (MySQL's zero dates, epoch zero); such rows cannot be found by windows."""


@dataclass(frozen=True)
class BusinessSource:
    """A connected shop. Windows are half-open, [start, end), over the cursor column, in aware UTC times."""

    url: sa.URL
    connection: sa.Connection
    mapping: SourceMapping
    utc_columns: frozenset[tuple[str, str]]
    """Source columns (table, column) whose naive times are UTC whatever the mapping says."""

    def bounds(self, name: str) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last cursor of a canonical table; none when it has no rows."""
        table = SOURCE_TABLES[name]
        cursor = self._column(table, table.cursor)
        query = sa.select(sa.func.min(cursor), sa.func.max(cursor)).select_from(self._from(table))
        with database_errors(self.url):
            found = self.connection.execute(query.where(cursor >= self._local(EARLIEST, table))).one()
        if found[0] is None:
            return None
        first, last = self._canonical(table, table.cursor, list(found)).to_pylist()
        return first, last

    def has_rows(self, name: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether any row's cursor lies in the window."""
        return next(self.read(name, start, end, batch_rows=1), None) is not None

    def read(self, name: str, start: dt.datetime, end: dt.datetime, batch_rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """The rows of a window, ordered by cursor, in batches of the canonical schema; at most two are in memory."""
        table = SOURCE_TABLES[name]
        cursor = self._column(table, table.cursor)
        columns = [self._column(table, column).label(column) for column in table.columns]
        margin = dt.timedelta(0) if self._zone(table, table.cursor) == "UTC" else dt.timedelta(hours=2)
        query = (
            sa.select(*columns)
            .select_from(self._from(table))
            .where(cursor >= self._local(start - margin, table), cursor < self._local(end + margin, table))
            .order_by(cursor)
        )
        with database_errors(self.url):
            options = {"stream_results": True, "max_row_buffer": batch_rows}
            with self.connection.execute(query, execution_options=options) as result:
                while rows := result.fetchmany(batch_rows):
                    batch = _within(self._batch(table, rows), table.cursor, start, end)
                    if len(batch):
                        yield batch

    def _batch(self, table: Table, rows: Any) -> pa.Table:  # noqa: ANN401 -- rows of whatever the database holds
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        return pa.table([self._canonical(table, name, values) for name, values in columns], schema=arrow_schema(table))

    def _canonical(self, table: Table, name: str, values: Any) -> pa.Array:  # noqa: ANN401 -- as above
        where = f"source `{self.mapping.name}`, table `{table.name}`, column `{name}`"
        return canonical_column(values, table.columns[name], self._zone(table, name), where)

    def _from(self, table: Table) -> sa.FromClause:
        return sa.table(self.mapping.tables[table.name].table)

    def _column(self, table: Table, name: str) -> sa.ColumnElement[Any]:
        source = self.mapping.tables[table.name].columns.get(name)
        if source is None:
            return sa.null()
        if isinstance(source, Constant):
            return sa.literal(source.constant)
        return sa.literal_column(f"({source.expression})") if isinstance(source, Expression) else sa.column(source)

    def _zone(self, table: Table, name: str) -> str:
        mapping = self.mapping.tables[table.name]
        source = mapping.columns.get(name)
        is_utc = isinstance(source, str) and (mapping.table, source) in self.utc_columns
        return "UTC" if is_utc else self.mapping.timezone

    def _local(self, moment: dt.datetime, table: Table) -> str:
        """A bound as the source writes it: text compares well with SQLite's text and every server's own type."""
        zone = ZoneInfo(self._zone(table, table.cursor))
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ")


@contextmanager
def open_source(settings: Settings) -> Iterator[BusinessSource]:
    """The shop that the settings name, connected and checked.

    Raises:
        SourceError: it cannot be reached, or lacks a table or a column of the mapping.
    """
    mapping, url = load_mapping(settings), source_url(settings)
    with connection(url) as opened:
        yield BusinessSource(url, opened, mapping, check_tables(opened, mapping))


def _within(batch: pa.Table, cursor: str, start: dt.datetime, end: dt.datetime) -> pa.Table:
    """Only the rows of the window: local times are read with a margin, because a zone's clock can step."""
    column = batch[cursor]
    return batch.filter(pc.and_(pc.greater_equal(column, start), pc.less(column, end)))

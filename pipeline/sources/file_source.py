"""A shop that comes as files: the same mapping, joins and expressions as a database, computed by DuckDB."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from feature_store.schema import MAPPABLE_TABLES, Table
from pipeline.errors import SourceError
from pipeline.sources.daily import ordered
from pipeline.sources.files import Folder, LocalFolder, place_of, read_rows, tables_of
from pipeline.sources.introspect import SAMPLE_ROWS, SeenColumn, SeenTable
from pipeline.sources.mapped import Canonical
from pipeline.sources.mapping import SourceMapping, TableMapping, nearest
from pipeline.sources.merge import newest_of_key
from pipeline.sources.selection import from_clause, source_column, source_columns

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from pipeline.sources.source import Shape

_SQL: sa.Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy's own gap
"""What DuckDB reads; `named` because other styles double every %."""
_NAIVE_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")


@dataclass(frozen=True)
class FileSource:
    """An open folder of exports. One file at a time is computed; the rows of the window asked for are in memory."""

    mapping: SourceMapping
    folder: Folder
    tables: dict[str, list[str]]

    def shape(self, name: str) -> Shape:
        """Every column of the newest files behind a canonical table.

        Raises:
            SourceError: a table without files, or a file that lacks a mapped column.
        """
        mapped = self.mapping.tables[name]
        seen = {table: self._rows(self._files(name, table)[-1]) for table in _sources(mapped)}
        for table, column in mapped.references():
            if column not in seen[table].column_names:
                raise self._lacks(self._files(name, table)[-1], column, seen[table].column_names)
        return {f"{table}.{field.name}": str(field.type) for table, rows in seen.items() for field in rows.schema}

    def bounds(self, name: str) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last cursor; none when there are no rows."""
        cursors = [rows[MAPPABLE_TABLES[name].cursor] for rows in self._canonical_files(name)]
        found = [pc.min_max(column).as_py() for column in cursors]
        firsts = [each["min"] for each in found if each["min"] is not None]
        return (min(firsts), max(each["max"] for each in found if each["max"] is not None)) if firsts else None

    def has_rows(self, name: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether any row's cursor lies in the half-open window."""
        return next(self.read(name, start, end), None) is not None

    def read(self, name: str, start: dt.datetime, end: dt.datetime) -> Iterator[pa.Table]:
        """The rows of the half-open window, ordered by cursor."""
        table = MAPPABLE_TABLES[name]
        within = [_within(rows, table.cursor, start, end) for rows in self._canonical_files(name)]
        if rows := [each for each in within if len(each)]:
            yield ordered(rows, table)

    def scan(self, name: str) -> Iterator[pa.Table]:
        """The newest version of every row whatever its cursor."""
        table = MAPPABLE_TABLES[name]
        if rows := list(self._canonical_files(name)):
            yield newest_of_key(ordered(rows, table), table)

    def scan_keys(self, name: str) -> Iterator[pa.Table]:
        """Key and cursor of every row."""
        table = MAPPABLE_TABLES[name]
        for rows in self.scan(name):
            yield rows.select([*table.key, table.cursor])

    def unreadable(self, name: str) -> int:
        """Rows without a cursor: no window ever holds them."""
        return sum(rows[MAPPABLE_TABLES[name].cursor].null_count for rows in self._canonical_files(name))

    def look(self) -> dict[str, SeenTable]:
        """What the newest file of every table holds."""
        return {table: _seen(table, self._rows(files[-1])) for table, files in self.tables.items()}

    def sample(self, name: str, columns: list[str]) -> dict[str, list[Any]]:
        """The first values of some canonical columns of the newest file, as the file has them."""
        mapped = self.mapping.tables[name]
        query = sa.select(*(source_column(mapped, column).label(column) for column in columns))
        found = self._select(name, query.limit(SAMPLE_ROWS), self._files(name, mapped.table)[-1])
        return {column: found[column].to_pylist() for column in columns}

    def _canonical_files(self, name: str) -> Iterator[pa.Table]:
        """Each file's rows in the canonical schema; a value that does not fit is told with file and row."""
        table, mapped = MAPPABLE_TABLES[name], self.mapping.tables[name]
        query = sa.select(*source_columns(mapped, table))
        for file in self._files(name, mapped.table):
            yield self._canonical(table, self._select(name, query, file), file)

    def _canonical(self, table: Table, rows: pa.Table, file: str) -> pa.Table:
        columns = {name: rows[name].combine_chunks() for name in rows.column_names}
        canonical = Canonical(self.mapping)
        try:
            return canonical.table(table, columns)
        except SourceError:
            for name in table.columns:
                if (row := _first_bad(canonical, table, name, columns[name])) is not None:
                    raise SourceError(
                        f"file {self.folder.shown(file)}, {place_of(file, row)}, column `{name}` of `{table.name}`",
                        expected=f"a value of type {table.columns[name].type}",
                        found=repr(columns[name][row].as_py()),
                        remedy="Mend the export, or map an expression that casts it, e.g. TRY_CAST(x AS DOUBLE).",
                    ) from None
            raise

    def _select(self, name: str, query: sa.Select[Any], file: str) -> pa.Table:
        """A query over one file and the whole of each look-up table."""
        mapped = self.mapping.tables[name]
        rows = {mapped.table: self._rows(file)}
        for table in _sources(mapped) - {mapped.table}:
            rows[table] = pa.concat_tables(
                [self._rows(each) for each in self._files(name, table)], promote_options="permissive"
            )
        for table, column in mapped.references():
            if column not in rows[table].column_names:
                raise self._lacks(file if table == mapped.table else table, column, rows[table].column_names)
        sql = query.select_from(from_clause(mapped)).compile(dialect=_SQL, compile_kwargs={"literal_binds": True})
        with duckdb.connect(config={"threads": 1}) as connection:
            for table, each in rows.items():
                connection.register(table, each)
            try:
                return connection.sql(str(sql)).to_arrow_table()
            except duckdb.Error as error:
                raise SourceError(
                    f"file {self.folder.shown(file)}",
                    expected="rows that the mapping's expressions can compute",
                    found=str(error).splitlines()[0],
                    remedy=f"Mend the expressions of `{name}`: they are DuckDB's SQL; columns of CSV files are texts.",
                ) from None

    def _rows(self, file: str) -> pa.Table:
        return read_rows(file, self.folder.read(file), self.folder.shown(file))

    def _files(self, name: str, table: str) -> list[str]:
        if table in self.tables:
            return self.tables[table]
        raise SourceError(
            f"canonical table `{name}`",
            expected=f"files `{table}.csv`, .jsonl or .parquet, or a folder `{table}/` of them",
            found=f"files of {', '.join(sorted(self.tables)) or 'no table'}{nearest(table, self.tables)}",
            remedy="Mend the mapping, or the export.",
        )

    def _lacks(self, file: str, column: str, present: list[str]) -> SourceError:
        return SourceError(
            f"file {self.folder.shown(file)}",
            expected=f"a column `{column}`",
            found=f"the columns {', '.join(present)}{nearest(column, present)}",
            remedy="Mend the mapping, or export the file again.",
        )


@contextmanager
def open_files(mapping: SourceMapping) -> Iterator[FileSource]:
    """The folder or the prefix that the mapping names.

    Raises:
        SourceError: there is none, or it cannot be reached.
    """
    place = mapping.files or ""
    with TemporaryDirectory(prefix="vitrine-files-") as fetched:
        folder: Folder = _bucket(place, Path(fetched)) if "://" in place else LocalFolder(Path(place))
        yield FileSource(mapping, folder, tables_of(folder.names()))


def _bucket(place: str, fetched: Path) -> Folder:
    from pipeline.sources.objectstore.folder import ObjectFolder
    from pipeline.sources.objectstore.store import open_store

    store, prefix = open_store(place)
    return ObjectFolder(store, prefix, place, fetched)


def _sources(mapped: TableMapping) -> set[str]:
    return {mapped.table, *(join.table for join in mapped.joins.values())}


def _within(rows: pa.Table, cursor: str, start: dt.datetime, end: dt.datetime) -> pa.Table:
    return rows.filter(pc.and_(pc.greater_equal(rows[cursor], start), pc.less(rows[cursor], end)))


def _first_bad(canonical: Canonical, table: Table, name: str, values: pa.Array) -> int | None:
    """The first row whose value does not fit its column, found by halving; none: all fit."""
    if not _breaks(canonical, table, name, values):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _breaks(canonical, table, name, values[low:middle]) else (middle, high)
    return low


def _breaks(canonical: Canonical, table: Table, name: str, values: pa.Array) -> bool:
    try:
        canonical.column(table, name, values)
    except SourceError:
        return True
    return False


def _seen(table: str, rows: pa.Table) -> SeenTable:
    return SeenTable(table, {field.name: _seen_column(field, rows[field.name]) for field in rows.schema})


def _seen_column(field: pa.Field, values: pa.ChunkedArray) -> SeenColumn:
    kind = field.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return SeenColumn(field.name, str(kind), "time", naive=getattr(kind, "tz", None) is None)
    if pa.types.is_string(kind):
        first = next((value for value in values[:SAMPLE_ROWS].to_pylist() if value is not None), "")
        is_time = bool(_NAIVE_TIME.fullmatch(first))
        return SeenColumn(field.name, "text", "time" if is_time else "text", naive=is_time)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return SeenColumn(field.name, str(kind), "number" if is_number else "other")

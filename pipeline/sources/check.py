"""Whether a database has what a mapping names, before anything is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ReflectedColumn

    from pipeline.sources.mapping import SourceMapping


def check_tables(connection: sa.Connection, mapping: SourceMapping) -> frozenset[tuple[str, str]]:
    """The source columns (table, column) that are UTC by their type: MySQL shows a TIMESTAMP in the session's zone.

    Raises:
        SourceError: a mapped table or column is not there; names it, and the ones that are.
    """
    inspector = sa.inspect(connection)
    present = set(inspector.get_table_names()) | set(inspector.get_view_names())
    is_mysql = connection.dialect.name in {"mysql", "mariadb"}
    utc: set[tuple[str, str]] = set()
    for name, table in mapping.tables.items():
        if table.table not in present:
            raise _missing(name, f"a table `{table.table}`", "tables", present)
        columns = {column["name"]: column for column in inspector.get_columns(table.table)}
        for column in table.source_columns():
            if column not in columns:
                raise _missing(name, f"a column `{column}` in `{table.table}`", "columns", set(columns))
            if is_mysql and _is_timestamp(columns[column]):
                utc.add((table.table, column))
    return frozenset(utc)


def _is_timestamp(column: ReflectedColumn) -> bool:
    return isinstance(column["type"], sa.TIMESTAMP)


def _missing(table: str, expected: str, kind: str, present: set[str]) -> SourceError:
    return SourceError(
        f"canonical table `{table}`",
        expected=expected,
        found=f"the {kind} {', '.join(sorted(present))}" if present else f"no {kind}",
        remedy="Mend the mapping (setting `source`) or the grants of the database user.",
    )

"""A table mapping as SQL: its table, its look-up tables, and each canonical column as the source has it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.mapping import Constant, Expression

if TYPE_CHECKING:
    from feature_store.schema import Table
    from pipeline.sources.mapping import TableMapping

DELETED = "deleted"
"""The label of the column that says whether a row was taken away; it is no canonical column."""


def from_clause(mapping: TableMapping) -> sa.FromClause:
    """The table, left joined to its look-up tables, so that a missing look-up row loses nothing."""
    clause = _table(mapping.table)
    for name, join in mapping.ordered_joins().items():
        on = [
            reference_column(mapping, near) == reference_column(mapping, f"{name}.{far}")
            for near, far in join.by.items()
        ]
        clause = clause.outerjoin(_table(join.table, name), sa.and_(*on))
    return clause


def source_column(mapping: TableMapping, name: str) -> sa.ColumnElement[Any]:
    """A canonical column in the source's own values."""
    source = mapping.columns.get(name)
    if source is None:
        return sa.null()
    if isinstance(source, Constant):
        return sa.literal(source.constant if isinstance(source.constant, str | int | float) else str(source.constant))
    if isinstance(source, Expression):
        return sa.literal_column(f"({source.expression})")
    return reference_column(mapping, source if isinstance(source, str) else source.column)


def source_columns(mapping: TableMapping, table: Table) -> list[sa.ColumnElement[Any]]:
    """Every canonical column under its name, and `deleted` where the mapping has one."""
    columns = [source_column(mapping, name).label(name) for name in table.columns]
    return columns + ([reference_column(mapping, mapping.deleted).label(DELETED)] if mapping.deleted else [])


def reference_column(mapping: TableMapping, reference: str) -> sa.ColumnElement[Any]:
    """`column` of the mapping's own table, or `join.column`; quoted where a database needs it."""
    join, column = mapping.split(reference)
    return sa.column(column, _selectable=_table(mapping.joins[join].table, join) if join else _table(mapping.table))


@functools.cache
def _table(name: str, alias: str | None = None) -> sa.FromClause:
    """One object per name: SQLAlchemy takes two for two tables."""
    return sa.table(name).alias(alias) if alias else sa.table(name)

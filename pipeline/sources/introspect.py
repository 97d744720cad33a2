"""What a database holds: tables, columns, types, keys, indexes, and the first rows through a mapping."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from pipeline.sources.connection import database_errors
from pipeline.sources.selection import from_clause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine.interfaces import ReflectedColumn

    from pipeline.sources.mapping import TableMapping

Kind = Literal["time", "number", "text", "other"]
SAMPLE_ROWS = 10_000


@dataclass(frozen=True)
class SeenColumn:
    """One column of a source."""

    name: str
    type: str
    kind: Kind
    naive: bool = False
    """A time that does not say its zone."""


@dataclass(frozen=True)
class SeenTable:
    """One table or view of a source, or one kind of file."""

    name: str
    columns: dict[str, SeenColumn]
    key: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Column -> (table, column) that it points at, where the database was told so."""
    indexed: frozenset[str] | None = None
    """First columns of indexes; none: a source without indexes."""


def look(connection: sa.Connection) -> dict[str, SeenTable]:
    """Every table and view that the user of the connection may see.

    Raises:
        SourceError: the database refuses to say.
    """
    inspector = sa.inspect(connection)
    with database_errors(connection.engine.url), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)  # it is "other", and that is told
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
        return {name: table for name in names if (table := _seen(inspector, name)) is not None}


def first_rows(
    connection: sa.Connection, mapping: TableMapping, columns: Mapping[str, sa.ColumnElement[Any]]
) -> dict[str, list[Any]]:
    """The values of some columns in the first rows of a mapped table; the database says what it dislikes.

    Raises:
        SourceError: an expression that the database cannot compute, or a refusal.
    """
    chosen = [column.label(name) for name, column in columns.items()]
    query = sa.select(*chosen).select_from(from_clause(mapping)).limit(SAMPLE_ROWS)
    with database_errors(connection.engine.url):
        rows = connection.execute(query).all()
    return {name: [row[position] for row in rows] for position, name in enumerate(columns)}


def _seen(inspector: sa.Inspector, name: str) -> SeenTable | None:
    """None: a view that is broken, or whose tables this user may not see."""
    try:
        columns = {column["name"]: _column(column, inspector.dialect.name) for column in inspector.get_columns(name)}
    except (sa.exc.NoSuchTableError, sa.exc.UnreflectableTableError):
        return None
    key = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
    unique = [constraint["column_names"] for constraint in inspector.get_unique_constraints(name)]
    indexed = [key, *unique, *(index["column_names"] for index in inspector.get_indexes(name))]
    references = {
        near: (foreign["referred_table"], far)
        for foreign in inspector.get_foreign_keys(name)
        for near, far in zip(foreign["constrained_columns"], foreign["referred_columns"], strict=False)
    }
    return SeenTable(
        name, columns, key, references, frozenset(names[0] for names in indexed if names and names[0] is not None)
    )


def _column(column: ReflectedColumn, dialect: str) -> SeenColumn:
    kind = column["type"]
    return SeenColumn(column["name"], _short(kind), _kind(kind), naive=_is_naive(kind, dialect))


def _short(kind: sa.types.TypeEngine[Any]) -> str:
    """`VARCHAR(20)`, without what a database adds about letters."""
    return re.split(r" (?:COLLATE|CHARACTER SET) ", str(kind))[0]


def _kind(kind: sa.types.TypeEngine[Any]) -> Kind:
    if isinstance(kind, sa.DateTime | sa.Date):
        return "time"
    if isinstance(kind, sa.Numeric | sa.Integer | sa.Boolean):
        return "number"
    return "text" if isinstance(kind, sa.String | sa.Enum) else "other"


def _is_naive(kind: sa.types.TypeEngine[Any], dialect: str) -> bool:
    """MySQL's TIMESTAMP is a moment; its DATETIME is what a clock somewhere showed."""
    if dialect in {"mysql", "mariadb"} and isinstance(kind, sa.TIMESTAMP):
        return False
    return isinstance(kind, sa.Date) or (isinstance(kind, sa.DateTime) and not kind.timezone)

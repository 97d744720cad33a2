"""Whether a database has what a mapping names, before anything is read or written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import SET

from pipeline.errors import SourceError
from pipeline.sources.mapping import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine.interfaces import ReflectedColumn

    from pipeline.sources.mapping import SourceMapping, TableMapping
    from pipeline.sources.source import Shape


@dataclass(frozen=True)
class Checked:
    """What a database was found to have, by canonical table."""

    utc_columns: frozenset[tuple[str, str]]
    """Source columns (table, column) whose naive times are UTC whatever the mapping says."""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """Every column of the tables that are as the mapping says, whether mapped or not."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """First column of the primary key of the mapping's own table, where it has a key that begins with a whole number or
    a text."""
    choices: frozenset[tuple[str, str]] = frozenset()
    """Source columns (table, column) of MySQL's ENUM and SET, which it orders by number and compares as text."""
    broken: Mapping[str, SourceError] = field(default_factory=dict)
    """Tables that lack something, with what to raise when they are read."""


def check_tables(connection: sa.Connection, mapping: SourceMapping) -> Checked:
    """The tables as they are; the source columns that are UTC by their type: MySQL shows a TIMESTAMP in the session's
    zone.

    Raises:
        SourceError: no mapped table is as the mapping says; names what the first one lacks, and what there is.
    """
    inspector = sa.inspect(connection)
    present = set(inspector.get_table_names()) | set(inspector.get_view_names())
    is_mysql = connection.dialect.name in {"mysql", "mariadb"}
    utc: set[tuple[str, str]] = set()
    choices: set[tuple[str, str]] = set()
    shapes: dict[str, Shape] = {}
    keys: dict[str, str] = {}
    broken: dict[str, SourceError] = {}
    for name, mapped in mapping.tables.items():
        try:
            known = _known_columns(inspector, present, name, mapped)
        except SourceError as error:
            broken[name] = error
            continue
        shapes[name] = {f"{table}.{each}": _kind(c) for table, columns in known.items() for each, c in columns.items()}
        key = inspector.get_pk_constraint(mapped.table)["constrained_columns"]
        if key and shapes[name][f"{mapped.table}.{key[0]}"] in {"whole numbers", "text"}:
            keys[name] = key[0]
        choices |= {(table, column) for table, column in mapped.references() if _is_choice(known[table][column])}
        if is_mysql:
            utc |= {(table, column) for table, column in mapped.references() if _is_timestamp(known[table][column])}
    if broken and not shapes:
        raise next(iter(broken.values()))
    return Checked(frozenset(utc), shapes, keys, frozenset(choices), broken)


def _known_columns(
    inspector: sa.Inspector, present: set[str], name: str, mapped: TableMapping
) -> dict[str, dict[str, ReflectedColumn]]:
    """The columns of every source table behind a canonical one.

    Raises:
        SourceError: a table, or a column that the mapping names, is not there.
    """
    known: dict[str, dict[str, ReflectedColumn]] = {}
    for table in (mapped.table, *(join.table for join in mapped.joins.values())):
        if table not in present:
            raise _missing(name, f"a table `{table}`", table, "tables", present)
        known[table] = {column["name"]: column for column in inspector.get_columns(table)}
    for table, column in mapped.references():
        if column not in known[table]:
            raise _missing(name, f"a column `{column}` in `{table}`", column, "columns", set(known[table]))
    return known


_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("whole numbers", (sa.Integer, sa.Boolean)),
    ("numbers", (sa.Numeric, sa.Float)),
    ("times", (sa.DateTime, sa.Date)),
    ("text", (sa.String, sa.Uuid)),
    ("bytes", (sa.LargeBinary, sa.BINARY, sa.VARBINARY)),
)
"""Kinds that a column does not leave without somebody meaning it; a longer text or a wider number is the same kind."""


def _kind(column: ReflectedColumn) -> str:
    if getattr(column["type"], "zerofill", False):
        return "zero-filled numbers"
    return next((kind for kind, types in _KINDS if isinstance(column["type"], types)), str(column["type"]))


def _is_choice(column: ReflectedColumn) -> bool:
    return isinstance(column["type"], sa.Enum | SET)


def _is_timestamp(column: ReflectedColumn) -> bool:
    return isinstance(column["type"], sa.TIMESTAMP)


def _missing(table: str, expected: str, name: str, kind: str, present: set[str]) -> SourceError:
    return SourceError(
        f"canonical table `{table}`",
        expected=expected,
        found=f"the {kind} {', '.join(sorted(present))}{nearest(name, present)}" if present else f"no {kind}",
        remedy="Mend the mapping (setting `source`) or the grants of the database user.",
    )

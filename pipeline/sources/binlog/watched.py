"""Which source tables and columns say that rows of a canonical table changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from feature_store.schema import MAPPABLE_TABLES
from pipeline.sources.mapping import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.sources.business import BusinessSource
    from pipeline.sources.mapping import TableMapping

Columns = tuple[str, ...]
_KEY_KINDS = {"whole numbers", "numbers", "times", "text"}
_SUBQUERY = re.compile(r"\bselect\b", re.IGNORECASE)
_FOLLOWING = {"CASCADE", "SET NULL", "SET DEFAULT"}


@dataclass(frozen=True)
class Lookup:
    """A joined table: its columns that rows are joined by, and all that matter; none: every column does."""

    table: str
    far: Columns
    used: frozenset[str] | None = None


@dataclass(frozen=True)
class Watched:
    """A canonical table that can be followed."""

    name: str
    table: str
    key: dict[str, str]
    """Canonical key column -> column of the source table; those that are constant are left out."""
    lookups: dict[str, Lookup]
    parents: Mapping[str, frozenset[str]]
    """Tables (and their columns) whose deleted and changed keys change rows by a foreign key, which is in no event."""

    def tables(self) -> set[str]:
        return {self.table, *(lookup.table for lookup in self.lookups.values()), *self.parents}


def watched_tables(source: BusinessSource, names: Iterable[str]) -> tuple[list[Watched], dict[str, str]]:
    """Those of the canonical tables that the binlog can tell of; why not, of the others."""
    inspector = sa.inspect(source.connection)
    views = set(inspector.get_view_names())
    found: list[Watched] = []
    refused: dict[str, str] = {}
    for name in names:
        mapping = source.mapping.tables[name]
        if reason := _refusal(name, mapping, source.shape(name), views):
            refused[name] = reason
            continue
        parents: dict[str, frozenset[str]] = {}
        for table in {mapping.table, *(join.table for join in mapping.joins.values())}:
            _add_parents(inspector, table, parents)
        found.append(Watched(name, mapping.table, _key(name, mapping), _lookups(mapping), parents))
    return found, refused


def _key(name: str, mapping: TableMapping) -> dict[str, str]:
    return {part: reference for part in MAPPABLE_TABLES[name].key if (reference := mapping.reference(part)) is not None}


def _refusal(name: str, mapping: TableMapping, shape: Mapping[str, str], views: set[str]) -> str:
    """Why no event can be traced to rows of the table; empty: it can be."""
    tables = {mapping.table, *(join.table for join in mapping.joins.values())}
    if seen := sorted(tables & views):
        return f"`{seen[0]}` is a view, of which the binlog knows nothing"
    if any(isinstance(each, Expression) and _SUBQUERY.search(each.expression) for each in mapping.columns.values()):
        return "an expression reads other tables"
    refused = (reason for part in MAPPABLE_TABLES[name].key if (reason := _key_refusal(part, mapping, shape)))
    return next(refused, "" if _key(name, mapping) else "every key column is a constant")


def _key_refusal(part: str, mapping: TableMapping, shape: Mapping[str, str]) -> str:
    if isinstance(mapping.columns.get(part), Expression):
        return f"the key column `{part}` is an expression"
    reference = mapping.reference(part)
    if reference is None:
        return ""
    if mapping.split(reference)[0] is not None:
        return f"the key column `{part}` is one of a look-up table"
    kind = shape[f"{mapping.table}.{reference}"]
    return "" if kind in _KEY_KINDS else f"the key column `{part}` holds {kind}"


def _lookups(mapping: TableMapping) -> dict[str, Lookup]:
    named = [reference for name in mapping.columns if (reference := mapping.reference(name)) is not None]
    named += [near for join in mapping.joins.values() for near in join.by] + [mapping.deleted or ""]
    has_expression = any(isinstance(each, Expression) for each in mapping.columns.values())
    lookups = {}
    for alias, join in mapping.joins.items():
        far = tuple(join.by.values())
        used = {column for reference in named for of, column in [mapping.split(reference)] if of == alias}
        lookups[alias] = Lookup(join.table, far, None if has_expression else frozenset(used | set(far)))
    return lookups


def _add_parents(inspector: sa.Inspector, table: str, parents: dict[str, frozenset[str]]) -> None:
    """Those whose foreign keys do something to the rows of `table`, and theirs in turn."""
    for foreign in inspector.get_foreign_keys(table):
        options, parent = foreign.get("options", {}), foreign["referred_table"]
        if not {options.get("ondelete"), options.get("onupdate")} & _FOLLOWING:
            continue
        known = parents.get(parent)
        parents[parent] = (known or frozenset()) | set(foreign["referred_columns"])
        if known is None and inspector.has_table(parent):
            _add_parents(inspector, parent, parents)
